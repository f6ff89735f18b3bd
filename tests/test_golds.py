"""What `tracegen check` finds in gold answers, and what it leaves alone."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tracegen.golds import Finding, lint
from tracegen.records import Problem
from tracegen.verify import Judge

NO_SERVER = {"engine": "openai", "model": "m", "options": {"base_url": "http://127.0.0.1:9/v1"}}
"""A model that nobody may ask here."""


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    with Judge({"math": {}}, workers=2, named=["choice", "exact", "regex"]) as judge:
        yield judge


def found(judge: Judge, *problems: Problem) -> dict[str, Finding]:
    return {finding.id: finding for finding in lint(problems, judge)}


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (None, "there is none, and no verifier here judges without one"),
        ("", "there is no answer in it"),
        ("  ", "there is no answer in it"),
        (r"\includegraphics{a.png}", "it is a figure"),
        ("[asy] draw((0,0)--(1,1)); [/asy]", "it is a figure"),
        ("Proof. By induction.", "it is a proof, not an answer"),
        (r"\frac{1}{2", "its LaTeX is broken"),
        (r"\left( 1, 2", "its LaTeX is broken"),
    ],
)
def test_a_gold_that_no_answer_can_equal(judge: Judge, answer: str | None, why: str) -> None:
    (finding,) = lint([Problem("p", "What?", answer=answer)], judge)
    assert finding.why.startswith(why)
    assert (finding.answer, finding.outcome) == (answer, "unverifiable")


def test_a_gold_that_its_own_verifier_rejects(judge: Judge) -> None:
    problem = Problem("p", "Which?", answer="E", verifier="choice", extra={"choices": ["a", "b"]})
    (finding,) = lint([problem], judge)
    assert (finding.reason, finding.why, finding.verifier) == ("bad_gold", "its verifier cannot read it", "choice")
    rejected = Problem("q", "Which word?", answer=r"x \boxed{y} z", verifier="exact")
    assert found(judge, rejected) == {}


@pytest.mark.parametrize("answer", ["42", r"\frac{1}{2}", r"\text{Monday}", "(1, 2)", "3 + 4 = 7\n#### 7", "B"])
def test_good_golds_are_left_alone(judge: Judge, answer: str) -> None:
    assert list(lint([Problem("p", "What?", answer=answer)], judge)) == []


def test_the_same_problem_with_answers_that_differ(judge: Judge) -> None:
    problems = [
        Problem("a", "What is  1/2?", answer="1/2"),
        Problem("b", "what is 1/2?", answer="0.5"),
        Problem("c", "What is 1/2?", answer="2"),
        Problem("d", "What is 1/3?", answer="2"),
        Problem("e", "What is 1/2?", answer=""),
    ]
    findings = found(judge, *problems)
    assert set(findings) == {"c", "e"}
    assert findings["c"].reason == "contradicts"
    assert findings["c"].why == "a asks the same, and its answer is '1/2': one of the two is wrong"


def test_the_same_question_with_its_choices_in_another_order_is_another_problem(judge: Judge) -> None:
    first = Problem("a", "Which?", answer="A", verifier="choice", extra={"choices": ["cat", "dog"]})
    second = Problem("b", "Which?", answer="B", verifier="choice", extra={"choices": ["dog", "cat"]})
    assert found(judge, first, second) == {}


def test_what_another_rule_judges_needs_no_gold(judge: Judge) -> None:
    problems = [
        Problem("tests", "Write it.", tests=["assert f(1) == 2"], verifier="code"),
        Problem("pattern", "Name a square.", answer="[a-h][1-8]", verifier="regex"),
    ]
    assert found(judge, *problems) == {}
    assert found(judge, Problem("bad", "?", answer="[a-", verifier="regex"))["bad"].reason == "bad_gold"


def test_a_solution_that_fails_its_tests_is_found(judge: Judge) -> None:
    problem = Problem("p", "Write it.", answer="def f(x): return x", tests=["assert f(1) == 2"], verifier="code")
    assert found(judge, problem)["p"].why.startswith("its own verifier calls it wrong")


def test_what_a_vote_or_a_model_will_judge_is_left_to_them_and_no_model_is_asked(tmp_path: Path) -> None:
    problems = [
        Problem("none", "Prove it."),
        Problem("proof", "Prove that.", answer="Proof. Clear."),
        Problem("good", "1 + 1?", answer="2"),
    ]
    with Judge({"math": {}, "majority": {}}, workers=1) as votes:
        assert found(votes, *problems) == {}
    for options, left in (({"needs_gold": False}, set()), ({}, {"none"})):
        verifiers = {"math": {}, "judge": {"only": "unverifiable", **NO_SERVER, **options}}
        with Judge(verifiers, workers=1, asked=tmp_path) as model:
            assert set(found(model, *problems)) == left
    with Judge({"math": {}, "judge": {"only": [], "second_opinion": 1, **NO_SERVER}}, asked=tmp_path) as opinion:
        assert set(found(opinion, *problems)) == {"none", "proof"}
    with Judge({"judge": NO_SERVER}, asked=tmp_path) as alone:
        assert set(found(alone, *problems)) == {"none"}
    assert list(tmp_path.rglob("*.jsonl")) == []


def test_without_any_verifier_every_gold_is_found() -> None:
    with Judge({}) as nobody:
        (finding,) = lint([Problem("p", "What?", answer="1")], nobody)
    assert finding.why == "there is no verifier to judge by it"
