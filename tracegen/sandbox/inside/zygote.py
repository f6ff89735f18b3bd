"""The waiting interpreter: programs are forked from it, each into namespaces of its own, and it never runs one itself.

It takes limits and descriptors (`wires.Wires.theirs`) from its one socket, forks, and forgets. The child becomes the
supervisor of its namespaces; the source goes straight to the process that it starts, which furnishes and confines
itself before it becomes the program.
"""

import contextlib
import gc
import itertools
import json
import os
import signal
import socket
import sys
from typing import Any

from . import job as jobs
from . import kernel, landlock, namespaces, preload, seccomp
from .program import run
from .rlimits import limit
from .supervisor import supervise

MOST_FILES, LONGEST = 6, 2**12
Config = dict[str, Any]


def main() -> None:
    """Serves until the socket is closed; returns from the loop only in a program's process."""
    control = socket.socket(fileno=int(sys.argv[1]))
    config: Config = json.loads(sys.argv[2])
    os.environ.clear()
    obey = preload.modules(config["packages"])
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a first process is deaf to what it has no handler for
    namespaces.settle(config["first_id"])
    control.send(b"!")
    source = _serve(control, config, seccomp.assembled())
    obey()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    run(source)


def _serve(control: socket.socket, config: Config, syscalls: bytes) -> str:
    """The source of a program, in its own process."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for supervisors; they report by themselves
    gc.collect()
    gc.freeze()
    for own in itertools.cycle(range(1, namespaces.IDS)):
        limits, files, _, _ = socket.recv_fds(control, LONGEST, MOST_FILES)
        if not limits:
            os._exit(0)
        job = jobs.Job(**json.loads(limits))
        mapped, may_go = os.pipe()
        pid = 0
        with contextlib.suppress(OSError):  # the silence that follows is understood as a failing machine
            if not (pid := kernel.fork_into_namespaces()):
                os.close(may_go)
                return _child(job, files, mapped, config, syscalls)
            namespaces.map_ids(pid, own if config["first_id"] is not None else None)
            _announce(files[0], pid)
        for file in (*files, mapped, may_go):
            os.close(file)
    raise AssertionError("a cycle does not end")


def _announce(status: int, pid: int) -> None:
    """Gives the other side a hold on the program's namespaces: with this process, all in them ends."""
    file = os.pidfd_open(pid)
    with socket.socket(fileno=os.dup(status)) as connection:
        socket.send_fds(connection, [b"!"], [file])
    os.close(file)


def _child(job: jobs.Job, files: list[int], mapped: int, config: Config, syscalls: bytes) -> str:
    """The first process of fresh namespaces: it stays as the supervisor, and the program's own process returns."""

    def confine() -> None:
        os.setsid()
        namespaces.furnish(job)
        limit(job, alone=True)
        namespaces.become_nobody(own_id=config["first_id"] is not None)
        landlock.restrict(config["readable"])
        seccomp.apply(syscalls)

    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.read(mapped, 1)
    return supervise(socket.socket(fileno=files[0]), job, files[1:], confine)
