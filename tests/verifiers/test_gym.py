"""reasoning-gym's own scorers."""

import json
import sys

import pytest

from tracegen.records import MissingExtra, Problem
from tracegen.verifiers import gym as module
from tracegen.verifiers.gym import gym


def problem(task: str, answer: str, **metadata: object) -> Problem:
    entry = {"question": "?", "answer": answer, "metadata": {"source_dataset": task, **metadata}}
    return Problem("p", "?", answer=answer, verifier="gym", extra={"gym_task": task, "gym_entry": entry})


SUM = problem("chain_sum", "1234")


@pytest.mark.parametrize(
    ("response", "outcome", "reason"),
    [
        (r"so \boxed{1234}", "right", "equal"),
        ("<answer>1234</answer>", "right", "equal"),
        ("1234", "right", "equal"),
        (r"\boxed{$\text{1234}$}", "right", "equal"),
        (r"\boxed{1235}", "wrong", "different"),
        ("I guess that it is 1234", "wrong", "different"),  # partial credit is not right
        (r"\boxed{1234} no \boxed{4321}", "wrong", "different"),
        ("", "wrong", "no_answer"),
    ],
)
def test_full_score_only(response: str, outcome: str, reason: str) -> None:
    pytest.importorskip("reasoning_gym")
    verdict = gym(SUM, response)
    assert (verdict.outcome, verdict.reason) == (outcome, reason)


def test_the_tasks_own_rule_decides_not_the_gold_text() -> None:
    pytest.importorskip("reasoning_gym")
    countdown = problem("countdown", "2*3+4", numbers=[2, 3, 4], target=10)
    assert gym(countdown, r"\boxed{4+3*2}").outcome == "right"
    assert gym(countdown, r"\boxed{4+3 \times 2}").outcome == "right"
    assert gym(countdown, r"\boxed{4+4+2}").outcome == "wrong"


def test_the_entry_may_be_json_text() -> None:
    pytest.importorskip("reasoning_gym")
    text = json.dumps(SUM.extra["gym_entry"])
    assert gym(Problem("p", "?", extra={"gym_task": "chain_sum", "gym_entry": text}), "1234").outcome == "right"


@pytest.mark.parametrize("extra", [{}, {"gym_task": "chain_sum"}, {"gym_entry": {"answer": "1"}}])
def test_without_task_and_entry_there_is_no_gold(extra: dict[str, object]) -> None:
    assert gym(Problem("p", "?", answer="1", extra=extra), "1").reason == "no_gold"


def test_without_reasoning_gym_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "reasoning_gym", None)
    module._scorer.cache_clear()
    with pytest.raises(MissingExtra, match=r"tracegen\[gym\]"):
        gym(SUM, "1234")
