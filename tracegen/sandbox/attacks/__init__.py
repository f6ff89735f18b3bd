"""Programs that attack the sandbox, each named by what it attacks: what the self-test and the test suite run.

An attack that gets through falls off its end, with exit code 0; one that is held back raises, is killed, or breaks a
limit, which is what `ends` says. CANARY in a source is the path of a file of the host's that holds a secret.
"""

import platform
from dataclasses import dataclass
from typing import Literal

from tracegen.sandbox.inside import seccomp
from tracegen.sandbox.limits import Limits

SHORT = Limits(seconds=1.0, wall=2.5, memory=256, processes=32, output=2**18, disk=16)

CALL = """
import ctypes, errno, os
libc = ctypes.CDLL(None, use_errno=True)

def call(function, *arguments):
    # Refused is refused; any other answer of the kernel's means that the call got as far as its arguments.
    if isinstance(function, int):
        arguments, function = (function, *arguments), "syscall"
    ctypes.set_errno(0)
    libc[function].restype = ctypes.c_long
    libc[function](*[ctypes.c_long(a) if isinstance(a, int) else a for a in arguments])
    if ctypes.get_errno() in (errno.EPERM, errno.EACCES, errno.ENOSYS):
        raise OSError(ctypes.get_errno(), "refused")
"""
"""A prelude: `call`, by the name of a function of libc or by number."""


@dataclass(frozen=True, slots=True)
class Attack:
    """A program, what it tries, and how it ends where the sandbox holds."""

    name: str
    tries: str
    source: str
    ends: Literal["refused", "harmless", "timeout", "memory", "output"] = "refused"
    """`refused`: it raises or is killed for the attempt. `harmless`: it may succeed as it sees it, and nothing comes of
    it: no process, no file, no secret. The others are limits."""
    channel: bool = False
    """Whether it is given a channel to attack."""


def number(call: str) -> int:
    """A system call's number here; one that no kernel has where this architecture has none."""
    column = seccomp.ARCHITECTURES.get(platform.machine(), (0, 0))[1]
    found = {**seccomp.REFUSED, **seccomp.ABSENT}[call][column]
    return 9999 if found is None else found
