"""The waiting interpreter: programs are forked from it, each into namespaces of its own, and it never runs one itself.

It takes limits and descriptors (`wires.Wires.theirs`) from its one socket, forks, and watches what it has forked. The
source goes straight to the new process, which furnishes and confines itself before it becomes the program; it is the
first process of its namespaces, and all in them ends with it.
"""

import gc
import itertools
import json
import os
import signal
import socket
import sys
from contextlib import suppress
from typing import Any

from . import job as jobs
from . import kernel, landlock, namespaces, preload, seccomp
from .place import take
from .program import run
from .rlimits import limit
from .supervisor import Charge, watch

MOST_FILES, LONGEST = 6, 2**12


def main() -> None:
    """Serves until the socket is closed; gets past `_serve` only in a program's process."""
    control, config = socket.socket(fileno=int(sys.argv[1])), json.load(sys.stdin)
    os.environ.clear()
    signal.pthread_sigmask(signal.SIG_SETMASK, ())  # our parent may block some; programs do not
    obey = preload.modules(config["packages"], config["modules"])
    namespaces.settle(config["first_id"])
    control.send(b"!")
    control.setblocking(False)
    source = _serve(control, config, seccomp.assembled())
    obey()
    run(source)


def _serve(control: socket.socket, config: dict[str, Any], syscalls: bytes) -> str:
    """The source of a program, in its own process."""
    gc.collect()
    gc.freeze()
    charges: set[Charge] = set()
    ids = itertools.cycle(range(1, namespaces.IDS) if config["first_id"] is not None else [None])
    while True:
        charges -= watch(charges, wake=control)
        try:
            asked, files, _, _ = socket.recv_fds(control, LONGEST, MOST_FILES)
        except BlockingIOError:
            continue
        if not asked:
            os._exit(0)
        fork = _Fork(json.loads(asked), files, next(ids))
        with suppress(OSError):  # the silence that follows is understood as a failing machine
            if charge := fork.begin():
                charges.add(charge)
            else:
                return fork.become(config["readable"], syscalls)
        fork.close()


class _Fork:
    """A program between the request and its first step."""

    def __init__(self, asked: dict[str, Any], files: list[int], own: int | None) -> None:
        self._trusted, self._job, self._own = asked.pop("trusted"), jobs.Job(**asked), own
        self._status, *self._files = files
        self._ready, self._setup = os.pipe()
        self._mapped, self._may_go = os.pipe()

    def begin(self) -> Charge | None:
        """Forks; the program's process gets None."""
        if not (pid := os.fork() if self._trusted else kernel.fork_into_namespaces()):
            return None
        if not self._trusted:
            namespaces.map_ids(pid, self._own)
        status = socket.socket(fileno=os.dup(self._status))
        charge = Charge(pid, self._job, status, os.dup(self._ready), own_namespaces=not self._trusted)
        socket.send_fds(status, [b"!"], [charge.life])  # a hold on the program: with this process, all of it ends
        return charge

    def close(self) -> None:
        """Closes what was needed to begin."""
        for file in (self._status, *self._files, self._ready, self._setup, self._mapped, self._may_go):
            os.close(file)

    def become(self, readable: list[str], syscalls: bytes) -> str:
        """In the program's process: takes its place."""
        os.close(self._may_go)
        os.read(self._mapped, 1)

        def confine() -> None:
            os.setsid()
            if not self._trusted:
                namespaces.furnish(self._job)
            limit(self._job, alone=not self._trusted or self._own is not None)
            namespaces.become_nobody(self._own if self._trusted else self._own and namespaces.INNER)
            landlock.restrict(readable)
            seccomp.apply(syscalls)

        return take(socket.socket(fileno=self._status), self._files, self._setup, confine)
