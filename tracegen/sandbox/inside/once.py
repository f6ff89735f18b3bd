"""One program in an interpreter that was started for it: arguments are the numbers of the inherited descriptors.

Without walls of its own: what surrounds this process is all that surrounds the program.
"""

import os
import socket
import sys

from . import job as jobs
from .program import run
from .rlimits import limit
from .supervisor import supervise

LISTENING = 0.1
"""Seconds between two looks where the whole machine's processes have to be looked through."""


def main() -> None:
    """Serves the one job and becomes its program."""
    status, *files = (int(number) for number in sys.argv[1:])
    connection = socket.socket(fileno=status)
    job = jobs.Job(**jobs.receive(connection))
    os.environ.clear()
    supervise(connection, job, files, lambda: limit(job, alone=False), tick=LISTENING)
    run(job.source)
