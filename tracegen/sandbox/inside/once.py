"""One program in an interpreter that was started for it: bubblewrap's namespaces are its own, or there are none."""

import json
import os
import socket
import sys

from . import job as jobs
from . import kernel, landlock, namespaces, seccomp
from .program import run
from .rlimits import limit
from .supervisor import TICK, supervise

LISTENING = 0.1
"""Seconds between two looks where the whole machine's processes have to be looked through."""


def main() -> None:
    """Runs a program; the arguments are the configuration, the limits, and the numbers of its descriptors."""
    config, job = json.loads(sys.argv[1]), jobs.Job(**json.loads(sys.argv[2]))
    status, *files = map(int, sys.argv[3:])
    walls = config["walls"]
    os.environ.clear()
    sys.path.extend(config["packages"])
    if sys.platform.startswith("linux"):
        kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)
        kernel.prctl(kernel.PR_SET_DUMPABLE, 0)  # a program of the same uid could read and trace us otherwise

    def confine() -> None:
        limit(job, alone=walls)
        if walls:
            os.chdir("/tmp")
            namespaces.become_nobody(own_id=False)
            landlock.restrict(config["readable"])
            seccomp.apply(seccomp.assembled())

    with socket.socket(fileno=status) as connection:
        source = supervise(connection, job, files, confine, tick=TICK if walls else LISTENING)
    run(source)
