"""A vote instead of a gold answer."""

import pytest

from tracegen.records import Problem, Trace, Verdict
from tracegen.verifiers.majority import majority

PROBLEM = Problem("p", "What is it?", answer="99")


def trace(number: int, answer: str | None, teacher: str = "t", status: str = "complete") -> Trace:
    response = "I cannot say." if answer is None else rf"It is \boxed{{{answer}}}."
    return Trace(f"k{number}", "p", teacher, number, (), "", response, status, "stop", 5)  # type: ignore[arg-type]


def vote(traces: list[Trace], **options: object) -> list[Verdict]:
    return [majority(PROBLEM, one.response, trace=one, siblings=traces, **options) for one in traces]  # type: ignore[arg-type]


def test_the_answer_of_most_is_right_in_whatever_form_and_the_gold_is_not_looked_at() -> None:
    found = vote([trace(n, answer) for n, answer in enumerate(["1/2", "0.5", r"\frac{2}{4}", "99"])])
    assert [verdict.outcome for verdict in found] == ["right", "right", "right", "wrong"]
    assert {verdict.share for verdict in found} == {0.75}
    assert found[0].detail == "3 of 4 votes for 1/2"
    assert (found[3].answer, found[3].reason, found[3].place) == ("99", "disagrees", "box")


def test_who_has_no_answer_has_no_vote() -> None:
    found = vote([trace(0, "7"), trace(1, "7"), trace(2, "7"), trace(3, None), trace(4, "8", status="truncated")])
    assert [(verdict.outcome, verdict.reason) for verdict in found[2:]] == [
        ("right", "agrees"),
        ("wrong", "no_answer"),
        ("wrong", "truncated"),
    ]
    assert found[0].share == 1.0


@pytest.mark.parametrize(
    ("answers", "options", "reason"),
    [
        (["7", "7"], {}, "too_few_votes"),
        (["7", "7"], {"min_votes": 2}, "agrees"),
        (["7", "7", "8", "8"], {}, "no_majority"),
        (["7", "7", "8", "9"], {}, "agrees"),
        (["7", "7", "8", "9", "10"], {}, "no_majority"),
        (["7", "7", "8", "9", "10"], {"min_share": 0.4}, "agrees"),
        (["7", "7", "7", "8"], {"min_share": 0.8}, "no_majority"),
        ([None, None, None], {}, "too_few_votes"),
    ],
)
def test_a_vote_must_be_large_and_clear(answers: list[str | None], options: dict, reason: str) -> None:
    verdict = vote([trace(n, answer) for n, answer in enumerate(answers)], **options)[0]
    assert verdict.reason == reason
    assert verdict.outcome == ("right" if reason == "agrees" else "unverifiable")


def test_whose_votes_count() -> None:
    traces = [trace(n, "7", "a") for n in range(4)] + [trace(4, "8", "b"), trace(5, "8", "c")]
    of_a, *_, of_c = vote(traces, min_votes=2)
    assert (of_a.outcome, of_a.share) == ("right", 1.0)
    assert of_c.reason == "too_few_votes"
    assert [verdict.share for verdict in vote(traces, count="traces")] == [pytest.approx(4 / 6)] * 6
    by_teacher = vote(traces, count="teachers")
    assert [verdict.outcome for verdict in by_teacher] == ["wrong"] * 4 + ["right"] * 2
    assert by_teacher[0].share == pytest.approx(2 / 3)


def test_without_siblings_there_is_no_vote() -> None:
    assert majority(PROBLEM, r"\boxed{99}").reason == "no_siblings"
