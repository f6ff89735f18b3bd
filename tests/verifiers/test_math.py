"""Equality as mathematics, and where the final answer of a response stands."""

import time
from pathlib import Path

import pytest

from tracegen.records import Problem, Trace, Verdict
from tracegen.verifiers._answer import final
from tracegen.verifiers._latex import dressed_down, latex, number, words
from tracegen.verifiers.math import LIMIT, math


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
        ("17", r"It is \boxed{16} or \boxed{17}", "different"),
        ("17", "I added 9 and 8 in my head and now I am tired of this.", "no_answer"),
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
        ("17", r"\boxed{" + "(" * 50 + "17" + ")" * 50 + "}", "too_deep"),
    ],
)
def test_wrong(gold: str, response: str, reason: str) -> None:
    verdict = judged(gold, response)
    assert verdict.outcome == "wrong", verdict
    assert verdict.reason == reason or (reason == "different" and verdict.reason == "unparsable")


@pytest.mark.parametrize("gold", [None, "", "  ", r"\frac{"])
def test_a_gold_answer_that_cannot_be_read_is_no_wrong(gold: str | None) -> None:
    assert (judged(gold, r"\boxed{17}").outcome, judged(gold, r"\boxed{17}").reason) == ("unverifiable", "no_gold")


def test_a_truncated_trace_has_no_final_answer() -> None:
    problem = Problem("p", "?", answer="17")
    trace = Trace("k", "p", "t", 0, (), "", r"\boxed{17} or", "truncated", "length", 9)
    assert math(problem, trace.response, trace=trace) == Verdict("wrong", "17", "truncated")


def test_the_answer_found_is_reported() -> None:
    assert judged("17", r"\boxed{ 18 \text{ m} }").answer == r"18 \text{ m}"


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
    final(flood)
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
        (r"$\boxed{2}$, $\boxed{3}$ and $\boxed{5}$", "2, 3, 5"),
        (r"\boxed{2} is wrong. \boxed{3}", "3"),
        ("The answer is 8, because 3 + 5 is 8.", "8"),
        ("The final answer is: the largest root is 8.", "8"),
        (r"It follows that the value is $x = 8$.", "x = 8"),
        ("Thus $x > 8$ is what we want.", "x > 8"),
        ("x = 8", "x = 8"),
        ("Nobody has ever found out what that might be.", None),
    ],
)
def test_final(response: str, answer: str | None) -> None:
    assert final(response) == answer


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1,234.5", "2469/2"),
        ("1 234", "1234"),
        ("007", "7"),
        (".5", "1/2"),
        ("-6/4", "-3/2"),
        ("€12", "12"),
        ("12 square feet", "12"),
        (r"90^\circ", "90"),
        ("12,34", None),
        ("1,2,3", None),
        ("2 thirds", None),
        ("5%", None),
        ("2e3", None),
        ("3i", None),
        ("1/0", None),
        ("1" * 100, None),
    ],
)
def test_number(text: str, value: str | None) -> None:
    found = number(text)
    assert (None if found is None else str(found)) == value


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Two Words", "two words"),
        (r"\text{None of them}", "none of them"),
        ("xy", None),
        ("sin x", None),
        ("x+one", None),
    ],
)
def test_words(text: str, found: str | None) -> None:
    assert words(text) == found


def test_spellings() -> None:
    assert dressed_down(r"**$\left( 1,\! 234 \right)$**.") == "( 1,234 )"
    assert latex("2*sqrt(3+sqrt(5))**(1/2)") == r"2\cdot \sqrt {3+\sqrt {5}}^{1/2}"
    assert latex("x² + √7") == r"x^{2} + \sqrt{7}"
    assert latex(r"\sqrt{3}") == r"\sqrt{3}"
