"""Namespaces: one set for the interpreter that waits here, and a fresh set for every program that is forked from it.

Where we are root, the waiting interpreter first moves into a user namespace whose ids are nobody's on this machine, and
each program gets one of them: Linux keeps no limit on processes for the real root. An ordinary user has one id only;
there the program shares it with its supervisor, which is kept from it by the capabilities that only one of them has.
"""

import os
import socket
from pathlib import Path

from . import kernel
from .job import Job

INNER = 1000
"""The program's uid and gid, as it sees them."""
IDS = 64
"""Ids that belong to one sandbox of root's: the waiting interpreter's, and those that programs get in turn."""
INODES = 4_096


def settle(first_id: int | None) -> None:
    """Once, in the waiting interpreter: clears what covers /proc, and leaves the real root if that is what it is."""
    # Covers over parts of /proc would keep the kernel from mounting it afresh further in.
    for line in reversed(Path("/proc/self/mounts").read_text().splitlines()):
        if (place := line.split()[1]).startswith("/proc/"):
            kernel.unmount(place)
    if first_id is not None:
        _leave_root(first_id)


def _leave_root(first_id: int) -> None:
    ours, its = socket.socketpair()
    if not (pid := os.fork()):
        kernel.unshare_user()
        its.send(b"!")
        its.recv(1)
        os._exit(0)
    ours.recv(1)
    for ids in ("uid_map", "gid_map"):
        kernel.tell(f"/proc/{pid}/{ids}", f"0 {first_id} {IDS}")
    file = os.open(f"/proc/{pid}/ns/user", os.O_RDONLY)
    ours.send(b"!")
    os.waitpid(pid, 0)
    kernel.enter_user(file)
    for end in (ours, its):
        end.close()
    os.close(file)
    os.setgroups([])
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)
    kernel.prctl(kernel.PR_SET_DUMPABLE, 1)  # or /proc/PID of our children would stay the real root's


def map_ids(pid: int, own: int | None) -> None:
    """Gives the namespaces of `pid` their ids; `own` is the program's in the outer namespace, where it gets one."""
    inner = f"{INNER} 0 1" if own is None else f"0 0 1\n{INNER} {own} 1"
    for ids in ("uid_map", "gid_map"):
        kernel.tell(f"/proc/{pid}/{ids}", inner)


def furnish(job: Job) -> None:
    """In the first process of fresh namespaces: what the program finds there, all of it new."""
    kernel.tell("/proc/sys/user/max_user_namespaces", "0")
    kernel.mount("proc", "/proc", "subset=pid", flags=kernel.NOSUID | kernel.NODEV | kernel.NOEXEC)
    for folder in ("/tmp", "/dev/shm"):
        kernel.mount("tmpfs", folder, f"size={job.disk}m,nr_inodes={INODES},mode=1777")
    socket.sethostname("sandbox")
    os.chdir("/tmp")


def become_nobody(uid: int | None) -> None:
    """In the program's process: this uid, if there is one to take, no group, no capability."""
    kernel.bound_capabilities()
    if uid is not None:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    kernel.drop_capabilities()
    kernel.prctl(kernel.PR_SET_DUMPABLE, 1)  # or the supervisor could not read what it holds
