"""Equality as mathematics, and where the final answer of a response stands."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tracegen.format import split
from tracegen.records import Problem, Trace, Verdict
from tracegen.verifiers._answer import find
from tracegen.verifiers.math import LIMIT, math

ROOT = Path(__file__).parents[2]
PUBLIC = ROOT.parent / "shared" / "verifier_cases" / "math_dev.jsonl"


def judged(gold: str | None, response: str) -> Verdict:
    return math(Problem("p", "?", answer=gold), response)


@pytest.mark.parametrize(
    ("gold", "response"),
    [
        ("17", r"We add them and get \boxed{17}."),
        ("17", r"First \boxed{3}, no: \boxed{17}"),
        ("17", "The answer is 17."),
        ("17", "**Final answer:** 17 apples"),
        ("17", "Answer: $17$, as the sum shows."),
        ("17", "## Answer\n17"),
        ("17", "The total is **17**."),
        ("17", "<answer> 17 </answer>"),
        ("17", "17.0"),
        ("17", "He has 9 and 8 more.\n#### 17"),
        ("She has 9 + 8 = 17 apples.\n#### 17", "17"),
        ("1,500", r"\boxed{1500}"),
        ("2350000", r"\boxed{2,350,000}"),
        ("2350000", r"\boxed{2{,}350\,000}"),
        ("12.50", r"\boxed{\$12.5}"),
        ("40", r"\boxed{40 \text{ km}}"),
        ("40", "The answer is 40 kilometres."),
        ("3000000", r"\boxed{3 \text{ million}}"),
        ("-3", "−3"),
        ("0.375", r"\boxed{\frac{3}{8}}"),
        ("3/8", r"\boxed{\dfrac38}"),
        ("2/7", r"\boxed{0.2857142857}"),
        ("35%", r"\boxed{35\%}"),
        ("(2x+1)^2", r"\boxed{4x^2+4x+1}"),
        ("x^2 - 9", r"\boxed{(x-3)(x+3)}"),
        (r"2\sqrt{5}", "The answer is 2√5."),
        (r"\frac{\sqrt{2}}{2}", "Answer: sqrt(2)/2"),
        ("5*pi*r**2", r"\boxed{5\pi r^2}"),
        ("(3, 4)", r"\boxed{\left(3, 4\right)}"),
        ("[0, 5)", r"\boxed{[0,5)}"),
        ("{2, 5}", r"Both \boxed{5} and \boxed{2} will do."),
        (r"\frac{1}{7}", r"\boxed{\frac17} \approx \boxed{0.14}"),
        ("x = 6", r"\boxed{6}"),
        (r"\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}", r"\boxed{\begin{pmatrix}1&2\\3&4\end{pmatrix}}"),
        ("Marlene", r"\boxed{\text{Marlene}}"),
        ("no solution", "The answer is: No solution."),
        (
            "It always rains in the wettest of all the green valleys",
            "It always rains in the wettest of all the green valleys",
        ),
    ],
)
def test_right(gold: str, response: str) -> None:
    verdict = judged(gold, response)
    assert (verdict.outcome, verdict.reason) == ("right", "equal"), verdict


@pytest.mark.parametrize(
    ("gold", "response", "reason"),
    [
        ("17", r"\boxed{17}, no, wait, \boxed{18}", "different"),
        ("17", r"17 is tempting, yet \boxed{71}", "different"),
        ("17", "I could not decide between 9 and 8 and 17, sorry.", "no_answer"),
        ("17", "", "no_answer"),
        ("17", r"\boxed{}", "no_answer"),
        ("17", r"\boxed{17", "no_answer"),
        ("3", r"\boxed{3 \text{ million}}", "different"),
        ("2", r"\boxed{2x}", "different"),
        ("2", r"\boxed{2\pi}", "different"),
        ("10", r"\boxed{1,0}", "different"),
        ("100000", r"\boxed{100001}", "different"),
        ("0.5", r"\boxed{0.51}", "different"),
        ("Marlene", r"\boxed{\text{Merlane}}", "different"),
        ("no solution", r"\boxed{0}", "different"),
        ("x+1", r"\boxed{x-1}", "different"),
        ("(3, 4)", r"\boxed{(4, 3)}", "different"),
        ("17", r"\boxed{1" + "0" * LIMIT + "}", "too_long"),
        ("17", r"\boxed{" + "(" * 50 + "17" + ")" * 50 + "}", "different"),
        ("1/2004!", "1/2006!", "different"),
        ("75", "0.75", "different"),
        ("28", r"\boxed{28\%}", "different"),
        ("5 cm", r"\boxed{5 m}", "different"),
        ("1112112_3", r"\boxed{1112112}", "different"),
        ("|x|", r"\boxed{x}", "different"),
        ("x = 5", r"\boxed{y = 5}", "different"),
        (r"\sqrt{2}", r"\boxed{1.414}", "different"),
        ("1, 2", r"\boxed{1, 2, 3}", "different"),
        ("[0, 1)", r"\boxed{(0, 1)}", "different"),
        ("2x + z = 1", r"\boxed{1}", "different"),
        ("42", "I am sorry, I cannot work out problem 42.", "no_answer"),
    ],
)
def test_wrong(gold: str, response: str, reason: str) -> None:
    verdict = judged(gold, response)
    assert verdict.outcome == "wrong", verdict
    assert verdict.reason == reason or (reason == "different" and verdict.reason == "unparsable")


@pytest.mark.parametrize(
    ("gold", "reason"),
    [
        (None, "no_gold"),
        ("  ", "no_gold"),
        (r"\boxed{}", "no_gold"),
        (r"\frac{", "broken_gold"),
        (r"\left( 3, 4", "broken_gold"),
        (r"\begin{pmatrix} 1 \\ 2", "broken_gold"),
        ("[asy] draw((0,0)--(1,1)); [/asy]", "figure"),
        ("Proof. Assume that it were not so.", "proof"),
    ],
)
def test_a_gold_answer_that_cannot_be_used_is_no_wrong(gold: str | None, reason: str) -> None:
    verdict = judged(gold, r"\boxed{17}")
    assert (verdict.outcome, verdict.reason, verdict.answer) == ("unverifiable", reason, "17")


def test_a_truncated_trace_has_no_final_answer() -> None:
    problem = Problem("p", "?", answer="17")
    trace = Trace("k", "p", "t", 0, (), "", r"\boxed{17} or", "truncated", "length", 9)
    assert math(problem, trace.response, trace=trace) == Verdict("wrong", "17", "truncated", "box", (7, 9))


@pytest.mark.parametrize(
    ("response", "answer", "place"),
    [
        (r"So it is \boxed{18 \text{ m}}.", r"18 \text{ m}", "box"),
        ("So it is <answer>18 m</answer>", "18 m", "tag"),
        ("The answer is 18, because 9 + 9 is.", "18", "sentence"),
        ("That makes **18** in all.", "18", "bold"),
        ("18", "18", "whole"),
        ("We add both. Therefore, the sum of them is 18.", "18", "last_line"),
    ],
)
def test_the_answer_found_is_reported_with_its_place(response: str, answer: str, place: str) -> None:
    verdict = judged("17", response)
    assert (verdict.answer, verdict.place) == (answer, place)
    assert verdict.span is not None
    assert response[slice(*verdict.span)] == answer


def test_boxes_that_may_be_one_list_are_found_together() -> None:
    found = find(r"\boxed{1}. Now $x = \boxed{2}$, $\boxed{3}$ and $\boxed{5}$.")
    assert found is not None
    assert (found.text, found.several) == ("5", "2, 3, 5")


def test_what_was_meant_is_in_the_gold() -> None:
    both = r"The roots are \boxed{2} and \boxed{3}."
    assert judged("2, 3", both).outcome == "right"
    assert judged("3", both).outcome == "right"
    assert judged("2", both).outcome == "wrong"
    assert judged("2, 3", r"\boxed{2} is tempting." "\n" r"So it is \boxed{3}").outcome == "wrong"


@pytest.mark.parametrize(
    ("option", "gold", "answer", "default"),
    [
        ({"tolerance": 0.01}, "3.14", "3.15", "wrong"),
        ({"percent": "value"}, "0.28", r"28\%", "wrong"),
        ({"percent": "ignore"}, "28", r"28\%", "wrong"),
        ({"units": "ignore"}, "5 cm", "5 m", "wrong"),
        ({"units": "strict"}, "5 cm", "5", "right"),
        ({"form": "simplified"}, "1/2", "2/4", "right"),
        ({"order": True}, "1, 2", "2, 1", "right"),
        ({"case": True}, "Marlene", "marlene", "right"),
    ],
)
def test_conventions_can_be_changed(option: dict[str, Any], gold: str, answer: str, default: str) -> None:
    problem = Problem("p", "?", answer=gold)
    assert math(problem, rf"\boxed{{{answer}}}").outcome == default
    changed = math(problem, rf"\boxed{{{answer}}}", **option).outcome
    assert {default, changed} == {"right", "wrong"}


def labelled(path: Path) -> tuple[list[dict[str, Any]], list[str], float]:
    """The rows of a labelled file, the outcome of each, and the seconds of the slowest."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    outcomes, slowest = [], 0.0
    for row in rows:
        parts = split(row["pred"])
        trace = Trace("k", "k", "", 0, (), parts.reasoning, parts.response, parts.status, "stop", 0)
        began = time.perf_counter()
        outcomes.append(math(Problem("p", "?", answer=row["gold"]), parts.response, trace=trace).outcome)
        slowest = max(slowest, time.perf_counter() - began)
    return rows, outcomes, slowest


def test_the_labelled_set() -> None:
    rows, outcomes, slowest = labelled(ROOT / "data" / "verifier_math.jsonl")
    wrong = [row["id"] for row, got in zip(rows, outcomes, strict=True) if (got == "right") != row["expected"]]
    assert wrong == []
    assert slowest < 2
    unusable = [got for row, got in zip(rows, outcomes, strict=True) if row.get("expected_outcome") == "unverifiable"]
    assert unusable
    assert set(unusable) == {"unverifiable"}


@pytest.mark.skipif(not PUBLIC.is_file(), reason="the pairs of public graders are not here")
def test_the_pairs_of_public_graders() -> None:
    rows, outcomes, slowest = labelled(PUBLIC)
    agree = [(got == "right") == row["expected"] for row, got in zip(rows, outcomes, strict=True)]
    false = [row["id"] for row, got in zip(rows, outcomes, strict=True) if got == "right" and not row["expected"]]
    assert sum(agree) / len(agree) >= 0.99
    assert false == []
    assert slowest < 2


@pytest.mark.parametrize(
    "hostile",
    ["__import__('os').system('touch owned')", "open('owned','w')", "exec(\"open('owned','w')\")", r"\input{owned}"],
)
def test_text_of_the_model_is_never_evaluated(hostile: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for gold in ("1", "x^2"):
        assert judged(gold, rf"\boxed{{{hostile}}}").outcome == "wrong"
        judged(hostile, r"\boxed{x^2}")
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize(
    "flood",
    [
        "\\boxed{" * 20_000,
        "<answer>" * 20_000,
        "**" * 50_000,
        "$" * 100_000,
        "answer is " * 20_000,
        "{" * 100_000 + "}" * 100_000,
    ],
)
def test_extraction_is_linear(flood: str) -> None:
    began = time.perf_counter()
    find(flood)
    assert time.perf_counter() - began < 2


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        (r"\boxed{\frac{1}{2}} and nothing else", r"\frac{1}{2}"),
        (r"\boxed{\{1,2\}}", r"\{1,2\}"),
        (r"\boxed{\text{so } \boxed{8}}", "8"),
        (r"\fbox{8}", "8"),
        (r"stray } \boxed{8} and {", "8"),
        (r"\boxed 8", "8"),
        (r"$\boxed{2}$, $\boxed{3}$ and $\boxed{5}$", "5"),
        (r"\boxed{2} is wrong. \boxed{3}", "3"),
        ("The answer is 8, because 3 + 5 is 8.", "8"),
        ("The final answer is: the largest root is 8.", "8"),
        (r"It follows that the value is $x = 8$.", "x = 8"),
        ("Thus $x > 8$ is what we want.", "x > 8"),
        ("x = 8", "x = 8"),
        ("Nobody has ever found out what that might be.", None),
    ],
)
def test_find(response: str, answer: str | None) -> None:
    found = find(response)
    assert (found.text if found else None) == answer
