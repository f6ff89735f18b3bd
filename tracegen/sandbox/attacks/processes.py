"""Against other processes: none to be seen, signalled, traced, or left behind."""

from tracegen.sandbox.attacks import CALL, Attack, number

ATTACKS = [
    Attack(
        "processes/see",
        "looks for anybody else in /proc",
        "import os\n"
        "others = [pid for pid in os.listdir('/proc') if pid.isdigit() and int(pid) != os.getpid()]\n"
        "for pid in others:\n"
        "    print(open(f'/proc/{pid}/cmdline', 'rb').read())\n"
        "raise SystemExit(0 if len(others) > 1 else 'nobody')\n",
    ),
    Attack(
        "processes/signal",
        "signals every number that a process could have",
        "import os, signal\n"
        "for pid in [*range(-1, -400, -1), *range(2, 100_000)]:\n"
        "    try:\n"
        "        os.kill(pid, signal.SIGKILL)\n"
        "    except (ProcessLookupError, PermissionError):\n"
        "        continue\n"
        "    if pid != -os.getpgid(0) and pid != -1:\n"
        "        raise SystemExit(0)\n"
        "raise SystemExit('nobody')\n",
    ),
    Attack(
        "processes/first",
        "kills the first process of its namespaces from within",
        "import os, signal, time\n"
        "if os.getpid() != 1 and not os.path.exists('/proc/1/exe'):\n    raise SystemExit('nobody')\n"
        "if os.fork() == 0:\n"
        "    for number in (signal.SIGKILL, signal.SIGSTOP, signal.SIGSEGV, signal.SIGTERM):\n"
        "        os.kill(1, number)\n"
        "    os._exit(0)\n"
        "os.wait()\n",
        ends="harmless",
    ),
    Attack("processes/ptrace", "attaches to its parent", CALL + "call('ptrace', 16, os.getppid() or 1, 0, 0)\n"),
    Attack("processes/traceme", "asks to be traced", CALL + "call('ptrace', 0, 0, 0, 0)\n"),
    Attack(
        "processes/memory",
        "opens the memory of the first process, and of its parent",
        "import os\n"
        "for pid in (os.getppid(), 1):\n"
        "    if pid != os.getpid() and os.path.exists(f'/proc/{pid}/mem'):\n"
        "        open(f'/proc/{pid}/mem', 'r+b')\n"
        "        raise SystemExit(0)\n"
        "raise SystemExit('nobody')\n",
    ),
    Attack(
        "processes/vm_readv",
        "copies memory out of another process",
        CALL + f"call({number('process_vm_readv')}, 1, 0, 0, 0, 0, 0)\n",
    ),
    Attack(
        "processes/pidfd",
        "takes an open file out of another process",
        CALL + f"call({number('pidfd_getfd')}, os.pidfd_open(1), 0, 0)\n",
    ),
    Attack(
        "processes/limits_of_others",
        "takes the limits of another process away",
        "import os, resource\n"
        "if pid := os.fork():\n"
        "    resource.prlimit(pid, resource.RLIMIT_CPU, (1, 1))\n"
        "else:\n"
        "    import time\n"
        "    time.sleep(1)\n",
    ),
    Attack(
        "processes/own_limits",
        "raises the limits that it was given",
        "import resource\n"
        "for name in ('NPROC', 'AS', 'CPU', 'NOFILE', 'FSIZE', 'CORE'):\n"
        "    what = getattr(resource, 'RLIMIT_' + name)\n"
        "    try:\n"
        "        resource.setrlimit(what, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))\n"
        "    except (ValueError, OSError):\n"
        "        continue\n"
        "    raise SystemExit(0)\n"
        "raise SystemExit('none')\n",
    ),
    Attack(
        "processes/priority",
        "puts another process to sleep by its priority",
        "import os\nos.setpriority(os.PRIO_PROCESS, 1 if os.getpid() != 1 else 2, 19)\n",
    ),
    Attack(
        "processes/fork_bomb",
        "forks for ever",
        "import os\nwhile True:\n    os.fork()\n",
        ends="refused",
    ),
    Attack(
        "processes/stubborn_fork_bomb",
        "forks for ever and does not take no for an answer",
        "import os\nwhile True:\n    try:\n        os.fork()\n    except OSError:\n        pass\n",
        ends="timeout",
    ),
    Attack(
        "processes/thread_bomb",
        "starts threads for ever",
        "import threading, time\n"
        "while True:\n"
        "    threading.Thread(target=time.sleep, args=(100,), daemon=True).start()\n",
    ),
    Attack(
        "processes/daemon",
        "leaves a process behind, in a session of its own",
        "import os, time\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    if os.fork() == 0:\n"
        "        os.closerange(0, 10)\n"
        "        time.sleep(1000)\n"
        "    os._exit(0)\n"
        "os.wait()\n",
        ends="harmless",
    ),
    Attack(
        "processes/orphans",
        "leaves processes behind that use up the machine",
        "import os\nfor _ in range(6):\n    if os.fork() == 0:\n        while True:\n            pass\n",
        ends="harmless",
    ),
    Attack(
        "processes/stop",
        "stops itself, so that no CPU time passes",
        "import os, signal\n"
        "if (pid := os.fork()) == 0:\n"
        "    os.kill(os.getpid(), signal.SIGSTOP)\n"
        "os.waitpid(pid, 0)\n",
        ends="timeout",
    ),
    Attack(
        "processes/deaf",
        "ignores every signal that it can and sleeps",
        "import signal, time\n"
        "for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:\n"
        "    signal.signal(number, signal.SIG_IGN)\n"
        "while True:\n    time.sleep(100)\n",
        ends="timeout",
    ),
]
