"""Programs that do no harm and must run: each prints `fine` as its last line."""

CONTROLS = {
    "threads": """
import threading
found = []
threads = [threading.Thread(target=found.append, args=(n,)) for n in range(16)]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert sorted(found) == list(range(16))
""",
    "fork": """
import os
if (pid := os.fork()) == 0:
    os._exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
""",
    "multiprocessing": """
import multiprocessing
with multiprocessing.get_context("fork").Pool(2) as pool:
    assert pool.map(abs, range(-9, 0)) == list(range(9, 0, -1))
""",
    "executors": """
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(4) as pool:
    assert sum(pool.map(len, ["a", "bb"])) == 3
""",
    "subprocess": """
import subprocess, sys
assert subprocess.run([sys.executable, "-c", "print(6 * 7)"], capture_output=True, check=True).stdout == b"42\\n"
""",
    "asyncio": """
import asyncio
async def main():
    return await asyncio.gather(*(asyncio.sleep(0.001, n) for n in range(5)))
assert asyncio.run(main()) == list(range(5))
""",
    "files": """
import os, tempfile
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "file")
    open(path, "w").write("x" * 10**6)
    assert os.path.getsize(path) == 10**6
open("here.txt", "w").write("text")
assert open("/dev/null").read() == "" and len(os.urandom(8)) == 8
""",
    "memory": """
held = bytearray(b"x") * (150 * 2**20)
assert len(held) == 150 * 2**20
""",
    "time": """
import time
started = time.process_time()
while time.process_time() - started < 1.0:
    pass
""",
    "sleep": "import time\ntime.sleep(0.3)\n",
    "unicode": "import sys\nprint('naïve ∑ 漢字 🙂')\nassert sys.stdout.encoding == 'utf-8'\n",
    "library": """
import array, ast, base64, bisect, calendar, cmath, collections, copy, csv, ctypes, dataclasses, datetime, decimal, enum
import fractions, functools, hashlib, heapq, io, itertools, json, math, operator, pathlib, pprint, queue, random, re
import secrets, sqlite3, ssl, statistics, string, struct, tempfile, textwrap, time, typing, unicodedata, uuid, zlib
import zoneinfo
assert json.loads('{"a": 1}') == {"a": 1} and decimal.Decimal("0.1") * 3 == decimal.Decimal("0.3")
base = sqlite3.connect("/tmp/base.db")
base.execute("create table t (n integer)")
assert hashlib.sha256(b"").hexdigest().startswith("e3b0c442") and uuid.uuid4() and secrets.token_hex(4)
""",
    "recursion": """
import sys
sys.setrecursionlimit(100_000)
def depth(n): return 0 if n == 0 else 1 + depth(n - 1)
assert depth(50_000) == 50_000
""",
    "big_stack": """
import sys, threading
threading.stack_size(256 * 2**20)
sys.setrecursionlimit(10**6)
thread = threading.Thread(target=lambda: None)
thread.start(); thread.join()
""",
    "output": "print('x' * 200_000)\n",
    "stdin": """
import sys
assert sys.stdin.read() == "" and open("/dev/stdin").read() == "" and open(0).read() == ""
""",
    "main_module": """
import sys
assert __name__ == "__main__" and sys.argv and sys.modules["__main__"].__dict__ is globals()
import dataclasses, pickle
@dataclasses.dataclass
class Point:
    x: int
assert pickle.loads(pickle.dumps(Point(1))) == Point(1)
""",
    "signals": """
import signal
rang = []
signal.signal(signal.SIGALRM, lambda *_: rang.append(1))
signal.setitimer(signal.ITIMER_REAL, 0.05)
signal.pause()
assert rang == [1]
""",
    "exit": "print('fine')\nexit()\n",
    "exit_functions": "import atexit\natexit.register(print, 'fine')\n",
    "empty_folders": """
import os
assert os.listdir("/tmp") == os.listdir("/dev/shm") == [], (os.listdir("/tmp"), os.listdir("/dev/shm"))
assert print is not None and len("ab") == 2
""",
}
