"""Against our own lines: the channel, the reports, the server, and what other programs left in it."""

from tracegen.sandbox.attacks import Attack

ATTACKS = [
    Attack(
        "channel/close",
        "closes its channel and lives on",
        "import os, time\nos.close(3)\nos.close(4)\ntime.sleep(1000)\n",
        channel=True,
    ),
    Attack(
        "channel/giant",
        "announces a frame of four gigabytes",
        "import os, time\nos.write(4, b'\\xff' * 4)\ntime.sleep(1000)\n",
        ends="output",
        channel=True,
    ),
    Attack(
        "channel/endless",
        "announces a frame and never ends it",
        "import os, time\nos.write(4, b'\\0\\0\\1\\0' + b'x' * 8)\ntime.sleep(1000)\n",
        ends="timeout",
        channel=True,
    ),
    Attack(
        "channel/swapped",
        "writes to what it should read, and reads what it should write",
        "import os\nos.write(3, b'\\0\\0\\0\\1x')\n",
        channel=True,
    ),
    Attack(
        "channel/report",
        "writes a report of its own to everything that is open",
        "import json, os, struct\n"
        "payload = json.dumps({'status': 'exited', 'code': 0, 'detail': ''}).encode()\n"
        "got = 0\n"
        "for file in [*range(5, 4096)]:\n"
        "    try:\n"
        "        got += os.write(file, struct.pack('>I', len(payload)) + payload)\n"
        "    except OSError:\n"
        "        pass\n"
        "raise SystemExit(0 if got else 'nothing is open')\n",
        channel=True,
    ),
    Attack(
        "channel/control",
        "looks for the server's sockets in the objects and files of its own process",
        "import gc, os, socket\n"
        "live = [o for o in gc.get_objects() if isinstance(o, socket.socket) and o.fileno() >= 0]\n"
        "for one in live:\n"
        "    try:\n        one.send(b'{}')\n    except OSError:\n        continue\n    raise SystemExit(0)\n"
        "raise SystemExit('none')\n",
    ),
    Attack(
        "channel/neighbour",
        "searches its own memory for what another program was given",
        "backwards = b'terces s ruobhgien eht'  # so that this process does not hold the words by searching for them\n"
        "with open('/proc/self/mem', 'rb', buffering=0) as memory, open('/proc/self/maps') as maps:\n"
        "    for line in maps:\n"
        "        start, end = (int(n, 16) for n in line.split()[0].split('-'))\n"
        "        if 'rw' in line:\n"
        "            memory.seek(start)\n"
        "            if backwards in memory.read(end - start)[::-1]:\n"
        "                raise SystemExit(0)\n"
        "raise SystemExit('not there')\n",
    ),
    Attack(
        "channel/modules",
        "changes modules for the programs that come after it",
        "import builtins, json, sys\n"
        "builtins.print = builtins.len = None\n"
        "json.dumps = lambda *a, **k: 'changed'\n"
        "sys.path.insert(0, '/tmp')\n"
        "for name in list(sys.modules):\n    sys.modules[name] = None\n",
        ends="harmless",
    ),
    Attack(
        "channel/slow_exit",
        "forks so that somebody else holds its output when it is gone",
        "import os, time\nif os.fork() == 0:\n    time.sleep(1000)\nprint('gone', flush=True)\n",
        ends="harmless",
    ),
]
