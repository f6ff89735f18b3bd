"""Questions are found as they stand, re-spaced, renamed and with other numbers; what is merely alike is not."""

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tracegen.leaks import Leak, Questions
from tracegen.records import Problem

TRAM = (
    "Wilma drives a tram that leaves the depot at noon with 35 people. At each of the next 2 stops 12 people get off "
    "and 5 get on. How many people does Wilma have on the tram when she leaves the second stop?"
)
SUM = "What is the sum of the digits of the cube of 17?"
LEGS = "How many legs do nine spiders have?"
SHORT = "What is 3 + 4?"
FRACTION = r"Simplify $\frac{3}{4} \cdot \left(x^2 + 5\right)$ as far as it goes and write the answer without brackets."
ENDING = "where m and n are relatively prime positive integers with no common factor. Find m + n."
CONTEST = [
    f"A bee flies along the edges of a glass cube and comes back after six of them with chance m/n, {ENDING}",
    f"The longest side of a paper kite that a circle of radius 7 touches four times has length m/n, {ENDING}",
    f"Of all words with two letters b and nine letters c the share that reads the same backwards is m/n, {ENDING}",
]
CODE = (
    "Write a function to turn the rows of a table into a list of its widest cells.\n\nIt must pass these tests:\n\n"
    "```python\nassert widest_cells([[1, 22]]) == [22]\nassert widest_cells([[7], [333]]) == [7, 333]\n```"
)
CODE_TOO = (
    "Write a function to count the hills in a row of heights.\n\nIt must pass these tests:\n\n"
    "```python\nassert count_hills([1, 3, 1]) == 1\nassert count_hills([2, 2, 2]) == 0\n```"
)
OWN = {
    "ours": [Problem(str(n), text) for n, text in enumerate((TRAM, SUM, LEGS, SHORT, FRACTION))],
    "contest": [Problem(str(n), text) for n, text in enumerate(CONTEST)],
    "code": [Problem("widest", CODE), Problem("hills", CODE_TOO)],
}
QUESTIONS = Questions(OWN, 13)
TALK = "First I note what is given and what is asked for, and then I work through it one step after the other. "


def found(text: str, *, statement: bool = True) -> tuple[str, str, str] | None:
    leak = QUESTIONS.in_statement(text) if statement else QUESTIONS.inside(text)
    return leak and (leak.benchmark, leak.problem, leak.rule)


@pytest.mark.parametrize(
    ("benchmark", "problem"), [(name, problem) for name, those in OWN.items() for problem in those]
)
def test_every_question_is_found_as_it_stands(benchmark: str, problem: Problem) -> None:
    assert found(problem.statement) == (benchmark, problem.id, "whole")


@pytest.mark.parametrize("text", [TRAM, SUM, FRACTION, *CONTEST, CODE])
def test_a_question_inside_a_long_text(text: str) -> None:
    leak = QUESTIONS.inside(f"{TALK * 20}\n> {text}\n{TALK * 20}")
    assert leak is not None
    assert leak.rule == "whole"
    assert leak.share == 1


def test_how_short_a_question_may_be() -> None:
    assert found("what is 3+4") == ("ours", "3", "whole")
    assert found(f"Tom asks: {SHORT}") is None
    assert found(f"Spiders are arachnids. {LEGS} Explain.") == ("ours", "2", "whole")
    assert found(f"I read: {LEGS}", statement=False) is None
    assert found(f"I read: {SUM} So", statement=False) == ("ours", "1", "whole")


@pytest.mark.parametrize(
    "text", ["What is 3 - 4?", "What is 3 + 5?", "What is 3 + 4 + 5?", "What is 34?", SUM.replace("17", "19"),
             LEGS.replace("nine", "six")]
)  # fmt: skip
def test_of_a_short_question_the_numbers_matter(text: str) -> None:
    assert found(text) is None


def test_a_run_of_thirteen_words() -> None:
    run = "a tram that leaves the depot at noon with 35 people. At each"
    assert found(f"{TALK}{run} {TALK}") == ("ours", "0", "run")
    assert found(f"{TALK}{run} {TALK}", statement=False) == ("ours", "0", "run")
    assert found(f"{TALK}{run.removesuffix(' each')} {TALK}") is None
    assert Questions(OWN, 12).inside(run.removesuffix(" each")) is not None
    assert found(f"{TALK}{run.replace('35', '36')} {TALK}") is None


def test_what_several_questions_end_with_is_no_leak() -> None:
    assert found(f"The ratio of the two speeds can be written as m/n, {ENDING}") is None
    alone = Questions({"contest": OWN["contest"][:1]}, 13)
    assert alone.in_statement(f"The ratio of the two speeds can be written as m/n, {ENDING}") is not None


def test_a_question_in_two_benchmarks_is_still_its_own() -> None:
    again = {"first": [Problem("a", TRAM)], "second": [Problem("b", TRAM), Problem("c", TRAM.replace("tram", "bus"))]}
    run = "leaves the depot at noon with 35 people. At each of the next 2 stops"
    leak = Questions(again, 13).inside(f"{TALK}{run} {TALK}")
    assert leak is not None
    assert (leak.benchmark, leak.problem) == ("first", "a")


def test_a_run_of_numbers_is_no_leak() -> None:
    counted = Questions(
        {"x": [Problem("a", "Add up 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 and say it.")]}, 13
    )
    assert counted.inside("I count: 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15.") is None


@pytest.mark.parametrize("change", [
    lambda text: re.sub("Wilma", "Aurelio", text).replace("she", "he"),
    lambda text: re.sub(r"\d+", lambda n: str(int(n[0]) * 3 + 1), text),
    lambda text: re.sub("Wilma", "Mr. Okonkwo", re.sub(r"\d+", "some 44", text)),
    lambda text: text.replace("people", "passengers").replace("12", "twelve").replace("2 stops", "two stops"),
    lambda text: text.replace("Wilma", "**Wilma**").replace("35", "*41*"),
    lambda text: text.replace("noon", "eight in the morning").replace("35", "90").replace("tram", "bus"),
])  # fmt: skip
def test_other_names_and_numbers(change) -> None:
    for statement in (True, False):
        leak = found(change(TRAM), statement=statement)
        assert leak is not None
        assert leak[:2] == ("ours", "0")
    assert found(f"{TALK * 9}{change(TRAM)} {TALK * 9}", statement=False)[:2] == ("ours", "0")


def test_a_question_of_few_words_is_known_by_its_numbers() -> None:
    asked = Questions({"x": [Problem("a", "Each of 8 boxes holds 7 cups from Delft. How many cups in total?")]}, 13)
    renamed = asked.in_statement("Each of 8 boxes holds 7 jars from Delft. How many jars in total?")
    assert renamed is not None
    assert renamed.rule == "alike"
    assert asked.in_statement("Each of 12 boxes holds 7 jars from Delft. How many jars in total?") is None


def test_another_question_of_the_same_kind_is_clean() -> None:
    assert (
        found("A bus has 40 seats. At the first stop 12 people get on, at the second 5 get off. How many sit?") is None
    )
    assert found("Simplify $\\frac{5}{6} \\cdot (y - 2)$ and write the answer without brackets.") is None
    assert found("Write a function to find the largest cell of a table.") is None


TRICKS = {
    "line breaks": lambda text: text.replace(" ", " \n\t"),
    "no-break and thin spaces": lambda text: text.replace(" ", "\u00a0\u2009"),
    "zero width": lambda text: re.sub(r"(?<=[a-z])(?=[a-z])", "\u200b\u2060", text),
    "soft hyphens": lambda text: re.sub(r"(?<=[a-z]{2})(?=[a-z]{2})", "\u00ad", text),
    "Cyrillic": lambda text: text.translate(str.maketrans("aceopxyWHTM", "асеорхуWНТМ")),
    "Greek": lambda text: text.translate(str.maketrans("ovT", "ονΤ")),
    "mathematical letters": lambda text: re.sub("[a-z]", lambda c: chr(0x1D41A + ord(c[0]) - 97), text),
    "fullwidth": lambda text: re.sub("[A-Za-z0-9]", lambda c: chr(ord(c[0]) + 0xFEE0), text),
    "struck through": lambda text: re.sub("([a-z])", "\\1\u0336", text),
    "accents": lambda text: text.replace("e", "é").replace("u", "ü"),
    "upper case": str.upper,
    "tags": lambda text: text + "".join(chr(0xE0000 + ord(c)) for c in "hidden"),
    "direction": lambda text: f"\u202a{text}\u202c",
}


@pytest.mark.parametrize("name", TRICKS)
def test_tricks_of_unicode(name: str) -> None:
    for number, text in enumerate((TRAM, SUM)):
        assert found(TRICKS[name](text)) == ("ours", str(number), "whole")


@pytest.mark.parametrize("text", [
    FRACTION.replace("\\frac", "\\dfrac").replace("\\cdot", "\\times"),
    FRACTION.replace("\\left(", "\\bigl( ").replace("\\right)", "\\, \\bigr)"),
    FRACTION.replace("{3}{4}", "{ 3 } { 4 }").replace("x^2", "x^{2}").replace("+", "\\,+\\;"),
    FRACTION.replace("$", "\\(", 1).replace("$", "\\)", 1).replace("Simplify", "\\textbf{Simplify}"),
    FRACTION.replace("\\cdot", "·").replace("$", "$$"),
])  # fmt: skip
def test_the_layout_of_a_formula(text: str) -> None:
    assert found(text) is not None
    assert found(text)[:2] == ("ours", "4")


def test_prose_and_program_of_a_question_stand_for_themselves() -> None:
    prose, program = CODE.partition("\n\n")[0], CODE.partition("```python\n")[2].partition("\n```")[0]
    assert found(f"Hello. {prose} Thanks.") == ("code", "widest", "whole")
    assert found(program) == ("code", "widest", "whole")
    assert found("It must pass these tests:") is None


def test_a_leak_says_where() -> None:
    text = f"{TALK}\n\n{TRAM.upper()}\n\n{TALK}"
    leak = QUESTIONS.inside(text)
    assert leak == Leak("ours", "0", "whole", 1.0, TRAM, (len(TALK) + 2, len(TALK) + 2 + len(TRAM)))
    renamed = f"{TALK}{TRAM.replace('Wilma', 'Rosa').replace('35', '47').replace('12', '13')} {TALK}"
    leak = QUESTIONS.inside(renamed)
    assert leak is not None
    assert leak.rule == "alike"
    assert 0.6 < leak.share < 1
    start, end = leak.ours
    assert renamed[start:end].startswith("drives a tram that")
    assert renamed[start:end].endswith("the second stop?")


ANY = st.text(st.characters(codec="utf-8"), max_size=60)
WORDS = st.lists(st.text("abcdefghijklmnopqrstuvwxyz", min_size=2, max_size=7), min_size=8, max_size=40)


@settings(deadline=None)
@given(
    words=WORDS,
    before=ANY,
    after=ANY,
    spaces=st.lists(st.sampled_from([" ", "\n", "\t ", ", ", " \u200b"]), min_size=40, max_size=40),
)
@example(words=["ab"] * 8, before="", after="", spaces=[" "] * 40)
def test_a_planted_question_is_always_found(words: list[str], before: str, after: str, spaces: list[str]) -> None:
    questions = Questions({"x": [Problem("asked", " ".join(words)), *OWN["ours"]]}, 13)
    planted = "".join(word + space for word, space in zip(words, spaces, strict=False))
    leak = questions.inside(f"{before} . {planted} . {after}")
    assert leak is not None
    assert leak.rule == "whole"


@settings(deadline=None, max_examples=30)
@given(numbers=st.lists(st.integers(0, 999), min_size=2, max_size=60, unique=True), data=st.data())
def test_of_many_questions_of_one_kind_each_is_found(numbers: list[int], data: st.DataObject) -> None:
    kind = "Gustav buys {} apples at the market and eats 3 of them on his way home. How many are left?"
    questions = Questions({"x": [Problem(str(n), kind.format(n)) for n in numbers]}, 13)
    asked = data.draw(st.sampled_from(numbers))
    assert questions.inside(f"{TALK} {kind.format(asked)} {TALK}")[1] == str(asked)


@settings(deadline=None)
@given(text=ANY)
def test_any_text_can_be_looked_through(text: str) -> None:
    for leak in (QUESTIONS.in_statement(text), QUESTIONS.inside(text)):
        assert leak is None or 0 <= leak.ours[0] <= leak.ours[1] <= len(text)
