"""Watches programs from outside their walls: what each process tree uses, when it breaks a limit, how it ends.

A program cannot reach this process: it holds neither the socket on which its end is reported, nor, where there are
namespaces, a way to see or to signal what is outside of its own.
"""

import contextlib
import os
import select
import signal
import socket
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from .job import Job, send
from .tree import Usage, cpu_limit, held, sockets, usage

TICK = 0.02
"""Seconds between two looks. A process fills about 1 GiB in a second, so a limit is overrun by some 20 MiB."""
CONFINED = b"+"
"""What a program's process says of itself when it has taken its place and the program is about to begin."""


@dataclass(slots=True, eq=False)
class Charge:
    """One program that runs."""

    pid: int
    job: Job
    status: socket.socket
    setup: int
    """Its process says here that it is confined, or what went wrong, and closes it."""
    own_namespaces: bool
    """Whether `pid` is the first process of namespaces, with which all in them ends."""
    root: int = 0
    """The process from which its tree is counted; 0: its own, which counts too."""
    next_look: float = field(default_factory=lambda: time.monotonic() + TICK)
    life: int = -1
    spent: dict[tuple[int, int], float] = field(default_factory=dict)
    """CPU seconds of every process that was seen: whoever ignores SIGCHLD is not charged for its children."""
    own_limit: int | None = None
    """CPU seconds that the program allowed itself."""

    def __post_init__(self) -> None:
        if hasattr(os, "pidfd_open"):
            self.life = os.pidfd_open(self.pid)

    def look(self, tick: float) -> bool:
        """Whether it is over; then all of it is dead and its end reported."""
        found, state, own = os.wait4(self.pid, os.WNOHANG)
        if not found and time.monotonic() < self.next_look:
            return False
        self.next_look = time.monotonic() + tick
        used = Usage() if found else usage(self.root or self.pid, itself=not self.root)
        self.spent |= used.spent
        seconds = max(used.seconds + (own.ru_utime + own.ru_stime if found else 0.0), sum(self.spent.values()))
        if not found and seconds > 0.5:
            self.own_limit = cpu_limit(self.pid) or self.own_limit
        if over := self._over(used, seconds):
            self._report(*over, alive=not found)
        elif found:
            self._report(*self._ended(os.waitstatus_to_exitcode(state), seconds), alive=False)
        return bool(over or found)

    def kill(self) -> None:
        """Ends all of it."""
        while pids := [self.pid] if self.own_namespaces else usage(self.root or self.pid, itself=not self.root).pids:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(-1 if self.root else self.pid, 0)
            if not self.root:
                break

    def close(self) -> None:
        """Lets go of it."""
        self.status.close()
        for file in (self.setup, self.life):
            if file >= 0:
                os.close(file)

    def _over(self, used: Usage, seconds: float) -> tuple[str, int | None, str] | None:
        """The limit that it broke, as status, code and detail."""
        if seconds > self.job.seconds:
            return "timeout", None, f"{seconds:.1f} s of CPU"
        if used.threads > 2 * self.job.processes:  # the kernel's own limit comes first, where it holds
            return "signal", signal.SIGKILL, f"{used.threads} processes and threads"
        hidden = sockets(self.pid) if self.own_namespaces and used.pids else 0
        most = self.job.memory * 2**20
        if used.memory + hidden > most and held(used.pids) + hidden > most:
            return "memory", None, f"more than {self.job.memory} MiB"
        return None

    def _ended(self, code: int, seconds: float) -> tuple[str, int | None, str]:
        """How it ended by itself. Programs hardly kill themselves, and cannot as the first process of namespaces, so
        somebody outside did; or the kernel, for a limit on its time that the program set."""
        if code == -signal.SIGKILL and self.own_limit and seconds > self.own_limit - 0.2:
            return "timeout", None, f"{seconds:.1f} s of CPU, by a limit of its own"
        if code == -signal.SIGKILL:
            return "infrastructure", None, "it was killed from outside, as by a machine without memory"
        return ("exited", code, "") if code >= 0 else ("signal", -code, "")

    def _report(self, how: str, code: int | None, detail: str, *, alive: bool) -> None:
        if alive or not self.own_namespaces:
            self.kill()
        said = os.read(self.setup, 1000)  # it is dead, so this does not wait
        if said != CONFINED and how != "memory":
            how, code, detail = "infrastructure", None, f"before the program began: {said.decode() or 'it ended'}"
        with contextlib.suppress(OSError):
            send(self.status, {"status": how, "code": code, "detail": detail})


def watch(charges: Iterable[Charge], tick: float = TICK, wake: socket.socket | None = None) -> set[Charge]:
    """Waits for something to happen, at most a tick, and returns those that are over; `wake` is a reason to return."""
    charges = list(charges)
    poll = select.poll()
    if wake is not None:
        poll.register(wake, select.POLLIN)
    for charge in charges:
        poll.register(charge.status, select.POLLHUP)
        if charge.life >= 0:
            poll.register(charge.life, select.POLLIN)
    happened = {file for file, _ in poll.poll(tick * 1000 if charges else None)}
    over = set()
    for charge in charges:
        if charge.status.fileno() in happened:  # whoever asked for it is gone
            charge.kill()
            over.add(charge)
        elif charge.look(tick):
            over.add(charge)
    for charge in over:
        charge.close()
    return over
