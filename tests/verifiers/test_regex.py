"""Answers that match a pattern."""

import time

import pytest

from tracegen.records import Problem, Trace, UsageError
from tracegen.registry import bind
from tracegen.verifiers.regex import regex
from tracegen.verify import Judge, gold_trace

SQUARES = r"[a-h][1-8]"


@pytest.mark.parametrize(
    ("response", "options", "outcome", "answer", "reason"),
    [
        (r"\boxed{e4}", {}, "right", "e4", "matches"),
        ("<answer> e4 </answer>", {}, "right", "e4", "matches"),
        ("e4", {}, "right", "e4", "matches"),
        ("I play e4.", {}, "wrong", "I play e4.", "no_match"),
        ("I play e4.", {"match": "search"}, "right", "e4", "matches"),
        ("E4", {}, "wrong", "E4", "no_match"),
        ("E4", {"ignore_case": True}, "right", "E4", "matches"),
        (r"e4 or \boxed{x9}", {"match": "search"}, "wrong", "x9", "no_match"),
        (r"e4 or \boxed{x9}", {"match": "search", "whole": True}, "right", "e4", "matches"),
        ("", {}, "wrong", None, "no_answer"),
    ],
)
def test_the_gold_as_pattern(response: str, options: dict, outcome: str, answer: str | None, reason: str) -> None:
    verdict = regex(Problem("p", "?", answer=SQUARES), response, **options)
    assert (verdict.outcome, verdict.answer, verdict.reason) == (outcome, answer, reason)


def test_a_pattern_and_a_gold_compare_what_the_group_caught() -> None:
    options = {"pattern": r"total\s*=\s*(?P<n>\d+)\s*(\w*)", "match": "search", "group": "n"}
    assert regex(Problem("p", "?", answer="42"), "so total = 42 km", **options).reason == "equal"
    assert regex(Problem("p", "?", answer="42"), "so total = 43 km", **options).reason == "different"
    assert regex(Problem("p", "?"), "so total = 43 km", **options).reason == "matches"
    unit = options | {"group": 2, "ignore_case": True}
    assert regex(Problem("p", "?", answer="KM"), "so total = 42 km", **unit).answer == "km"


def test_a_pattern_that_is_none() -> None:
    with pytest.raises(UsageError, match=r"verifier 'regex': pattern is '\(a'; it is no regular expression"):
        bind("verifier", "regex", {"pattern": "(a"})
    verdict = regex(Problem("p", "?", answer="(a"), "a")
    assert (verdict.outcome, verdict.reason) == ("unverifiable", "bad_gold")
    assert regex(Problem("p", "?", answer=" "), "a").reason == "no_gold"


def test_a_truncated_trace_has_no_answer() -> None:
    cut = Trace("k", "p", "t", 0, (), "", "e4", "truncated", "length", 9)
    assert regex(Problem("p", "?", answer=SQUARES), "e4", trace=cut).reason == "truncated"


def test_an_endless_match_costs_one_error_and_nothing_else() -> None:
    problem = Problem("p", "?", answer=r"(a+)+b", verifier="regex")
    with Judge({}, workers=1, timeout=1.0, named=["regex"]) as judge:
        assert judge.submit(problem, gold_trace("start", "aab")).result()[0].outcome == "right"
        began = time.monotonic()
        futures = [judge.submit(problem, gold_trace("k", text)) for text in ("a" * 60, "aaab", "a" * 60 + "c")]
        found = [future.result()[0] for future in futures]
    assert [(verdict.outcome, verdict.reason) for verdict in found] == [
        ("error", "timeout"),
        ("right", "matches"),
        ("error", "timeout"),
    ]
    assert time.monotonic() - began < 20
