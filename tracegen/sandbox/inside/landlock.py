"""A second wall behind the mounts: Landlock, by which a process gives up access to files, TCP and other processes.

Read where the interpreter lies, write in the two temporary folders, and nothing else, even if a mount were wrong.
Limits: the kernel has it since 5.13 and has added to it since; `stat` and UDP are not covered.
Format: Linux, Documentation/userspace-api/landlock.rst.
"""

import os
import stat
import struct
from collections.abc import Iterable

from . import kernel

CREATE, ADD_RULE, RESTRICT = 444, 445, 446
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, TRUNCATE = 1, 2, 4, 8, 1 << 14
# Everything that the kernel could refuse about files, by the version that brought it.
FILES = {1: (1 << 13) - 1, 2: 1 << 13, 3: TRUNCATE, 5: 1 << 15}
TCP, SCOPES = 3, 3
OF_FILES = WRITE_FILE | READ_FILE | EXECUTE | TRUNCATE | 1 << 15
WRITABLE = ("/tmp", "/dev/shm", "/dev/null")


def version() -> int:
    """Landlock's version in this kernel; 0 where there is none."""
    try:
        return kernel.syscall(CREATE, None, 0, 1)
    except OSError:
        return 0


def restrict(readable: Iterable[str]) -> None:
    """Leaves this process with reading below `readable` and writing in the temporary folders."""
    if not (abi := version()):
        return
    everything = sum(bits for since, bits in FILES.items() if since <= abi)
    wanted = struct.pack("QQQ", everything, TCP, SCOPES)[: 8 if abi < 4 else 16 if abi < 6 else 24]
    ruleset = kernel.syscall(CREATE, wanted, len(wanted), 0)
    for path in readable:
        _allow(ruleset, path, everything & (EXECUTE | READ_FILE | READ_DIR))
    for path in WRITABLE:
        _allow(ruleset, path, everything)
    kernel.syscall(RESTRICT, ruleset, 0)
    os.close(ruleset)


def _allow(ruleset: int, path: str, access: int) -> None:
    try:
        file = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(os.fstat(file).st_mode):
        access &= OF_FILES
    kernel.syscall(ADD_RULE, ruleset, 1, struct.pack("=Qi", access, file), 0)
    os.close(file)
