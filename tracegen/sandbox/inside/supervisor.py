"""Starts a program in a process of its own, watches what its tree uses, and says how it ended.

The program decides about nothing here: it does not hold the socket on which the report is sent, and where there are
namespaces the supervisor is their first process, which nobody inside can signal and with which everything dies.
"""

import contextlib
import fcntl
import os
import resource
import select
import signal
import socket
from collections.abc import Callable, Sequence
from typing import NoReturn

from .job import Job, receive, send
from .tree import held, sockets, usage

TICK = 0.02
"""Seconds between two looks. A process fills about 1 GiB in a second, so a limit is overrun by some 20 MiB."""
CONFINED = b"+"


def supervise(
    status: socket.socket, job: Job, files: Sequence[int], confine: Callable[[], None], *, tick: float = TICK
) -> str:
    """Returns the source in the program's process, its files in place and confined; the supervisor leaves by exit.

    `files` are stdin, stdout, stderr and the two ends of the channel, where there is one. The supervisor does as little
    as it can: every page of the interpreter that a forked process touches is copied.
    """
    ready, setup = os.pipe()
    try:
        pid = os.fork()
    except OSError as error:
        _report(status, "infrastructure", None, f"fork: {error}")
    if pid == 0:
        if (source := receive(status)) is None:
            os._exit(1)
        status.detach()
        setup = _place(files, setup)
        problem = ""
        try:
            confine()
        except OSError as error:
            problem = str(error)
        os.write(setup, problem.encode() or CONFINED)
        os.close(setup)
        if problem:
            os._exit(1)
        return str(source)
    for file in (setup, *files):
        os.close(file)
    if (said := os.read(ready, 1000)) != CONFINED:
        _report(status, "infrastructure", None, f"before the program began: {said.decode() or 'its process ended'}")
    os.close(ready)
    _watch(pid, job, status, tick)


def _place(files: Sequence[int], setup: int) -> int:
    """Puts `files` at 0, 1, 2 ... and `setup` behind them, and closes all else; says where `setup` is now."""
    moved = [fcntl.fcntl(file, fcntl.F_DUPFD, 64) for file in (*files, setup)]
    for place, file in enumerate(moved):
        os.dup2(file, place, inheritable=True)
    os.closerange(len(moved), max(resource.getrlimit(resource.RLIMIT_NOFILE)[0], 256))
    return len(moved) - 1


def _watch(pid: int, job: Job, status: socket.socket, tick: float) -> NoReturn:
    alone = os.getpid() == 1
    poll = select.poll()
    poll.register(status, select.POLLIN)
    if hasattr(os, "pidfd_open"):
        poll.register(os.pidfd_open(pid), select.POLLIN)
    else:
        tick = min(tick, 0.005)
    while True:
        if any(file == status.fileno() for file, _ in poll.poll(tick * 1000)):
            _kill_all()  # whoever asked for this is gone
            os._exit(1)
        ended = _reap(pid)
        own = resource.getrusage(resource.RUSAGE_CHILDREN)
        used = usage(os.getpid()) if ended is None else None
        seconds = own.ru_utime + own.ru_stime + (used.seconds if used else 0.0)
        if seconds > job.seconds:
            _report(status, "timeout", None, f"{seconds:.1f} s of CPU")
        if used is None:
            assert ended is not None
            code = os.waitstatus_to_exitcode(ended)
            _report(status, "exited" if code >= 0 else "signal", abs(code), "")
        if used.threads > 2 * job.processes:  # the kernel's own limit comes first, where it holds
            _report(status, "signal", signal.SIGKILL, f"{used.threads} processes and threads")
        hidden = sockets() if alone else 0
        if used.memory + hidden > job.memory * 2**20 and held(used.pids) + hidden > job.memory * 2**20:
            _report(status, "memory", None, f"more than {job.memory} MiB")


def _reap(pid: int) -> int | None:
    """The wait status of `pid` if it has ended; orphans that came to us are laid to rest on the way."""
    found = None
    with contextlib.suppress(ChildProcessError):
        while (child := os.waitpid(-1, os.WNOHANG))[0]:
            if child[0] == pid:
                found = child[1]
    return found


def _report(status: socket.socket, how: str, code: int | None, detail: str) -> NoReturn:
    """Kills what is left, says how the program ended, and leaves."""
    _kill_all()
    with contextlib.suppress(OSError):
        send(status, {"status": how, "code": code, "detail": detail})
    os._exit(0)


def _kill_all() -> None:
    if os.getpid() == 1:
        return  # the kernel does it when we leave
    while pids := usage(os.getpid()).pids:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(-1, 0)
