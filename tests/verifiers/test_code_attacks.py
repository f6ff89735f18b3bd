"""No program is right that does not solve its problem, whatever it does; the next one is fairly judged."""

import pytest
from verdict_attacks import SQUARE, programs

from tracegen.records import Problem, Verdict
from tracegen.verifiers.code import code

ATTACKS = programs()


def judged(program: str, tests: object, entry_point: str | None = None) -> Verdict:
    return code(Problem("p", "?", tests=tests, entry_point=entry_point), f"```python\n{program}\n```", seconds=1.0)


@pytest.mark.parametrize("name", ATTACKS)
def test_it_is_not_right_and_the_next_correct_program_is(name: str) -> None:
    program, tests = ATTACKS[name]
    verdict = judged(program, list(tests))
    assert verdict.outcome in ("wrong", "error"), verdict
    assert verdict.reason != "infrastructure", verdict
    assert judged("def f(x): return x * x", list(SQUARE)).outcome == "right"


@pytest.mark.parametrize("name", [name for name, attack in ATTACKS.items() if attack.tests is SQUARE])
def test_nor_is_it_as_a_candidate(name: str) -> None:
    check = "def check(candidate):\n    for x, y in ((3, 9), (-4, 16), (0.5, 0.25)):\n        assert candidate(x) == y"
    verdict = judged(ATTACKS[name].program, check, "f")
    assert verdict.outcome in ("wrong", "error"), verdict
    assert verdict.reason != "infrastructure", verdict


def test_a_function_named_like_a_builtin_is_not_what_it_is_measured_by() -> None:
    check = "def check(candidate):\n    for x in ([1], [2]):\n        assert candidate(x) == sum(x)"
    assert judged("def sum(x): return 0", check, "sum").outcome == "wrong"
    assert judged("def sum(x): return x[0]", check, "sum").outcome == "right"
