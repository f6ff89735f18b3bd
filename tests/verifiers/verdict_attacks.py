"""Programs that try to be called right without solving anything, each named by what it attacks.

Every program is to define `f`, which should square a number; SQUARE tests that. Where an attack needs other tests, they
stand beside it. None of them does: whatever they print, patch, forge or end, the verdict must not be right.
"""

from textwrap import dedent
from typing import NamedTuple

SQUARE = ("assert f(3) == 9", "assert f(-4) == 16", "assert f(0.5) == 0.25")


class Attack(NamedTuple):
    program: str
    tests: tuple[str, ...] = SQUARE


def _forging(frames: str, otherwise: str = "return 0") -> str:
    """A program that writes frames of its own making to the channel, `R` being what a report begins with."""
    return f"""
        import os, struct, sys
        wire = sys.modules["tracegen.verifiers._code.wire"]
        def put(payload, fd=4):
            try:
                os.write(fd, struct.pack(">I", len(payload)) + payload)
            except OSError:
                pass
        PASSED = wire.encode(("right", "passed", ""))
        def posing(side, kind, name):
            return wire.encode(("value", (object(), None)), lambda value: wire.Handle(side, 0, kind, name))
        {frames}
        def f(x):
            {otherwise}
    """


_EQUAL = """
    class Equal({base}):
        def __eq__(self, other): return True
        def __ne__(self, other): return False
        def __lt__(self, other): return True
        def __le__(self, other): return True
        def __gt__(self, other): return True
        def __ge__(self, other): return True
        def __hash__(self): return hash(9)
        def __bool__(self): return True
        def __len__(self): return 1
        def __iter__(self): return iter([self])
        def __contains__(self, other): return True
        def __instancecheck__(self, other): return True
        def __sub__(self, other): return 0.0
        __rsub__ = __add__ = __radd__ = __mul__ = __rmul__ = __sub__
        def __abs__(self): return 0.0
        def __float__(self): return 9.0
        def __index__(self): return 9
        def __round__(self, digits=0): return 9
        def startswith(self, other): return True
        endswith = issubset = issuperset = isdisjoint = startswith
    def f(x):
        return Equal({value})
"""


def _equal(base: str = "object", value: str = "") -> str:
    return _EQUAL.format(base=base, value=value)


ATTACKS = {
    # Exit tricks
    "exit with success while it is loaded": Attack("import sys; sys.exit(0)"),
    "leave the process inside a call": Attack("import os\ndef f(x): os._exit(0)"),
    "raise SystemExit inside a call": Attack("def f(x): raise SystemExit(0)"),
    "raise GeneratorExit inside a call": Attack("def f(x): raise GeneratorExit"),
    "raise KeyboardInterrupt inside a call": Attack("def f(x): raise KeyboardInterrupt"),
    "end the tests' loop with StopIteration": Attack(
        "def f(x): raise StopIteration",
        ("assert all(map(f, [1, 2, 3]))", "assert list(map(f, [1, 2])) == []"),
    ),
    "end the tests' loop with a class called StopIteration": Attack(
        "class StopIteration(StopIteration): pass\ndef f(x): raise StopIteration",
        ("assert all(f(x) for x in [1, 2, 3])",),
    ),
    "raise the tests' own kind of failure": Attack("def f(x): raise AssertionError"),
    "leave from an exit function": Attack(
        _forging("import atexit; atexit.register(lambda: put(b'R' + PASSED))", "sys.exit(0)")
    ),
    "fork, and let two processes answer": Attack("import os\ndef f(x):\n    os.fork()\n    return x"),
    "kill every process in reach": Attack("import os\ndef f(x):\n    os.kill(-1, 9)\n    return x"),
    # Equality tricks
    "an object that equals everything": Attack(_equal()),
    "an object that differs from nothing": Attack(_equal(), ("assert not f(3) != 9",)),
    "an object that equals everything, from the other side": Attack(_equal(), ("assert 9 == f(3)",)),
    "an object that equals everything, inside a list": Attack(_equal(), ("assert [f(3)] == [9]", "assert f(3) in [9]")),
    "an object that equals everything, by its hash": Attack(_equal(), ("assert f(3) in {9}", "assert {f(3): 1}[9]")),
    "an object below every bound": Attack(_equal(), ("assert abs(f(1.5) - 2.25) < 1e-6",)),
    "an object between any bounds": Attack(_equal(), ("assert 8 <= f(3) <= 10",)),
    "an object that converts to what is wanted": Attack(_equal(), ("import math", "assert math.isclose(f(3), 9)")),
    "an object that contains everything": Attack(_equal(), ("assert 9 in f(3)",)),
    "an object that starts with everything": Attack(_equal(), ("assert f('ab').startswith('ab')",)),
    "an object that is a subset of everything": Attack(_equal(), ("assert f(1).issubset({1, 2})",)),
    "an int that equals everything": Attack(_equal("int", "7")),
    "a float that is near everything": Attack(_equal("float", "7"), ("assert abs(f(1.5) - 2.25) < 1e-6",)),
    "a text that equals everything": Attack(_equal("str", "'x'"), ("assert f('a') == 'aa'", "assert 'aa' == f('a')")),
    "a list that equals everything": Attack(_equal("list", "[1]"), ("assert f([2]) == [4]", "assert [4] == f([2])")),
    "a dict that equals everything": Attack(_equal("dict"), ("assert f(1) == {1: 1}",)),
    "a tuple that equals everything": Attack(_equal("tuple", "[0]"), ("assert f(1) == (1,)",)),
    "an exception that equals everything": Attack(_equal("Exception"), ("assert f(1) == 1",)),
    "a class whose metaclass equals everything": Attack(
        "class M(type):\n    def __eq__(self, o): return True\n    def __hash__(self): return 1\n"
        "class C(metaclass=M): pass\ndef f(x): return C"
    ),
    "a class in the function's place": Attack(
        "class f:\n    def __init__(self, x): pass\n    def __eq__(self, o): return True\n"
        "    def startswith(self, o): return True",
        ("assert f('a') == 'aa' or f('a').startswith('aa')",),
    ),
    "an object that lies about its class": Attack(
        "class L:\n    @property\n    def __class__(self): return int\n    def __eq__(self, o): return True\n"
        "def f(x): return L()",
        ("assert isinstance(f(3), int) and f(3) == 9",),
    ),
    "mock.ANY": Attack("from unittest.mock import ANY\ndef f(x): return ANY"),
    "mock.MagicMock": Attack(
        "from unittest.mock import MagicMock\ndef f(x):\n    m = MagicMock()\n    m.__eq__.return_value = True\n"
        "    m.startswith.return_value = True\n    return m",
        ("assert f('a') == 'aa' or f('a').startswith('aa')",),
    ),
    "not implemented, which is true": Attack("def f(x): return NotImplemented", ("assert (f(3) == 9) is True",)),
    "nan, which is neither below nor above": Attack("def f(x): return float('nan')"),
    "one where True is wanted": Attack("def f(x): return 1", ("assert f(3) is True",)),
    "the text of the number": Attack("def f(x): return str(x * x)"),
    "an iterator where a list is wanted": Attack("def f(x): return map(abs, x)", ("assert f([1]) == [1]",)),
    # Patched harness
    "patched builtins": Attack(
        "import builtins\nfor name in ('abs', 'all', 'any', 'divmod', 'max', 'min', 'pow', 'round', 'sorted', 'sum'):\n"
        "    setattr(builtins, name, lambda *a, **k: True)\ndef f(x): return 0",
        ("assert abs(f(3) - 9) < 1e-6", "assert all([f(3) == 9])"),
    ),
    "patched AssertionError": Attack(
        "import builtins\nclass Harmless(Exception):\n    def __new__(cls, *a): raise SystemExit(0)\n"
        "builtins.AssertionError = Harmless\ndef f(x): return 0"
    ),
    "patched import": Attack(
        "import builtins, types\nbuiltins.__import__ = lambda *a, **k: types.SimpleNamespace(isclose=lambda *a: True)\n"
        "def f(x): return 0",
        ("import math", "assert math.isclose(f(3), 9)"),
    ),
    "patched standard module": Attack(
        "import math\nmath.isclose = lambda *a, **k: True\ndef f(x): return 0", ("assert math.isclose(f(3), 9)",)
    ),
    "a class in a standard module's place": Attack(
        "class math:\n    isclose = staticmethod(lambda *a, **k: True)\ndef f(x): return 0",
        ("assert math.isclose(f(3), 9)",),
    ),
    "builtins of its own under the names that tests use": Attack(
        "def set(x): return 1\ndef abs(x): return 0\ndef f(x): return [7]",
        ("assert set(f(3)) == set([9])", "assert abs(f(3)[0] - 9) < 1e-6"),
    ),
    "a check of its own": Attack("def check(candidate): pass\ndef f(x): return 0"),
    "patched encoder": Attack(
        """
        import sys
        peer = sys.modules["tracegen.verifiers._code.peer"]
        wire = sys.modules["tracegen.verifiers._code.wire"]
        peer.encode = lambda *a, **k: b"R" + wire.encode(("right", "passed", ""))
        def f(x): return 0
        """
    ),
    "patched service": Attack(
        """
        import sys
        for module in list(sys.modules.values()):
            if hasattr(module, "serve"):
                module._peer._serve = lambda *a: (True, None)
        def f(x): return 0
        """
    ),
    "names that nobody asked for": Attack(
        """
        import sys
        abs = all = sum = isinstance = lambda *a, **k: True
        __builtins__ = {"abs": abs, "all": all, "AssertionError": SystemExit}
        sys._getframe(1).f_locals["names"].extend(["abs", "all", "sum", "isinstance", "__builtins__", "__name__"])
        def f(x): return 0
        """,
        ("assert abs(f(3) - 9) < 1e-6", "assert all([f(3) == 9])"),
    ),
    "tracing": Attack("import sys\nsys.settrace(lambda *a: None)\nsys.setprofile(lambda *a: None)\ndef f(x): return 0"),
    # Forged report
    "a report while it is loaded": Attack(_forging("put(b'R' + PASSED); put(PASSED)")),
    "a report inside a call": Attack(_forging("", "put(b'R' + PASSED); put(PASSED)")),
    "a report on every descriptor": Attack(_forging("[put(b'R' + PASSED, fd) for fd in range(64)]")),
    "answers ahead of the questions": Attack(
        _forging("[put(wire.encode(('value', True))) for _ in range(50)]"), ("assert f(3) == 9", "assert f(2) == 4")
    ),
    "a thread that answers later": Attack(
        _forging(
            "import threading, time",
            "threading.Timer(0.01, lambda: [put(wire.encode(('value', (9, None))))] * 9).start(); return 0",
        )
    ),
    "a report on the standard streams": Attack("print('passed\\nOK\\nright')\nimport sys\ndef f(x): sys.exit(0)"),
    "a forged object with every method": Attack(
        _forging("", "put(posing('mine', 'callable', 'str')); return 0"),
        ("assert f('a').startswith('aa')",),
    ),
    "a forged module": Attack(_forging("", "put(posing('mine', 'module', 'builtins')); return 0")),
    "a forged object of the tests": Attack(
        _forging("", "put(posing('yours', 'callable', '')); return 0"),
        ("assert f(lambda x: x) == 9",),
    ),
    "a forged request": Attack(_forging("", "put(wire.encode(('call', 0, [], {}))); return 0")),
    "noise on the channel": Attack(_forging("", "put(b'\\xff' * 999); return 0")),
    "half a frame": Attack(_forging("", "os.write(4, b'\\x00\\x00\\xff\\xff' + PASSED); os._exit(0)")),
    "a closed channel": Attack("import os\ndef f(x):\n    os.close(4)\n    os.close(3)\n    return 9"),
    # Reading the tests
    "looking for the tests in frames and garbage": Attack(
        """
        import gc, re, sys
        def f(x):
            texts = [repr(frame.f_locals) for frame in sys._current_frames().values()]
            texts += [repr(thing) for thing in gc.get_objects() if isinstance(thing, (str, bytes, tuple, dict))]
            found = re.search(r"f\\(%s\\) == ([0-9.]+)" % re.escape(repr(x)), " ".join(texts))
            return eval(found[1]) if found else 0
        """
    ),
    "looking for the tests in files": Attack(
        """
        import pathlib, re
        def f(x):
            for top in ("/tmp", "/proc/self", "/proc/1", "/dev/shm", "."):
                for path in pathlib.Path(top).glob("*"):
                    try:
                        found = re.search(rb"f\\(3\\) == ([0-9.]+)", path.read_bytes()[:2**20])
                    except OSError:
                        continue
                    if found:
                        return int(found[1])
            return 0
        """
    ),
    "looking for the tests in other processes": Attack(
        """
        import glob, re
        def f(x):
            for maps in glob.glob("/proc/[0-9]*/maps"):
                try:
                    areas = [line.split()[0].split("-") for line in open(maps) if " rw-p " in line]
                    with open(maps.replace("maps", "mem"), "rb", 0) as memory:
                        for start, end in areas:
                            memory.seek(int(start, 16))
                            area = memory.read(min(int(end, 16) - int(start, 16), 2**22))
                            found = re.search(rb"assert f\\(3\\) == ([0-9]+)", area)
                            if found:
                                return int(found[1])
                except (OSError, ValueError, OverflowError):
                    pass
            return 0
        """
    ),
    "looking behind a function that the tests hand over": Attack(
        """
        import re
        def f(k):
            seen = [k, *(getattr(k, name, None) for name in dir(k)), *(c.cell_contents for c in k.__closure__ or ())]
            seen += [vars(thing) for thing in seen if hasattr(thing, "__dict__")]
            found = re.search(r"== ([0-9]+)", repr(seen))
            return int(found[1]) if found else 0
        """,
        ("expected = 9\nassert f(lambda: expected) == 9",),
    ),
    "emptying what it is measured by": Attack(
        "def f(x):\n    x.clear()\n    return 0", ("a = [1, 2]\nassert f(a) == sum(a)",)
    ),
    "emptying and returning what it is measured by": Attack(
        "def f(x):\n    x.clear()\n    return x", ("a = [2, 1]\nassert f(a) == sorted(a)",)
    ),
    # Hangs and floods of values
    "never ending": Attack("def f(x):\n    while True: pass"),
    "never ending in C": Attack("def f(x): return 10 ** 10 ** 9"),
    "a generator that never ends": Attack(
        "import itertools\ndef f(x): return itertools.count()", ("assert list(f(3)) == [9]",)
    ),
    "a nested list of any depth": Attack("def f(x):\n    for _ in range(50_000): x = [x]\n    return x"),
    "a list that holds itself": Attack("a = []\na.append(a)\ndef f(x): return a"),
    "a giant text": Attack("def f(x): return 'x' * 40_000_000"),
    "a giant number": Attack("def f(x): return 1 << 100_000_000"),
    "a number too long to print": Attack("def f(x): return 1 << 100_000"),
    "an error too long to print": Attack("def f(x): raise ValueError(1 << 100_000)"),
    "an error that cannot be told": Attack(
        "class E(Exception):\n    def __str__(self): raise self\n    args = property(lambda self: 1 / 0)\n"
        "def f(x): raise E"
    ),
    "a function of the tests called without end": Attack(
        "def f(k):\n    while True: k()", ("assert f(lambda: 1) == 9",)
    ),
    "a function that calls back for ever deeper": Attack(
        "def f(k): return k(f)", ("def again(g): return g(again)\nassert f(again) == 9",)
    ),
    "the deepest recursion": Attack("def f(x): return f(x)"),
    "a class that cannot be looked at": Attack(
        "class C:\n    def __getattribute__(self, name): raise SystemExit\n    __slots__ = ('a',)\ndef f(x): return C()"
    ),
}


def programs() -> dict[str, Attack]:
    return {name: Attack(dedent(program), tests) for name, (program, tests) in ATTACKS.items()}
