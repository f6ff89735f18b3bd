"""Programs that read stdin and print: comparisons, checkers, cases, and programs that try to be called right anyway."""

# ruff: noqa: E501 - one row of a table, one line

from textwrap import dedent
from typing import Any

import pytest

from tracegen.records import Problem, Trace, UsageError, Verdict
from tracegen.verifiers._code.compare import COMPARISONS
from tracegen.verifiers.stdio import deadline, stdio

SUM = "print(sum(map(int, input().split())))"
CASES = [{"stdin": "1 2\n", "stdout": "3\n"}, {"stdin": "-4 4\n", "stdout": "0\n"}, {"stdin": "5\n", "stdout": "5\n"}]


def judged(program: str, tests: Any = CASES, **options: Any) -> Verdict:
    return stdio(Problem("p", "?", tests=tests), dedent(program), **options)


@pytest.mark.parametrize(
    "tests",
    [
        CASES,
        [{"input": case["stdin"], "output": case["stdout"]} for case in CASES],
        [{"input": {"stdin": case["stdin"]}, "output": {"stdout": case["stdout"]}} for case in CASES],
        {"inputs": [case["stdin"] for case in CASES], "outputs": [case["stdout"] for case in CASES]},
        [{"stdin": ["1", "2"][:1], "stdout": ["1"]}],
    ],
)
def test_cases_come_in_the_forms_of_data_sets(tests: Any) -> None:
    verdict = judged(f"Here:\n```python\n{SUM}\n```", tests)
    assert (verdict.outcome, verdict.reason, verdict.place, verdict.answer) == ("right", "passed", "block", SUM + "\n")


NOT_RIGHT = {
    "a wrong sum": ("print(3)", CASES, "wrong", "failed", "case 2: line 1: expected '0', got '3'"),
    "nothing printed": ("input()", CASES, "wrong", "failed", "case 1: line 1: expected '3', got"),
    "an exception": ("print(3)\n1 / 0", CASES, "wrong", "exception", "case 1: exit code 1; ZeroDivisionError: division by zero"),
    "an exit code": ("print(3)\nraise SystemExit(4)", CASES, "wrong", "exception", "exit code 4"),
    "a signal": ("import ctypes\nprint(3, flush=True)\nctypes.string_at(1)", CASES, "wrong", "exception", "signal 11"),
    "broken syntax": ("```\nprint(3\n```", CASES, "wrong", "syntax_error", "SyntaxError"),
    "too little input": ("print(input(), input(), input())", CASES, "wrong", "exception", "EOFError"),
    "words": ("I do not know.", CASES, "wrong", "no_answer", ""),
    "a block that is left open": (f"```python\n{SUM}", CASES, "wrong", "truncated", ""),
    "too much time": ("while True: pass", CASES, "error", "timeout", "case 1"),
    "too much memory": ("x = ' ' * 2**33", CASES, "error", "memory", ""),
    "too much output": ("while True: print('x' * 10_000)", CASES, "error", "output", ""),
    "no cases": (SUM, [], "unverifiable", "no_tests", ""),
    "no cases at all": (SUM, None, "unverifiable", "no_tests", ""),
    "a case without output": (SUM, [{"stdin": "1"}], "unverifiable", "bad_tests", "case 1 has no 'stdout'"),
    "a case that is no object": (SUM, ["1"], "unverifiable", "bad_tests", "case 1"),
    "tests that are assertions": (SUM, "assert f(1) == 2", "unverifiable", "bad_tests", "list of cases"),
    "more inputs than outputs": (SUM, {"inputs": ["1"], "outputs": []}, "unverifiable", "bad_tests", "as many"),
}  # fmt: skip


@pytest.mark.parametrize("name", NOT_RIGHT)
def test_it_is_not_right_and_says_why(name: str) -> None:
    program, tests, outcome, reason, detail = NOT_RIGHT[name]
    verdict = judged(program, tests, seconds=1.0)
    assert (verdict.outcome, verdict.reason) == (outcome, reason), verdict
    assert detail in verdict.detail


COMPARED = [
    ("whitespace", "1 2\n3\n", "1 2\n3\n", True),
    ("whitespace", "1 2\n3\n", " 1   2 \r\n\n3", True),
    ("whitespace", "1 2\n3\n", "1 2 3", False),
    ("whitespace", "1 2\n3\n", "1 2\n", False),
    ("whitespace", "1 2\n", "1 2\n3\n", False),
    ("whitespace", "1 2", "12", False),
    ("whitespace", "", "\n", True),
    ("whitespace", "1.0", "1", False),
    ("exact", "a b\n", "a b\n", True),
    ("exact", "a b\n", "a b", True),
    ("exact", "a b\n", "a  b\n", False),
    ("exact", "a b\n", "a b \n", False),
    ("exact", "a b\n", "a b\n\n", False),
    ("float", "0.3333333\nok\n", "0.33333333333 \nok", True),
    ("float", "0.3333333", "0.3334", False),
    ("float", "1e9", "1000000000.0001", True),
    ("float", "3", "2.9999999999", True),
    ("float", "100000000", "100000050.0", False),
    ("float", "1000000007", "1000000008", False),
    ("float", "1.5 2.5", "1.5", False),
    ("float", "1.5", "1.5 2.5", False),
    ("float", "1.5\n2.5", "1.5 2.5", False),
    ("float", "nan", "1.0", False),
    ("float", "inf", "1e308", False),
    ("float", "inf", "inf", True),
    ("float", "YES", "NO", False),
    ("float", "10", "1_0", False),
]


@pytest.mark.parametrize(("name", "expected", "actual", "equal"), COMPARED)
def test_outputs_are_compared(name: str, expected: str, actual: str, equal: bool) -> None:
    assert COMPARISONS[name](expected, actual, 1e-6) is equal


def test_a_comparison_and_its_tolerance_are_options() -> None:
    cases = [{"stdin": "", "stdout": "0.333"}]
    assert judged("print(1 / 3)", cases).outcome == "wrong"
    assert judged("print(1 / 3)", cases, compare="float").outcome == "wrong"
    assert judged("print(1 / 3)", cases, compare="float", tolerance=1e-2).outcome == "right"
    assert judged("print('a ')", [{"stdin": "", "stdout": "a"}], compare="exact").outcome == "wrong"


def test_an_unknown_comparison_is_the_users_mistake() -> None:
    with pytest.raises(UsageError, match="compare is 'exactly'; it is whitespace, exact, float, or the source"):
        judged(SUM, compare="exactly")


CHECKER = """
def check(stdin, expected, actual):
    n = int(stdin)
    a, b = map(int, actual.split())
    return a + b == n and a > 0 and b > 0
"""


@pytest.mark.parametrize(
    ("program", "outcome", "reason"),
    [
        ("n = int(input())\nprint(1, n - 1)", "right", "passed"),
        ("n = int(input())\nprint(n - 1, 1)", "right", "passed"),
        ("n = int(input())\nprint(0, n)", "wrong", "failed"),
    ],
)
def test_a_checker_decides_where_several_outputs_are_right(program: str, outcome: str, reason: str) -> None:
    cases = [{"stdin": "5", "stdout": "2 3"}, {"stdin": "9", "stdout": "4 5"}]
    verdict = judged(program, cases, compare=CHECKER)
    assert (verdict.outcome, verdict.reason) == (outcome, reason), verdict


@pytest.mark.parametrize(
    "checker", ["def check(*a): return 1 / 0", "def check(: pass", "import os\ndef check(*a): os._exit(0)"]
)
def test_a_broken_checker_is_not_held_against_the_program(checker: str) -> None:
    verdict = judged(SUM, compare=checker)
    assert (verdict.outcome, verdict.reason) == ("unverifiable", "bad_tests")


def test_a_checker_that_does_not_say_true_does_not_accept() -> None:
    assert judged(SUM, compare="def check(*a): return 'no'").outcome == "wrong"


def test_it_stops_at_the_first_failure_unless_told_otherwise() -> None:
    program = "x = input()\nprint(3)\nif x == '5': raise SystemExit(1)"
    assert judged(program).detail.startswith("case 2: line 1")
    assert judged(program, every_case=True).detail.endswith("; 1 of 3 cases pass")


def test_a_trace_that_was_cut_off_has_no_program() -> None:
    verdict = judged(SUM, trace=Trace("k", "p", "t", 0, (), "", SUM, "truncated", "length", 9))
    assert (verdict.outcome, verdict.reason) == ("wrong", "truncated")


def test_the_deadline_grows_with_the_cases() -> None:
    assert deadline(Problem("p", "?", tests=CASES), seconds=2.0) > 3 * 2.0
    assert deadline(Problem("p", "?", tests=CASES * 10)) > deadline(Problem("p", "?", tests=CASES)) * 5
    assert deadline(Problem("p", "?", tests="x")) > 10


ATTACKS = {
    "the beginning of what is expected": "print(input().split()[0])\nprint('3')",
    "every answer at once": "print(*range(-10, 10))",
    "an exit before anything is printed": "import sys; sys.exit(0)",
    "an exit function that prints": "import atexit\natexit.register(print, 3)",
    "passed, it says": "print('passed')\nimport sys\nprint('passed', file=sys.stderr)",
    "looking for what is expected in files": """
        import glob
        found = []
        for path in glob.glob("/tmp/*") + glob.glob("/proc/*/cmdline") + glob.glob("/proc/*/environ"):
            try:
                found.append(open(path).read())
            except (OSError, ValueError):
                pass
        print("stdout" in repr(found) and 3)
    """,
    "writing what is right to descriptors": """
        import os
        for fd in range(3, 20):
            try: os.write(fd, b"3\\n")
            except OSError: pass
    """,
    "what the last program printed": """
        import pathlib
        seen = pathlib.Path("/tmp/seen")
        print(seen.read_text() if seen.exists() else 7)
        seen.write_text("0")
    """,
    "a child that prints after its parent": "import os, time\nif os.fork() == 0:\n    time.sleep(0.2)\n    print(3)\n",
}


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_not_right_and_the_next_correct_program_is(name: str) -> None:
    verdict = judged(ATTACKS[name], seconds=1.0)
    assert verdict.outcome in ("wrong", "error"), verdict
    assert verdict.reason != "infrastructure", verdict
    assert judged(SUM).outcome == "right"
