"""Equality as text."""

import pytest

from tracegen.records import Problem
from tracegen.verifiers.exact import exact


@pytest.mark.parametrize(
    ("gold", "response", "outcome", "reason"),
    [
        ("heads", "heads", "right", "equal"),
        ("heads", "  Heads\n", "right", "equal"),
        ("a  b", r"I say \boxed{a b}.", "right", "equal"),
        ("b", "<answer>a</answer> no: <answer> b </answer>", "right", "equal"),
        ("{x}", r"\boxed{{x}}", "right", "equal"),
        (r"\boxed{7}", r"\boxed{7}", "right", "equal"),
        ("caf\u00e9", "cafe\u0301", "right", "equal"),
        ("1/2", "0.5", "wrong", "different"),
        ("heads", "It is heads.", "wrong", "different"),
        ("b", r"\boxed{b} or rather \boxed{c}", "wrong", "different"),
        ("b", "", "wrong", "no_answer"),
        ("b", r"\boxed{}", "wrong", "no_answer"),
        (None, "b", "unverifiable", "no_gold"),
        (" ", "", "unverifiable", "no_gold"),
    ],
)
def test_exact(gold: str | None, response: str, outcome: str, reason: str) -> None:
    verdict = exact(Problem("p", "", answer=gold), response)
    assert (verdict.outcome, verdict.reason) == (outcome, reason)


def test_letter_case_is_an_option() -> None:
    problem = Problem("p", "", answer="Heads")
    assert exact(problem, "heads", ignore_case=False).outcome == "wrong"
    assert exact(problem, "Heads", ignore_case=False).outcome == "right"
