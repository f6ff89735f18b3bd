"""The calls that a program may not make of the kernel: a seccomp filter, assembled here.

It lists what is refused: everything that reaches out of the sandbox, opens parts of the kernel that a program does not
need, or holds memory that no process's figures show. What came after the newest call that we have looked at does not
exist. Files, threads, fork and exec stay. Foreign calling conventions (32 bit, x32) end the program.
Format: Linux, Documentation/userspace-api/seccomp_filter.rst.
"""

import ctypes
import errno
import platform
import struct

from . import kernel

ARCHITECTURES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
"""The kernel's name for it, and the column of the tables below."""

# name: (x86_64, aarch64); None where the architecture never had it.
REFUSED: dict[str, tuple[int | None, int | None]] = {
    # the network; a pair of sockets within the program is allowed below
    "socket": (41, 198), "connect": (42, 203), "bind": (49, 200), "listen": (50, 201), "accept": (43, 202),
    "accept4": (288, 242),
    # other processes
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272),
    "pidfd_getfd": (438, 438), "process_madvise": (440, 440), "process_mrelease": (448, 448),
    "move_pages": (279, 239), "migrate_pages": (256, 238),
    # mounts, roots and namespaces
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51), "unshare": (272, 97),
    "setns": (308, 268), "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430),
    "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433), "mount_setattr": (442, 442),
    "statmount": (457, 457), "listmount": (458, 458), "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265),
    # machinery of the kernel
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282), "keyctl": (250, 219),
    "add_key": (248, 217), "request_key": (249, 218), "seccomp": (317, 277), "kexec_load": (246, 104),
    "kexec_file_load": (320, 294), "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106),
    "fanotify_init": (300, 262), "fanotify_mark": (301, 263), "lookup_dcookie": (212, 18), "syslog": (103, 116),
    "personality": (135, 92), "modify_ldt": (154, None), "iopl": (172, None), "ioperm": (173, None),
    "uselib": (134, None), "ustat": (136, None), "sysfs": (139, None), "nfsservctl": (180, 42),
    # the machine
    "reboot": (169, 142), "swapon": (167, 224), "swapoff": (168, 225), "acct": (163, 89), "quotactl": (179, 60),
    "quotactl_fd": (443, 443), "settimeofday": (164, 170), "clock_settime": (227, 112), "clock_adjtime": (305, 266),
    "adjtimex": (159, 171), "sethostname": (170, 161), "setdomainname": (171, 162), "vhangup": (153, 58),
    "mbind": (237, 235), "set_mempolicy": (238, 237), "set_mempolicy_home_node": (450, 450),
    # memory beside the processes', and what a user has only so much of on the whole machine
    "shmget": (29, 194), "msgget": (68, 186), "semget": (64, 190), "mq_open": (240, 180), "memfd_secret": (447, 447),
}  # fmt: skip
# Refused as if the kernel had none of it, so that libraries take the older way.
ABSENT: dict[str, tuple[int | None, int | None]] = {
    "clone3": (435, 435), "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "memfd_create": (319, 279), "io_setup": (206, 0), "inotify_init": (253, None), "inotify_init1": (294, 26),
}  # fmt: skip
NEWEST = 462
"""`mseal`; the numbers are the same on every architecture from 424 on."""

# The supervisor may run under the same uid, and another process's limits and scheduling are not the program's to set:
# these are refused unless the argument in the last column, a process, is 0, the caller.
OF_OTHERS: dict[str, tuple[int, int, int]] = {
    "prlimit64": (302, 261, 0), "sched_setaffinity": (203, 122, 0), "sched_setscheduler": (144, 119, 0),
    "sched_setparam": (142, 118, 0), "sched_setattr": (314, 274, 0), "setpriority": (141, 140, 1),
    "ioprio_set": (251, 30, 1),
}  # fmt: skip
CLONE, SOCKETPAIR, PRCTL, MMAP = (56, 220), (53, 199), (157, 167), (9, 222)
SHARED_ANONYMOUS = 0x21
"""Flags of a mapping whose pages stay when no process shows them; that of a file counts against the disk."""
AF_UNIX = 1
NEW_NAMESPACES = sum(kernel.NAMESPACES.values()) | 0x80  # a time namespace too

LOAD, EQUAL, GREATER, ANY_BIT, AND, RETURN = 0x20, 0x15, 0x25, 0x45, 0x54, 0x06
ALLOW, ERRNO, KILL = 0x7FFF0000, 0x00050000, 0x80000000
Instruction = tuple[int, int, int, int]


def assembled(machine: str = platform.machine()) -> bytes:
    """The filter for this architecture; KeyError for one that has no table."""
    architecture, column = ARCHITECTURES[machine]
    code: list[Instruction] = [(LOAD, 0, 0, 4), (EQUAL, 1, 0, architecture), (RETURN, 0, 0, KILL), (LOAD, 0, 0, 0)]
    if machine == "x86_64":
        code += [(ANY_BIT, 0, 1, 0x40000000), (RETURN, 0, 0, KILL)]
    code += [(GREATER, 0, 1, NEWEST), (RETURN, 0, 0, ERRNO | errno.ENOSYS)]
    for table, error in ((REFUSED, errno.EPERM), (ABSENT, errno.ENOSYS)):
        for numbers in table.values():
            if (number := numbers[column]) is not None:
                code += [(EQUAL, 0, 1, number), (RETURN, 0, 0, ERRNO | error)]
    code += _argument(CLONE[column], 0, ANY_BIT, NEW_NAMESPACES, refuse=True)
    code += [(EQUAL, 0, 5, MMAP[column]), (LOAD, 0, 0, 16 + 8 * 3), (AND, 0, 0, SHARED_ANONYMOUS)]
    code += [(EQUAL, 0, 1, SHARED_ANONYMOUS), (RETURN, 0, 0, ERRNO | errno.EPERM), (RETURN, 0, 0, ALLOW)]
    code += _argument(SOCKETPAIR[column], 0, EQUAL, AF_UNIX, refuse=False)
    for call in OF_OTHERS.values():
        code += _argument(call[column], call[2], EQUAL, 0, refuse=False)
    code += _argument(PRCTL[column], 0, EQUAL, kernel.PR_SET_DUMPABLE, refuse=True, onward=True)
    code += _argument(PRCTL[column], 0, EQUAL, kernel.PR_SET_SECCOMP, refuse=True)
    code += [(RETURN, 0, 0, ALLOW)]
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in code)


def _argument(
    number: int, place: int, test: int, value: int, *, refuse: bool, onward: bool = False
) -> list[Instruction]:
    """Refuses a call, or lets it through, where the low half of an argument passes the test; else the other way.

    `onward`: what is not refused here goes on to the next rule.
    """
    no = (RETURN, 0, 0, ERRNO | errno.EPERM)
    yes = (LOAD, 0, 0, 0) if onward else (RETURN, 0, 0, ALLOW)
    body = [(LOAD, 0, 0, 16 + 8 * place), (test, 0, 1, value), *((no, yes) if refuse else (yes, no))]
    return [(EQUAL, 0, len(body), number), *body]


def apply(program: bytes) -> None:
    """Puts the filter on this process and all that come from it, for good."""

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_char_p))

    # The kernel copies the filter, so it need not outlive the call.
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    kernel.seccomp(ctypes.byref(Program(len(program) // 8, program)))
