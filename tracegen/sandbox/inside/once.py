"""One program in an interpreter that was started for it: bubblewrap's namespaces are its own, or there are none."""

import json
import os
import signal
import socket
import sys

from . import job as jobs
from . import kernel, landlock, namespaces, preload, seccomp
from .place import take
from .program import run
from .rlimits import limit
from .supervisor import TICK, Charge, watch

LISTENING = 0.1
"""Seconds between two looks where the whole machine's processes have to be looked through."""


def main() -> None:
    """Runs a program; the arguments are its limits and the numbers of its descriptors, stdin is the configuration."""
    config, job = json.load(sys.stdin), jobs.Job(**json.loads(sys.argv[1]))
    status, *files = map(int, sys.argv[2:])
    walls = config["walls"]
    os.environ.clear()
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    if sys.platform.startswith("linux"):
        kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)
        kernel.prctl(kernel.PR_SET_DUMPABLE, 0)  # a program of the same uid could read and trace us otherwise
    connection = socket.socket(fileno=status)
    ready, setup = os.pipe()
    if pid := os.fork():
        for file in (setup, *files):
            os.close(file)
        charge = Charge(pid, job, connection, ready, own_namespaces=False, root=os.getpid())
        while not watch([charge], TICK if walls else LISTENING):
            pass
        os._exit(0)

    def confine() -> None:
        limit(job, alone=walls)
        if walls:
            os.chdir("/tmp")
            namespaces.become_nobody(None)
            landlock.restrict(config["readable"])
            seccomp.apply(seccomp.assembled())

    source = take(connection, files, setup, confine)
    preload.folders(config["packages"])
    preload.ours(config["modules"])
    run(source)
