"""The waiting interpreter: programs are forked from it, each into namespaces of its own, and it never runs one itself.

It takes descriptors from its one socket (`wires.Wires.theirs`, and no data to be misled by), forks, and forgets. The
child furnishes its namespaces, becomes their supervisor, and starts the program in a child of its own.
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

MOST_FILES = 6
Config = dict[str, Any]


def main() -> None:
    """Serves until the socket is closed; returns from the loop only in a program's process."""
    control = socket.socket(fileno=int(sys.argv[1]))
    config: Config = json.loads(sys.argv[2])
    os.environ.clear()
    preload.modules(config["packages"])
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a first process is deaf to what it has no handler for
    namespaces.settle(config["first_id"])
    control.send(b"!")
    run(_serve(control, config, seccomp.assembled()))


def _serve(control: socket.socket, config: Config, syscalls: bytes) -> str:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for supervisors; they report by themselves
    gc.collect()
    gc.freeze()
    for own in itertools.cycle(range(1, namespaces.IDS)):
        _, files, _, _ = socket.recv_fds(control, 1, MOST_FILES)
        if not files:
            os._exit(0)
        mapped, may_go = os.pipe()
        pid = 0
        with contextlib.suppress(OSError):  # the silence that follows is understood as a failing machine
            if not (pid := kernel.fork_into_namespaces()):
                control.close()
                os.close(may_go)
                return _child(files, mapped, config, syscalls)
            namespaces.map_ids(pid, own if config["first_id"] is not None else None)
        for file in (*files, mapped, may_go):
            os.close(file)
    raise AssertionError("a cycle does not end")


def _child(files: list[int], mapped: int, config: Config, syscalls: bytes) -> str:
    """The supervisor's way to the program's source, which only the program's own process gets to."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    os.read(mapped, 1)
    os.close(mapped)
    status = socket.socket(fileno=files.pop(0))
    socket.send_fds(status, [b"!"], [pidfd := os.pidfd_open(os.getpid())])
    os.close(pidfd)
    if (received := jobs.receive(status)) is None:
        os._exit(1)
    job = jobs.Job(**received)
    try:
        namespaces.furnish(job)
    except OSError as error:
        jobs.send(status, {"status": "infrastructure", "code": None, "detail": str(error)})
        os._exit(1)

    def confine() -> None:
        limit(job, alone=True)
        namespaces.become_nobody(own_id=config["first_id"] is not None)
        landlock.restrict(config["readable"])
        seccomp.apply(syscalls)

    supervise(status, job, files, confine)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    return job.source
