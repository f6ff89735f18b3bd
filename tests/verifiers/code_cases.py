"""Programs with their tests, by what they show: those that must pass, and those that must not, with what is said."""

# ruff: noqa: E501 - one row of a table, one line

from typing import Any

RIGHT: dict[str, tuple[Any, ...]] = {
    "assert statements in one text": ("def f(x): return x + 1", "assert f(1) == 2\nassert f(2) == 3"),
    "a list of assert statements": ("def f(x): return x + 1", ["assert f(1) == 2", "assert f(2) == 3"]),
    "imports among them": ("def f(x): return x / 3", ["import math", "assert math.isclose(f(1), 1 / 3)"]),
    "a module that only the program imports": ("import sys\ndef f(x): return sys.maxsize", ["assert f(1) == sys.maxsize"]),
    "a module by another name": ("import itertools as it\ndef f(x): return [x]", ["assert f(1) == list(it.chain([1]))"]),
    "a function named like a builtin": ("def sum(a, b): return a * b", ["assert sum(2, 3) == 6"]),
    "a second function": ("def f(x): return x * 2\ndef g(x): return x // 2", ["assert all(g(f(x)) == x for x in range(5))"]),
    "a constant": ("N = 7\ndef f(): return N", ["assert f() == N"]),
    "keyword arguments": ("def f(x, *, k=0): return x + k", ["assert f(1, k=2) == 3", "assert f(*[1], **{'k': 2}) == 3"]),
    "every plain value": (
        "def f(x): return x",
        [
            "values = [None, True, 0, -1, 2**63, -(2**200), 1.5, -0.0, 1e308, float('inf'), 2j, 'ä\\ud800', b'\\x00', ..., ()]",
            "for value in values: assert f(value) == value and type(f(value)) is type(value), value",
            "assert str(f(-0.0)) == '-0.0' and f(float('nan')) != f(float('nan'))",
            "assert [f([v]) for v in values] == [[v] for v in values] and f({1: {2: (3, [4])}}) == {1: {2: (3, [4])}}",
            "assert f({1, 2}) == {1, 2} and f(frozenset([1])) == frozenset([1]) and f(range(3)) == range(3)",
            "assert list(f({'b': 1, 'a': 2})) == ['b', 'a'] and f(bytearray(b'a')) == bytearray(b'a')",
        ],
    ),
    "values of the standard library": (
        "def f(x): return x",
        [
            "from collections import *\nfrom datetime import *\nfrom decimal import Decimal\nfrom fractions import Fraction",
            "zone = timezone(timedelta(hours=2))",
            "values = [deque([1, 2], 3), Counter('aab'), OrderedDict(a=1), defaultdict(int, a=1), Decimal('1.10')]",
            "values += [Fraction(1, 3), date(2024, 2, 29), time(1, 2, 3, 4), timedelta(-1, 5), zone]",
            "values += [datetime(2024, 2, 29, 1, 2, 3, 4, zone), datetime(2024, 1, 1, fold=1)]",
            "for value in values: assert f(value) == value and type(f(value)) is type(value), value",
            "assert f(deque([1], 3)).maxlen == 3 and str(f(Decimal('1.10'))) == '1.10'",
            "assert f(int) is int and f([str, list]) == [str, list]",
        ],
    ),
    "subclasses as their base": (
        "from collections import namedtuple\nfrom enum import IntEnum\nclass E(IntEnum): A = 3\nP = namedtuple('P', 'x y')\n"
        "class L(list): pass\ndef f(): return [E.A, P(1, 2), L([1])]",
        ["assert f() == [3, (1, 2), [1]]"],
    ),
    "views of a dict": (
        "D = {'a': 1}\ndef f(): return D.keys(), D.values(), D.items()",
        ["keys, values, items = f()", "assert keys == {'a'} and list(values) == [1] and list(items) == [('a', 1)]"],
    ),
    "an argument changed in place": (
        "def f(x): x.sort()",
        ["def check(candidate):\n    a = [3, 1, 2]\n    b = a\n    assert candidate(a) is None and b == [1, 2, 3]"],
        "f",
    ),
    "an argument changed in place, and a value returned": (
        "def f(x):\n    x[:] = sorted(set(x))\n    return len(x)",
        ["a = [2, 1, 2]", "k = f(a)", "assert k == 2 and a[:k] == [1, 2]"],
    ),
    "what lies inside an argument, changed": (
        "def f(grid, seen, d):\n    grid[1][0] = 9\n    seen.add(1)\n    d['k'].append(2)\n    d['n'] = 1",
        [
            "row = [3, 4]\ngrid = ([1, 2], row)\nseen = set()\nd = {'k': []}\ninner = d['k']\nf(grid, seen, d)",
            "assert row == [9, 4] and grid == ([1, 2], [9, 4]) and seen == {1} and d == {'k': [2], 'n': 1} and inner == [2]",
        ],
    ),
    "a function handed over": (
        "def f(x, key): return sorted(x, key=key)",
        ["assert f([3, 1, 2], lambda v: -v) == [3, 2, 1]", "assert f(['b', 'A'], str.lower) == ['A', 'b']"],
    ),
    "a function handed over that calls back": (
        "def f(n, k): return n if n < 2 else k(n - 1) + k(n - 2)",
        ["def k(n): return f(n, k)", "assert k(10) == 55"],
    ),
    "a function handed over that raises": (
        "def f(k):\n    try:\n        return k(0)\n    except ZeroDivisionError:\n        return 'caught'",
        ["assert f(lambda x: 1 / x) == 'caught'"],
    ),
    "a function returned": ("def f(a):\n    def g(b): return a + b\n    return g", ["assert f(1)(2) == 3"]),
    "an iterator handed over": ("def f(x): return [v * 2 for v in x]", ["assert f(v for v in range(3000)) == [v * 2 for v in range(3000)]"]),
    "a generator that never ends": (
        "def f():\n    a, b = 0, 1\n    while True:\n        yield a\n        a, b = b, a + b",
        ["g = f()", "assert [next(g) for _ in range(6)] == [0, 1, 1, 2, 3, 5]", "assert next(g) == 8"],
    ),
    "a generator of many": ("def f(n): yield from range(n)", ["assert list(f(5000)) == list(range(5000))"]),
    "a generator that fails late": (
        "def f():\n    yield 1\n    yield 2\n    raise KeyError('k')",
        ["seen = []\ntry:\n    for v in f(): seen.append(v)\nexcept KeyError: seen.append('k')", "assert seen == [1, 2, 'k']"],
    ),
    "map and zip": ("def f(x): return map(str, x), zip(x, x)", ["m, z = f([1])", "assert list(m) == ['1'] and list(z) == [(1, 1)]"]),
    "a builtin exception": (
        "def f(x): raise ValueError('no', x)",
        ["try: f(3)\nexcept ValueError as e: assert e.args == ('no', 3) and str(e) == \"('no', 3)\"\nelse: assert False"],
    ),
    "an exception of its own": (
        "class Low(Exception): pass\nclass Lower(Low): pass\ndef f(x): raise Lower('by', x)",
        ["try: f(3)\nexcept Low as e: assert e.args == ('by', 3)\nelse: assert False"],
    ),
    "a class": (
        "class Stack:\n    def __init__(self, *v): self.v = list(v)\n    def push(self, x): self.v.append(x); return self\n"
        "    def pop(self): return self.v.pop()\n    def __len__(self): return len(self.v)\n"
        "    def __iter__(self): return iter(self.v)\n    def __getitem__(self, i): return self.v[i]\n"
        "    def __str__(self): return f'Stack{self.v}'\n    def startswith(self, x): return self.v[0] == x",
        [
            "s = Stack(1, 2)",
            "assert s.push(3) == s and len(s) == 3 and s.pop() == 3 and list(s) == [1, 2] and s[0] == 1 and 2 in s",
            "s.v = [5]\nassert s.v == [5] and str(s) == 'Stack[5]' and s.startswith(5)",
            "assert isinstance(s, Stack) and not isinstance(3, Stack) and Stack(1) == Stack(1) != Stack(2)",
            "try: Stack().pop()\nexcept IndexError: pass\nelse: assert False",
        ],
    ),
    "operators between two objects of the program": (
        "class V:\n    def __init__(self, x): self.x = x\n    def __add__(self, o): return V(self.x + o.x)\n"
        "    def __lt__(self, o): return self.x < o.x",
        ["assert V(1) + V(2) == V(3)", "assert V(1) < V(2) and sorted([V(2), V(1)])[0].x == 1"],
    ),
    "objects handed back": (
        "class P:\n    def __init__(self, a, b): self.a, self.b = a, b\ndef f(ps): return sum(p.a * p.b for p in ps)",
        ["assert f([P(1, 2), P(3, 4)]) == 14"],
    ),
    "a linked list": (
        "class N:\n    def __init__(self, v, n=None): self.v, self.n = v, n\n"
        "def f(x):\n    head = None\n    for v in reversed(x): head = N(v, head)\n    return head",
        ["n = f([1, 2])", "assert n.v == 1 and n.n.v == 2 and n.n.n is None"],
    ),
    "a dataclass with written-out types": (
        "from __future__ import annotations\nfrom dataclasses import dataclass\n@dataclass\nclass D:\n    x: int\n    y: int = 2",
        ["assert D(1).y == 2 and D(1) == D(1, 2)"],
    ),
    "cases of a function": ("def f(a, b): return a, b", [{"input": '[1]\n"x"', "output": '[[1], "x"]'}], "f"),
    "cases with numbers that JSON has not": ("def f(x): return x", [{"input": "Infinity", "output": "Infinity"}], "f"),
    "a function named like a standard module": ("def bisect(x): return x", "def check(candidate):\n    assert candidate(1) == 1", "bisect"),
    "cases of a method": (
        "class Solution:\n    def f(self, x): return x + 1",
        [{"input": "1", "output": "2"}, {"input": "2", "output": "3"}],
        "f",
    ),
    "a main guard, prints and warnings": (
        "import warnings\nwarnings.warn('x')\ndef f(x):\n    print('debug', x)\n    return x\n"
        "if __name__ == '__main__':\n    print(f(int(input())))",
        ["assert f(1) == 1"],
    ),
    "check(candidate) and another function": (
        "def g(x): return x - 1\ndef f(x): return x + 1",
        "def check(candidate):\n    from random import randint\n    x = randint(1, 9)\n    assert candidate(g(x)) == x",
        "f",
    ),
    "check(candidate) that calls itself": (
        "def f(x): return x",
        "def check(candidate):\n    assert candidate(1) == 1\ncheck(f)",
        "f",
    ),
}  # fmt: skip

NOT_RIGHT: dict[str, tuple[Any, ...]] = {
    "a wrong value": ("def f(x): return x", ["assert f(1) == 2"], "wrong", "failed", "assert f(1) == 2; the last call gave 1"),
    "a message": ("def f(x): return x", ["assert f(1) == 2, 'one more'"], "wrong", "failed", "one more"),
    "a late assertion": ("def f(x): return 1", ["assert f(1) == 1", "assert f(2) == 2"], "wrong", "failed", "f(2) == 2"),
    "None": ("def f(x): x + 1", ["assert f(1) + 1 == 3"], "wrong", "failed", "TypeError"),
    "a raised exception": ("def f(x):\n    return 1 / x", ["assert f(0) == 2"], "wrong", "exception", "ZeroDivisionError: division by zero (line 2"),
    "an exception while it is loaded": ("import nowhere\ndef f(x): return x", ["assert f(1) == 1"], "wrong", "exception", "nowhere"),
    "an exception with a late generator": ("def f():\n    yield 1\n    1 / 0", ["assert list(f()) == [1]"], "wrong", "exception", "ZeroDivision"),
    "a name that is missing": ("def g(x): return x", ["assert f(1) == 1"], "wrong", "no_entry_point", "'f'"),
    "a helper that is missing": ("def f(x): return x", ["assert f(g(1)) == 1"], "wrong", "no_entry_point", "'g'"),
    "broken syntax": ("```python\ndef f(x) return x\n```", ["assert f(1) == 1"], "wrong", "syntax_error", "line 1"),
    "words": ("I cannot solve this.", ["assert f(1) == 1"], "wrong", "no_answer", ""),
    "nothing": (" \n", ["assert f(1) == 1"], "wrong", "no_answer", ""),
    "a block that is left open": ("```python\ndef f(x): return x\n", ["assert f(1) == 1"], "wrong", "truncated", ""),
    "a very long program": ("```python\n" + "#" * 200_001 + "\n```", ["assert f(1) == 1"], "wrong", "too_long", ""),
    "too much time": ("def f(x):\n    while True: pass", ["assert f(1) == 1"], "error", "timeout", ""),
    "too much time while it is loaded": ("while True: pass", ["assert f(1) == 1"], "error", "timeout", ""),
    "too much memory": ("def f(x): return len(' ' * 2**32)", ["assert f(1) == 1"], "error", "memory", ""),
    "too much output": ("def f(x):\n    while True: print('x' * 10_000)", ["assert f(1) == 1"], "error", "output", ""),
    "a crash": ("import ctypes\ndef f(x): return ctypes.string_at(1)", ["assert f(1) == 1"], "wrong", "exception", "signal 11"),
    "no tests": ("def f(x): return x", [], "unverifiable", "no_tests", ""),
    "blank tests": ("def f(x): return x", "\n", "unverifiable", "no_tests", ""),
    "tests that call nothing": ("def f(x): return x", ["assert 1 == 1"], "unverifiable", "no_tests", "never call"),
    "tests with broken syntax": ("def f(x): return x", ["assert f(1) = 1"], "unverifiable", "bad_tests", "do not compile"),
    "tests that fail by themselves": ("def f(x): return x", ["1 / 0", "assert f(1) == 1"], "unverifiable", "bad_tests", "ZeroDivision"),
    "tests that import what is not there": ("def f(x): return x", ["f(1)\nimport nowhere"], "unverifiable", "bad_tests", "nowhere"),
    "tests that leave": ("def f(x): return x", ["f(1)\nraise SystemExit(0)"], "unverifiable", "bad_tests", "SystemExit"),
    "tests that end their process": ("def f(x): return x", ["import os\nf(1)\nos._exit(0)"], "unverifiable", "bad_tests", "ended"),
    "tests of a strange kind": ("def f(x): return x", 5, "unverifiable", "bad_tests", "assert statements"),
    "an object of the tests' own": ("def f(x): return x", ["class T: pass\nf(T())"], "unverifiable", "bad_tests", "T, which cannot cross"),
    "cases that are not JSON": ("def f(x): return x", [{"input": "x", "output": "1"}], "unverifiable", "bad_tests", "JSON"),
    "check without an entry point": ("def f(x): return x", "def check(candidate): pass", "unverifiable", "bad_tests", "entry_point"),
}  # fmt: skip
