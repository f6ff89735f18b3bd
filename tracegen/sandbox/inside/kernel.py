"""The few Linux calls that Python has no words for; each raises OSError where the kernel refuses."""

import ctypes
import os
import platform
import signal

NAMESPACES = {"mnt": 0x20000, "cgroup": 0x2000000, "uts": 0x4000000, "ipc": 0x8000000, "user": 0x10000000}
NAMESPACES |= {"pid": 0x20000000, "net": 0x40000000}
NOSUID, NODEV, NOEXEC, DETACH = 2, 4, 8, 2
PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_CAPBSET_DROP, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 4, 22, 24, 36, 38
LAST_CAPABILITY = 63

# Holds the interpreter's lock during a call, which `clone` wants; the others are too short to care.
_libc = ctypes.PyDLL(None, use_errno=True)
_CLONE = {"x86_64": 56, "aarch64": 220}


def syscall(number: int, *arguments: object) -> int:
    """Any call by its number."""
    return _checked("syscall", _libc.syscall(ctypes.c_long(number), *arguments))


def prctl(option: int, value: int) -> None:
    """One setting of this process."""
    words = [ctypes.c_ulong(word) for word in (value, 0, 0, 0)]
    _checked(f"prctl {option}", _libc.prctl(option, *words))


def tell(path: str, value: str) -> None:
    """Writes to one of the kernel's own files; plainly, because every page that a fresh fork touches has its price."""
    file = os.open(path, os.O_WRONLY)
    try:
        os.write(file, value.encode())
    finally:
        os.close(file)


def seccomp(program: object) -> None:
    """Puts a filter on this process."""
    _checked("seccomp", _libc.prctl(PR_SET_SECCOMP, ctypes.c_ulong(2), program, ctypes.c_ulong(0), ctypes.c_ulong(0)))


def fork_into_namespaces() -> int:
    """`os.fork`, but the child is the first process in namespaces of its own, and has all capabilities there."""
    flags = sum(NAMESPACES.values()) | signal.SIGCHLD
    _libc.PyOS_BeforeFork()
    pid = int(_libc.syscall(ctypes.c_long(_CLONE[platform.machine()]), ctypes.c_ulong(flags), 0, 0, 0, 0))
    errno = ctypes.get_errno()
    if pid == 0:
        _libc.PyOS_AfterFork_Child()
    else:
        _libc.PyOS_AfterFork_Parent()
    if pid < 0:
        raise OSError(errno, f"clone: {os.strerror(errno)}")
    return pid


def unshare_user() -> None:
    """A new user namespace for this process."""
    _checked("unshare", _libc.unshare(NAMESPACES["user"]))


def enter_user(file: int) -> None:
    """Moves this process into a user namespace, where it gets all capabilities."""
    _checked("setns", _libc.setns(file, NAMESPACES["user"]))


def mount(kind: str, at: str, options: str, *, flags: int = NOSUID | NODEV) -> None:
    """A new file system of this kind."""
    name = kind.encode()
    _checked(f"mount {at}", _libc.mount(name, at.encode(), name, ctypes.c_ulong(flags), options.encode()))


def unmount(at: str) -> None:
    """Takes away what is mounted there."""
    _checked(f"umount {at}", _libc.umount2(at.encode(), DETACH))


def bound_capabilities() -> None:
    """Nothing that is started from here can get a capability back; while there still is one that allows this."""
    for capability in range(LAST_CAPABILITY + 1):
        try:
            prctl(PR_CAPBSET_DROP, capability)
        except OSError:  # past the last one that this kernel knows, or there are none
            break


def drop_capabilities() -> None:
    """Gives up every capability."""
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    _checked("capset", _libc.capset(header, (ctypes.c_uint32 * 6)()))


def _checked(what: str, result: int) -> int:
    if result < 0:
        errno = ctypes.get_errno()
        raise OSError(errno, f"{what}: {os.strerror(errno)}")
    return result
