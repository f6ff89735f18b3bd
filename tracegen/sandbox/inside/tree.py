"""What a process tree uses, read from /proc: CPU seconds, memory, processes and threads."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
SOCKET = 416 * 2**10
"""Bytes that a pair of unix sockets can hold in the kernel, where no process's memory shows them."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What the processes of a tree use together."""

    seconds: float = 0.0
    """CPU of those that live and of their children that were waited for."""
    memory: int = 0
    """Bytes; an upper bound, because shared pages count in every process."""
    threads: int = 0
    pids: tuple[int, ...] = ()
    spent: dict[tuple[int, int], float] = field(default_factory=dict)
    """CPU of each that lives, without its children, by number and start."""


def usage(root: int, *, itself: bool) -> Usage:
    """What the descendants of `root` use, and `root` itself if so asked; nothing where there is no /proc."""
    stats: dict[int, list[bytes]] = {}
    for name in os.listdir("/proc") if os.path.isdir("/proc") else ():
        if name.isdigit() and (stat := _read(f"/proc/{name}/stat")):
            # The program's name stands in parentheses and may hold anything, so fields are counted from its end.
            stats[int(name)] = stat[stat.rindex(b")") + 2 :].split()
    parents = {pid: int(fields[1]) for pid, fields in stats.items()}
    pids = tuple(pid for pid in stats if (pid != root or itself) and _descends(pid, root, parents))
    return Usage(
        sum(sum(map(int, stats[pid][11:15])) for pid in pids) / TICKS,
        sum(int(stats[pid][21]) for pid in pids) * PAGE,
        sum(int(stats[pid][17]) for pid in pids),
        pids,
        {(pid, int(stats[pid][19])): sum(map(int, stats[pid][11:13])) / TICKS for pid in pids},
    )


def held(pids: Sequence[int]) -> int:
    """Bytes that processes hold, each shared page counted once; slower than the bound that `usage` gives."""
    total = 0
    for pid in pids:
        lines = (_read(f"/proc/{pid}/smaps_rollup") or b"").splitlines()
        if sizes := [int(line.split()[1]) * 1024 for line in lines if line.startswith(b"Pss:")]:
            total += sizes[0]
        elif stat := _read(f"/proc/{pid}/statm"):
            total += int(stat.split()[1]) * PAGE  # what does not let itself be looked at counts in full
    return total


def cpu_limit(pid: int) -> int | None:
    """CPU seconds after which the kernel kills the process; None where there is no such limit."""
    for line in (_read(f"/proc/{pid}/limits") or b"").splitlines():
        if line.startswith(b"Max cpu time") and line.split()[4].isdigit():
            return int(line.split()[4])
    return None


def sockets(pid: int) -> int:
    """Bytes that the sockets in this process's network namespace can hold."""
    line = (_read(f"/proc/{pid}/net/sockstat") or b"").partition(b"\n")[0].split()
    return int(line[2]) * SOCKET if len(line) > 2 else 0


def _descends(pid: int, root: int, parents: dict[int, int]) -> bool:
    while pid in parents and pid != root:
        pid = parents[pid]
    return pid == root


def _read(path: str) -> bytes | None:
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read()
    except OSError:  # it ended between the listing and the look
        return None
