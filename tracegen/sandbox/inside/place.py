"""The last steps of a process that is about to become a program: its source, its descriptors, its walls."""

import fcntl
import os
import resource
import socket
from collections.abc import Callable, Sequence

from .job import receive
from .supervisor import CONFINED


def take(status: socket.socket, files: Sequence[int], setup: int, confine: Callable[[], None]) -> str:
    """Returns the source, with stdin, stdout, stderr and the channel in place, and all else closed.

    What goes wrong on the way is said through `setup`, and is never the program's fault.
    """
    if (source := receive(status)) is None:
        os._exit(1)
    status.detach()
    setup = _arranged([*files, setup])
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


def _arranged(files: Sequence[int]) -> int:
    """Puts `files` at 0, 1, 2 ... and closes all others; the number of the last."""
    for number, file in enumerate([fcntl.fcntl(file, fcntl.F_DUPFD, 64) for file in files]):
        os.dup2(file, number, inheritable=True)
    os.closerange(len(files), max(resource.getrlimit(resource.RLIMIT_NOFILE)[0], 256))
    return len(files) - 1
