"""Against the machine's resources: time, memory, disk, descriptors and output have an end."""

from tracegen.sandbox.attacks import Attack

FILL = """
import os
for number in range(10**6):
    with open(f"{folder}/{{number}}", "wb") as file:
        {action}
"""

ATTACKS = [
    Attack("time/loop", "loops in Python", "while True:\n    pass\n", ends="timeout"),
    Attack("time/power", "computes one huge number in C", "x = 7 ** 10 ** 9\n", ends="timeout"),
    Attack(
        "time/pattern",
        "matches a pattern that takes for ever",
        "import re\nre.match(r'(a|a|aa)*b', 'a' * 100)\n",
        ends="timeout",
    ),
    Attack("time/sleep", "sleeps", "import time\ntime.sleep(1000)\n", ends="timeout"),
    Attack(
        "time/lock",
        "waits for itself",
        "import threading\nl = threading.Lock()\nl.acquire()\nl.acquire()\n",
        ends="timeout",
    ),
    Attack(
        "time/finally",
        "goes on after every exception",
        "while True:\n    try:\n        while True:\n            pass\n    except BaseException:\n        continue\n",
        ends="timeout",
    ),
    Attack(
        "time/exit",
        "hangs in its exit function",
        "import atexit\n@atexit.register\ndef f():\n    while True:\n        pass\n",
        ends="timeout",
    ),
    Attack(
        "time/children",
        "spreads its work over children",
        "import os\nfor _ in range(4):\n    if os.fork() == 0:\n        while True:\n            pass\nos.wait()\n",
        ends="timeout",
    ),
    Attack(
        "memory/one",
        "fills the memory of one process",
        "held = []\nwhile True:\n    held.append(bytearray(2**20))\n",
        ends="memory",
    ),
    Attack("memory/at_once", "asks for more than there is", "held = [0] * 10**11\n", ends="memory"),
    Attack(
        "memory/children",
        "fills the memory of twelve processes, each within its limit",
        "import os, time\n"
        "for _ in range(12):\n"
        "    if os.fork() == 0:\n"
        "        held = bytearray(b'x') * (60 * 2**20)\n"
        "        time.sleep(100)\n"
        "os.wait()\n",
        ends="memory",
    ),
    Attack(
        "memory/shared",
        "fills memory that its processes share",
        "import mmap\n"
        "held = []\n"
        "while True:\n"
        "    held.append(mmap.mmap(-1, 2**24))\n"
        "    held[-1].write(b'x' * 2**24)\n"
        "    held[-1].madvise(mmap.MADV_DONTNEED)\n",
    ),
    Attack(
        "memory/zero",
        "fills memory that its processes share, by a device",
        "import mmap, os\n"
        "file = os.open('/dev/zero', os.O_RDWR)\n"
        "while True:\n"
        "    mmap.mmap(file, 2**24).write(b'x' * 2**24)\n",
    ),
    Attack(
        "time/forgotten",
        "leaves its work to children whose time nobody is told",
        "import os, signal, time\n"
        "signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
        "for _ in range(8):\n"
        "    if os.fork() == 0:\n"
        "        while time.process_time() < 0.3:\n"
        "            pass\n"
        "        os._exit(0)\n"
        "    try:\n"
        "        os.wait()\n"
        "    except ChildProcessError:\n"
        "        pass\n",
        ends="timeout",
    ),
    Attack(
        "memory/hidden",
        "fills memory that no process's figures show",
        "import os\nheld = [os.memfd_create(str(n)) for n in range(4)]\n",
    ),
    Attack(
        "memory/sockets",
        "fills the buffers of pairs of sockets",
        "import socket, time\n"
        "held = []\n"
        "while True:\n"
        "    held.append(socket.socketpair())\n"
        "    for end in held[-1]:\n"
        "        end.setblocking(False)\n"
        "        try:\n"
        "            while True:\n"
        "                end.send(b'x' * 65536)\n"
        "        except BlockingIOError:\n"
        "            pass\n",
    ),
    Attack("disk/tmp", "fills /tmp", FILL.format(folder="/tmp", action='file.write(b"x" * 2**20)')),
    Attack("disk/shm", "fills /dev/shm", FILL.format(folder="/dev/shm", action='file.write(b"x" * 2**20)')),
    Attack(
        "disk/one_file",
        "writes one huge file",
        "with open('/tmp/x', 'wb') as f:\n    while True:\n        f.write(b'x' * 2**20)\n",
    ),
    Attack("disk/inodes", "makes files without end", FILL.format(folder="/tmp", action="pass")),
    Attack(
        "disk/descriptors", "opens files without end", "held = []\nwhile True:\n    held.append(open('/dev/null'))\n"
    ),
    Attack("output/stdout", "prints without end", "while True:\n    print('x' * 1000)\n", ends="output"),
    Attack(
        "output/stderr",
        "complains without end",
        "import os\nwhile True:\n    os.write(2, b'x' * 1000)\n",
        ends="output",
    ),
    Attack(
        "output/line",
        "prints one endless line in small pieces",
        "import os\nwhile True:\n    os.write(1, b'x' * 64)\n",
        ends="output",
    ),
    Attack(
        "output/core",
        "leaves a dump of its memory behind",
        "import os, signal\n"
        "if (pid := os.fork()) == 0:\n"
        "    signal.signal(signal.SIGSEGV, signal.SIG_DFL)\n"
        "    import ctypes\n"
        "    ctypes.string_at(0)\n"
        "raise SystemExit(0 if os.WCOREDUMP(os.waitpid(pid, 0)[1]) else 'no dump')\n",
    ),
    Attack(
        "stack/recursion",
        "recurses through C until the stack ends",
        "import sys\n"
        "sys.setrecursionlimit(10**9)\n"
        "class A:\n"
        "    def __getattr__(self, name):\n"
        "        return getattr(self, name)\n"
        "A().x\n",
    ),
]
