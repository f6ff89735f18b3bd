"""One program in an interpreter that was started for it: bubblewrap's namespaces are its own, or there are none."""

import json
import os
import socket
import sys

from . import job as jobs
from . import landlock, namespaces, seccomp
from .program import run
from .rlimits import limit
from .supervisor import TICK, supervise

LISTENING = 0.1
"""Seconds between two looks where the whole machine's processes have to be looked through."""


def main() -> None:
    """Serves the one job, whose descriptors' numbers are in the arguments, and becomes its program."""
    config, (status, *files) = json.loads(sys.argv[1]), map(int, sys.argv[2:])
    walls = config["walls"]
    os.environ.clear()
    sys.path.extend(config["packages"])
    connection = socket.socket(fileno=status)
    if (received := jobs.receive(connection)) is None:
        return
    job = jobs.Job(**received)
    if walls:
        os.chdir("/tmp")

    def confine() -> None:
        limit(job, alone=walls)
        if walls:
            namespaces.become_nobody(own_id=False)
            landlock.restrict(config["readable"])
            seccomp.apply(seccomp.assembled())

    supervise(connection, job, files, confine, tick=TICK if walls else LISTENING)
    run(job.source)
