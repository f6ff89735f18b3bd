"""Multiple choice: which letter a response settles on."""

import time

import pytest

from tracegen.records import Problem, Trace
from tracegen.verifiers.choice import choice

FRUIT = ["an apple", "a banana", "a cherry", "0.5"]


def ask(response: str, answer: str = "B", choices: object = FRUIT) -> tuple[str, str | None, str]:
    verdict = choice(Problem("p", "Which?", answer=answer, extra={"choices": choices} if choices else {}), response)
    return verdict.outcome, verdict.answer, verdict.reason


@pytest.mark.parametrize(
    "response",
    [
        "B",
        "b",
        "(B)",
        "B.",
        "[B]",
        "**B**",
        "Option B",
        "option (B)",
        "B) a banana",
        "B: a banana",
        "B. Because it is yellow.",
        "The answer is (B) because (A) is red.",
        "The answer is B because A is red and C is small.",
        "The correct answer is B.",
        "The correct option is (B).",
        "Answer: B",
        "Answer: **B**",
        "**Answer: (B) a banana**",
        "So I would choose B.",
        "A apple is red.\n\nIt must be (B).",
        r"Hence $\boxed{B}$.",
        r"\boxed{\text{B}}",
        r"\boxed{\textbf{(B)}}",
        r"\boxed{(B)\ a banana}",
        r"\boxed{\text{a banana}}",
        "<answer>B</answer>",
        "The answer is a banana.",
        "The answer is the banana.",
        r"First I thought \boxed{A}, but it is \boxed{B}.",
        "A banana is yellow, an apple is not.\nB",
        "I compared A and C first.\n\nFinal answer: B",
        "So the answer should be B",
        "The best answer is therefore B, because it is yellow.",
        "Looking at A, it's red. Looking at C, it's small. Hence B.",
        "Among the options, B fits best.",
        "Option A is wrong. Option B is right.",
        "Option B is right, and option C is wrong.",
        "It is not A, so I would choose (B). I hope this helps!",
        "B is correct.",
        "Answer: B (a banana)",
        "<answer>Option B: a banana</answer>",
        "The statement in B is true, so B.",
    ],
)
def test_b_in_many_forms(response: str) -> None:
    assert ask(response) == ("right", "B", "equal")


@pytest.mark.parametrize(
    ("response", "answer", "reason"),
    [
        ("The answer is (C).", "C", "different"),
        (r"\boxed{A}", "A", "different"),
        ("The answer is B and C.", "B and C", "several"),
        (r"\boxed{A, B}", "A, B", "several"),
        ("It is either (A) or (B).", None, "several"),
        ("The answer is either B or C.", None, "several"),
        ("The answer is not B.", None, "no_letter"),
        ("Option B is wrong.", None, "no_letter"),
        ("I think that I would need a B vitamin.", None, "no_answer"),
        (r"\boxed{E}", "E", "not_offered"),
        (r"\boxed{a pear}", "a pear", "no_letter"),
        ("", None, "no_answer"),
        ("A fruit that is yellow grows in bunches, as everybody knows who has seen one.", None, "no_answer"),
        ("I cannot say.", None, "no_letter"),
    ],
)
def test_what_is_not_b(response: str, answer: str | None, reason: str) -> None:
    outcome, found, why = ask(response)
    assert (outcome, why) == ("wrong", reason)
    assert answer is None or found == answer


@pytest.mark.parametrize(
    "unit", ["A, ", "A or ", "(", " ", "not ", ". A", "option ", "the answer is: ", "(A) ", "\n", "*"]
)
def test_long_answers_take_no_time(unit: str) -> None:
    began = time.monotonic()
    for response in (unit * 4_000 + "x", rf"\boxed{{{unit * 4_000}x}}", f"The answer is {unit * 4_000}"):
        assert ask(response)[0] == "wrong"
    assert time.monotonic() - began < 5


def test_an_article_is_no_answer() -> None:
    assert ask("A banana has a peel, and a cherry a stone.", answer="A")[0] == "wrong"
    assert ask("The answer is a fruit.", answer="A")[2] == "no_letter"


@pytest.mark.parametrize("gold", ["B", "(B)", "B.", r"\text{(B)}", "b", "a banana", "banana", r"\text{a banana}"])
def test_gold_may_be_a_letter_or_a_text(gold: str) -> None:
    assert ask(r"\boxed{B}", gold)[0] == "right"
    assert ask(r"\boxed{C}", gold)[0] == "wrong"


@pytest.mark.parametrize(
    "choices", [FRUIT, {"A": "an apple", "B": "a banana"}, {"label": ["A", "B"], "text": ["an apple", "a banana"]}]
)
def test_choices_as_list_or_mapping(choices: object) -> None:
    assert ask("The answer is a banana.", "B", choices)[0] == "right"
    assert ask(r"\boxed{J}", "B", choices)[2] == "not_offered"


def test_a_text_is_compared_as_mathematics_and_must_name_one_choice() -> None:
    assert ask(r"The answer is $\frac12$.", "D") == ("right", "D", "equal")
    assert ask(r"\boxed{2}", "A", ["2.0", "4/2", "3"])[2] == "no_letter"


def test_without_choices_the_letters_go_to_j() -> None:
    assert ask(r"\boxed{J}", "J", None)[0] == "right"
    assert ask(r"\boxed{K}", "J", None)[2] == "not_offered"


@pytest.mark.parametrize(
    ("gold", "reason"), [(None, "no_gold"), (" ", "no_gold"), ("E", "bad_gold"), ("A and B", "bad_gold")]
)
def test_a_gold_that_cannot_be_used(gold: str | None, reason: str) -> None:
    verdict = choice(Problem("p", "?", answer=gold, extra={"choices": FRUIT}), r"\boxed{B}")
    assert (verdict.outcome, verdict.reason) == ("unverifiable", reason)


def test_where_it_stood_and_that_a_truncated_trace_has_no_answer() -> None:
    response = r"I say \boxed{B}."
    verdict = choice(Problem("p", "?", answer="B"), response)
    assert verdict.place == "box"
    assert verdict.span is not None
    assert response[slice(*verdict.span)] == "B"
    cut = Trace("k", "p", "t", 0, (), "", response, "truncated", "length", 9)
    assert choice(Problem("p", "?", answer="B"), response, trace=cut).reason == "truncated"
