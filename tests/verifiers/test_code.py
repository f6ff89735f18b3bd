"""Programs and their tests, in two guests of the sandbox: what crosses, what is found in a response, what is said."""

# ruff: noqa: E501 - one row of a table, one line

import io
import time
from collections.abc import Iterator
from typing import Any

import pytest
from code_cases import NOT_RIGHT, RIGHT

from tracegen.records import Problem, Trace, UsageError, Verdict
from tracegen.verifiers._code import relay
from tracegen.verifiers._code.suite import read
from tracegen.verifiers.code import code, deadline
from tracegen.verify import Judge, gold_trace


def judged(program: str, tests: Any, entry_point: str | None = None, prompt: str = "", **options: Any) -> Verdict:
    extra = {"prompt": prompt} if prompt else {}
    return code(Problem("p", "?", tests=tests, entry_point=entry_point, extra=extra), program, **options)


@pytest.mark.parametrize("name", RIGHT)
def test_it_is_right(name: str) -> None:
    verdict = judged(*RIGHT[name])
    assert (verdict.outcome, verdict.reason, verdict.detail) == ("right", "passed", "")


@pytest.mark.parametrize("name", NOT_RIGHT)
def test_it_is_not_right_and_says_why(name: str) -> None:
    program, tests, outcome, reason, detail = NOT_RIGHT[name]
    verdict = judged(program, tests, seconds=1.0)
    assert (verdict.outcome, verdict.reason) == (outcome, reason), verdict
    assert detail in verdict.detail


COMPARED = [
    "f(3) == 9",
    "9 == f(x=3)",
    "f(3) != 8",
    "f(3) > 8",
    "f(3) is not None",
    "f(3) in (8, 9)",
    "f(3)",
    "not f(0)",
]
COMPARED += ["abs(f(0.5) - 0.25) < 1e-6", "f('a') == 'aa', 'doubled'", "f(3) is True", "f([1]) == [1]", "f(-2) <= 4"]
ANSWERS = [
    "x * x",
    "x * 2",
    "None",
    "'9'",
    "[x]",
    "float('nan')",
    "1 / x",
    "x == 3",
    "object()",
    "[0] * 10**5",
    "iter([9])",
    "f",
    "10 ** 5000",
]


@pytest.mark.parametrize("answer", ANSWERS)
def test_plain_assertions_are_judged_as_the_guest_would_judge_them(answer: str) -> None:
    program = f"def f(x): return {answer}"
    for condition in COMPARED:
        here, there = (judged(program, [f"assert {condition}", *more]) for more in ([], ["for _ in (): pass"]))
        assert (here.outcome, here.reason, here.detail) == (there.outcome, there.reason, there.detail), condition


@pytest.mark.parametrize(
    ("tests", "entry_point", "count"),
    [
        ("assert f(1) == 2\nassert f([1], k={'a': -1.5}) == {1, 2}\nassert True", None, 2),
        ("META = {'a': 1}\ndef check(candidate):\n    'Doc.'\n    assert candidate(1) is None, 'none'\n    assert not g(2)", "f", 2),
        ("assert f(g(1)) == 2", None, 0),
        ("assert f(1) == g(1)", None, 0),
        ("assert f(1) == 2\nx = f(2)", None, 0),
        ("assert f(*[1]) == 2", None, 0),
        ("assert f(1) is 2", None, 0),
        ("assert f.g(1) == 2", None, 0),
        ("assert set(f(1)) == {2}", None, 0),
        ("f = 3\nassert f(1) == 2", None, 0),
        ("assert f(1) == 2\ndef check(candidate):\n    assert candidate(1) == 1", "f", 0),
        ("def check(candidate):\n    assert candidate(1) == 1\n    candidate = 3", "f", 0),
    ],
)  # fmt: skip
def test_what_is_plain(tests: str, entry_point: str | None, count: int) -> None:
    suite = read(tests, entry_point)
    assert suite is not None
    assert len(suite.plain) == count


PROMPT = "from math import floor\n\ndef half(x):\n    return x / 2\n\ndef f(x: float) -> int:\n    '''Half, down.'''\n"


@pytest.mark.parametrize(
    "program",
    [
        "    return floor(half(x))\n",
        "return floor(half(x))",
        "y = half(x)\n    return floor(y)",
        "def f(x):\n    return floor(half(x))",
        "from __future__ import annotations\ndef f(x: float) -> int:\n    return floor(half(x))",
        PROMPT + "    return floor(half(x))",
        "```python\n    return floor(half(x))\n```",
        "```\ndef f(x): return floor(half(x))\n```",
    ],
)
def test_the_prompt_stands_before_what_only_continues_it_or_needs_its_helpers(program: str) -> None:
    assert judged(program, "def check(candidate):\n    assert candidate(5) == 2", "f", PROMPT).outcome == "right"


def test_the_prompts_own_stub_is_no_entry_point() -> None:
    verdict = judged("def other(x):\n    return 2\nprint(other(1))", ["assert f(5) == 2"], "f", PROMPT)
    assert verdict.outcome == "wrong"


@pytest.mark.parametrize(
    ("response", "place", "program"),
    [
        ("def f(x): return 1", "whole", "def f(x): return 1"),
        ("First:\n```python\ndef f(x): return 0\n```\nNo:\n```python\ndef f(x): return 1\n```\nDone.", "block", "def f(x): return 1\n"),
        ("```py\ndef f(x): return 1\n```\nIt is used so:\n```python\nprint(f(2))\n```\nand prints\n```\n1\n```", "block", "def f(x): return 1\n"),
        ("```bash\npip install x\n```\n~~~~Python title=\"a\"\ndef f(x): return 1\n~~~~", "block", "def f(x): return 1\n"),
        ("1. So:\n   ```python\n   def f(x):\n       return 1\n   ```", "block", "def f(x):\n    return 1\n"),
        ("````python\ndef f(x):\n    '''\n    ```\n    '''\n    return 1\n````", "block", "def f(x):\n    '''\n    ```\n    '''\n    return 1\n"),
        ("```python\r\ndef f(x): return 1\r\n```\r\n", "block", "def f(x): return 1\r\n"),
    ],
)  # fmt: skip
def test_the_program_is_the_last_block_that_defines_what_is_tested(response: str, place: str, program: str) -> None:
    verdict = judged(response, ["assert f(5) == 1"])
    assert (verdict.outcome, verdict.place, verdict.answer) == ("right", place, program)
    assert verdict.span is not None
    start, end = verdict.span
    assert "".join(response[start:end].split()) == "".join(program.split())


def test_a_trace_that_was_cut_off_has_no_program() -> None:
    trace = Trace("k", "p", "t", 0, (), "", "def f(x): return x", "truncated", "length", 9)
    verdict = judged(trace.response, ["assert f(1) == 1"], trace=trace)
    assert (verdict.outcome, verdict.reason) == ("wrong", "truncated")


def test_programs_leave_nothing_behind_for_the_next() -> None:
    first = "import builtins, pathlib\nbuiltins.left = 1\npathlib.Path('/tmp/left').write_text('x')\ndef f(): return 1"
    then = "import builtins, pathlib\ndef f(): return hasattr(builtins, 'left') or pathlib.Path('/tmp/left').exists()"
    assert judged(first, ["assert f() == 1"]).outcome == "right"
    assert judged(then, ["assert f() is False"]).outcome == "right"


def test_the_deadline_covers_what_the_program_may_take() -> None:
    assert deadline(Problem("p", "?")) > 3 * 10
    assert deadline(Problem("p", "?"), seconds=60.0) > 3 * 60


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    with Judge({"code": {"seconds": 2.0}}, workers=2) as judge:
        yield judge


def test_it_works_in_the_judges_workers(judge: Judge) -> None:
    problem = Problem("p", "?", tests=["assert f(1) == 2"], verifier="code")
    programs = {
        "def f(x): return x + 1": "right",
        "def f(x): return x": "wrong",
        "import os\ndef f(x): os._exit(0)": "wrong",
    }
    futures = [(outcome, judge.submit(problem, gold_trace("k", text))) for text, outcome in programs.items()] * 3
    for outcome, future in futures:
        (verdict,) = future.result()
        assert (verdict.outcome, verdict.verifier) == (outcome, "code"), verdict


def test_a_convention_of_the_problem_counts(judge: Judge) -> None:
    problem = Problem("p", "?", tests=["assert f() == 1"], verifier="code", conventions={"seconds": 0.5})
    (verdict,) = judge.submit(problem, gold_trace("k", "def f():\n    while True: pass")).result()
    assert (verdict.outcome, verdict.reason, verdict.conventions["seconds"]) == ("error", "timeout", 0.5)


def test_a_misspelt_option_is_the_users_mistake() -> None:
    with pytest.raises(UsageError, match="'code' has no option 'second'; it takes seconds, memory, packages, unsafe"):
        Judge({"code": {"second": 3}})


def test_without_a_sandbox_it_is_said_before_anything_is_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*, unsafe: bool, **_: Any) -> io.BytesIO:
        if not unsafe:
            raise UsageError("the sandbox needs bubblewrap")
        return io.BytesIO()

    relay.ready.cache_clear()
    monkeypatch.setattr(relay, "Sandbox", missing)
    with pytest.raises(UsageError, match="needs bubblewrap"):
        Judge({"code": {}})
    with pytest.raises(UsageError, match="needs bubblewrap"):
        Judge({"math": {}}, named=["stdio"])
    Judge({"code": {"unsafe": True}}).close()
    relay.ready.cache_clear()


def test_programs_run_without_a_sandbox_only_where_that_is_said() -> None:
    assert judged("def f(x): return x + 1", ["assert f(1) == 2"], unsafe=True).outcome == "right"
    assert judged("import os\ndef f(x): os._exit(0)", ["assert f(1) == 2"], unsafe=True).outcome == "wrong"


CYCLIC = "def encode(s: str):\n    return s[1:] + s[:1]\n\n\ndef decode(s: str):\n    '''Takes a string encoded with encode.'''\n"
CYCLIC_TESTS = "def check(candidate):\n    for s in ('abc', 'xyz'):\n        assert candidate(encode(s)) == s"


def test_the_programs_own_version_of_a_helper_of_the_prompts_does_not_count() -> None:
    cheat = "def encode(s): return s\ndef decode(s): return s"
    right = "def decode(s): return s[-1:] + s[:-1]"
    assert judged(cheat, CYCLIC_TESTS, "decode", CYCLIC).outcome == "wrong"
    assert judged("    return s\ndef encode(s): return s", CYCLIC_TESTS, "decode", CYCLIC).outcome == "wrong"
    assert judged("encode = None\n" + right, CYCLIC_TESTS, "decode", CYCLIC).outcome == "right"
    assert judged("    return s[-1:] + s[:-1]", CYCLIC_TESTS, "decode", CYCLIC).outcome == "right"


def test_helpers_of_the_prompts_work_on_the_programs_objects() -> None:
    prompt = (
        "class Node:\n    def __init__(self, v, n=None): self.v, self.n = v, n\n"
        "def linked(values):\n    head = None\n    for v in reversed(values): head = Node(v, head)\n    return head\n"
        "def listed(node):\n    return [node.v, *listed(node.n)] if isinstance(node, Node) else []\n"
        "def rest(node):\n    '''All but the first.'''\n"
    )
    check = "def check(candidate):\n    assert listed(candidate(linked([1, 2, 3]))) == [2, 3]"
    assert judged("def rest(node): return node.n", check, "rest", prompt).outcome == "right"
    cheat = "def linked(values): return None\ndef listed(node): return [2, 3]\ndef rest(node): return node"
    assert judged(cheat, check, "rest", prompt).outcome == "wrong"


FORGED = """
import os, sys, struct
wire = sys.modules["tracegen.verifiers._code.wire"]
def raw(value):
    out = []
    wire._write(value, out.append, None, 1)
    return b"".join(out)
def send(frame):
    frame = struct.pack(">I", len(frame)) + frame
    while frame:
        frame = frame[os.write(4, frame):]
pair = ((1 << 8_000_000) + 12345, (1 << 8_000_000) + 54321)
"""


@pytest.mark.parametrize(
    "program",
    [
        FORGED + "send(b'(' + struct.pack('>I', 2) + raw('value') + b'/' + raw(pair))",
        FORGED
        + "send(b'(' + struct.pack('>I', 2) + raw('value') + b'{' + struct.pack('>I', 1) + b'(' + struct.pack('>I', 2) "
        "+ raw('f') + b'/' + raw(pair))",
        "def f(x): return {k * (2**61 - 1) * 8 for k in range(1, 16000)}",
        "def f(x): return range(10**15)",
    ],
)
def test_what_costs_much_to_read_costs_the_judge_nothing(program: str) -> None:
    before = time.process_time()
    assert judged(program, ["assert 0.5 in f(3)"], seconds=1.0).outcome != "right"
    assert time.process_time() - before < 0.5


def test_a_slice_of_a_programs_object() -> None:
    program = "class S:\n    def __getitem__(self, i): return [1, 2, 3][i]"
    assert judged(program, ["assert S()[0:2] == [1, 2]"]).outcome == "right"


def test_a_long_list_of_small_numbers_is_an_answer() -> None:
    assert judged("def f(n): return [0] * n", ["assert len(f(10**6)) == 10**6"]).outcome == "right"
