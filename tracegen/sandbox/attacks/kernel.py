"""Against the kernel: no call that builds namespaces, loads code, or takes another way in."""

from tracegen.sandbox.attacks import CALL, Attack, number

MACHINE_CODE = """
import ctypes, mmap, platform
if platform.machine() != "x86_64":
    raise SystemExit("there is no such way on this machine")
code = bytes.fromhex("{code}")
page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
page.write(code)
ctypes.CFUNCTYPE(ctypes.c_long)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
"""


def _calls(name: str, tries: str, *calls: str) -> Attack:
    return Attack(f"kernel/{name}", tries, CALL + "".join(f"call({call})\n" for call in calls))


ATTACKS = [
    _calls("user_namespace", "makes itself root in a namespace of its own", "'unshare', 0x10000000"),
    Attack(
        "kernel/clone_namespace",
        "forks into a namespace in which it would be root",
        CALL + "number = 56 if os.uname().machine == 'x86_64' else 220\ncall(number, 0x10000000 | 17, 0, 0, 0, 0)\n",
    ),
    _calls("clone3", "forks by the call whose flags no filter can see", f"{number('clone3')}, 0, 0"),
    Attack(
        "kernel/setns",
        "enters the namespaces of the first process",
        CALL + "call('setns', os.open('/proc/1/ns/mnt', os.O_RDONLY), 0)\n",
    ),
    _calls("mount", "mounts something", "'mount', b'none', b'/tmp', b'tmpfs', 0, 0"),
    _calls("umount", "takes a mount away", "'umount2', b'/tmp', 2"),
    Attack(
        "kernel/chroot",
        "breaks out of its root by another one",
        "import os\nos.mkdir('/tmp/a')\nos.chroot('/tmp/a')\nos.chdir('../' * 40)\n",
    ),
    _calls("pivot_root", "changes its root", f"{number('pivot_root')}, b'/tmp', b'/tmp'"),
    _calls("open_tree", "copies a mount", f"{number('open_tree')}, -100, b'/', 1"),
    _calls("fsopen", "opens a file system", f"{number('fsopen')}, b'tmpfs', 0"),
    _calls("bpf", "loads code into the kernel", f"{number('bpf')}, 0, 0, 0"),
    _calls("io_uring", "has the kernel make its calls", f"{number('io_uring_setup')}, 8, 0"),
    _calls("keys", "reads the keys of the kernel's ring", f"{number('keyctl')}, 0, -3, 0"),
    _calls("userfaultfd", "handles its own page faults", f"{number('userfaultfd')}, 0"),
    _calls("perf", "measures the machine", f"{number('perf_event_open')}, 0, 0, -1, -1, 0"),
    _calls("modules", "loads a module", f"{number('init_module')}, 0, 0, 0"),
    _calls("kexec", "starts another kernel", f"{number('kexec_load')}, 0, 0, 0, 0"),
    _calls("reboot", "restarts the machine", f"{number('reboot')}, 0xFEE1DEAD, 672274793, 0, 0"),
    _calls("clock", "sets the clock", f"{number('clock_settime')}, 0, 0"),
    _calls("host_name", "renames the machine", "'sethostname', b'x', 1"),
    _calls("filter", "puts a filter of its own before ours", f"{number('seccomp')}, 1, 8, 0"),
    _calls("dumpable", "hides what it holds from its supervisor", "'prctl', 4, 0, 0, 0, 0"),
    Attack(
        "kernel/root",
        "becomes root",
        "import os\n"
        "for become in (os.setuid, os.setgid, os.seteuid):\n"
        "    try:\n        become(0)\n    except OSError:\n        continue\n    raise SystemExit(0)\n"
        "raise SystemExit('refused')\n",
    ),
    Attack(
        "kernel/capabilities",
        "takes a capability back",
        CALL + "call('capset', (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)(*[2**32 - 1] * 6))\n",
    ),
    Attack(
        "kernel/calls_of_32_bit",
        "makes a call by the numbers of another architecture",
        MACHINE_CODE.format(code="b814000000cd80c3"),  # getpid by int 0x80
    ),
    Attack(
        "kernel/calls_of_x32",
        "makes a call by the numbers of x32",
        MACHINE_CODE.format(code="b827000040 0f05c3"),  # getpid with bit 30 set
    ),
    _calls("shared_memory", "shares memory by the old way", f"{number('shmget')}, 0, 4096, 0o1600"),
    _calls("newest", "makes a call that nobody has looked at", "500, 0"),
]
