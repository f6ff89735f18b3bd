"""Questions that somebody, or a careless tool, has changed: what is found, what is missed, what is innocent."""

import re
from collections.abc import Callable

import pytest

from tracegen.leaks import Questions
from tracegen.records import Problem

BAKERY = (
    "A bakery in Oslo sells 48 cinnamon rolls each morning and 36 in the afternoon. If every roll costs 3 dollars and "
    "the bakery is closed on two days of each week, how many dollars does it take in during one week?"
)
TANK = (
    "A water tank holds 960 litres when it is full. A pump empties it at 24 litres per minute while a hose fills it at "
    "9 litres per minute. How many minutes pass until the full tank is empty?"
)
CUBIC = r"Let $f(x) = x^3 - 6x^2 + 11x - 6$. Find the sum of the squares of all real roots of the equation $f(x) = 0$."
FRACTIONS = r"Evaluate $\frac{7}{12} + \frac{5}{18} - \frac{1}{36}$ and give the result as a fraction in lowest terms."
RATIO = r"For which $x$ is $\frac{x+1}{x-2} \le 3$ and $\sqrt{x} \ge \pi$ at the same time, if at all?"
CARDS = (
    "Two cards are drawn without replacement from a standard deck of 52 cards. What is the probability that both of "
    "them are hearts or that both of them are kings?"
)
PRIMES = "How many primes lie between 40 and 70?"
LEGS = "How many legs do nine spiders have?"
TINY = "Compute 17 * 23."
TRAIN = (
    "A train leaves Lyon at 8:15 with 240 passengers. In Dijon a third of them leave and 55 board; in Paris half of "
    "those aboard leave. How many passengers are still on the train after Paris?"
)
MIXTURE = (
    "Which of the following techniques would best distinguish a racemic mixture from a single enantiomer of the same "
    "compound? (A) mass spectrometry (B) polarimetry (C) infrared spectroscopy (D) melting point of the solvent"
)
AGES = (
    "Priya is four times as old as her nephew. In six years she will be only three times as old as he is then. How old "
    "is Priya now?"
)
RUNNER_UP = (
    "Write a function to return the second largest distinct value of a list, or None when there is no such value.\n\n"
    "Your code should pass these tests:\n\n```python\nassert runner_up([4, 9, 9, 2]) == 4\n"
    "assert runner_up([5]) is None\n```"
)
MEDIANS = (
    'def rolling_median(values, width):\n    """Return the median of every window of `width` consecutive values.\n'
    "    The list is empty if there are fewer values than that.\n    >>> rolling_median([1, 9, 4, 4], 3)\n    [4, 4]\n"
    '    """\n'
)
ASKED = [BAKERY, TANK, CUBIC, FRACTIONS, RATIO, CARDS, PRIMES, LEGS, TINY, TRAIN, MIXTURE, AGES, RUNNER_UP, MEDIANS]
QUESTIONS = Questions({"ours": [Problem(text, text) for text in ASKED]}, 13)
TALK = "I should think about this with care. First I restate what has been asked, and then see which facts I can use. "


def sentences(*order: int) -> Callable[[str], str]:
    return lambda text: " ".join(re.split(r"(?<=[.?]) ", text)[place] for place in order)


def said(**words: str) -> Callable[[str], str]:
    return lambda text: re.sub(r"[^\W_]+", lambda word: words.get(word[0], word[0]), text)


def digits(zero: str) -> Callable[[str], str]:
    return lambda text: re.sub(r"\d", lambda digit: chr(ord(zero) + int(digit[0])), text)


def filler(every: int) -> Callable[[str], str]:
    return lambda text: " ".join(w + " um" * (n % every == 0) for n, w in enumerate(text.split(), 1))


def plain(text: str) -> str:
    text = re.sub(r"\\frac{(\d+)}{(\d+)}", r"\1/\2", text.replace("$", ""))
    text = re.sub(r"\\frac{(.+?)}{(.+?)}", r"(\1)/(\2)", text)
    return text.replace(r"\sqrt{x}", "√x").replace(r"\le", "≤").replace(r"\ge", "≥").replace(r"\pi", "π")


FOUND = {
    "sentences in another order": (TANK, sentences(2, 0, 1)),
    "a sentence left out": (TANK, sentences(1, 2)),
    "a sentence put in": (TANK, lambda text: text.replace("A pump", "It stands behind a house and is old. A pump")),
    "every sixth word filler": (BAKERY, filler(6)),
    "numbers spelt out": (BAKERY, said(**{"48": "forty-eight", "36": "thirty-six", "3": "three", "two": "2"})),
    "hundreds spelt out": (TANK, said(**{"960": "nine hundred and sixty", "24": "twenty-four", "9": "nine"})),
    "a number in digits": (LEGS, said(nine="9")),
    "fractions without LaTeX": (FRACTIONS, plain),
    "a formula without LaTeX": (RATIO, plain),
    "powers of Unicode": (CUBIC, lambda text: text.replace("^3", "³").replace("^2", "²")),
    "numbers in LaTeX": (BAKERY, lambda text: re.sub(r"(\d+)", r"$\1$", text)),
    "Arabic digits": (PRIMES, digits("٠")),
    "Devanagari digits": (TINY, digits("०")),
    "fullwidth digits": (PRIMES, digits("０")),
    "homoglyphs, zero width": (CARDS, lambda text: "\u200b".join(text).replace("a", "а").replace("e", "е")),
    "HTML": (CARDS, lambda text: f"<p>{text}</p>".replace(" ", "&nbsp;").replace("hearts", "<b>hearts</b>")),
    "escaped HTML": (RATIO, lambda text: plain(text).replace("≤", "&lt;=").replace("≥", "&ge;")),
    "Markdown": (CARDS, lambda text: "> " + text.replace("without", "**without**").replace(" deck", " deck\n> ")),
    "underscores for spaces": (CARDS, lambda text: text.replace(" ", "_")),
    "hyphens at the end of lines": (BAKERY, lambda text: text.replace("cinnamon", "cin-\nnamon")),
    "other places and numbers": (TRAIN, said(Lyon="Leeds", Dijon="Bath", Paris="York", **{"240": "310", "55": "4"})),
    "other persons": (AGES, said(Priya="Omar", her="his", nephew="niece", she="he", he="she", six="8", four="five")),
    "choices in another order": (MIXTURE, said(mass="infrared", infrared="mass")),
    "the words of a program's question": (RUNNER_UP, lambda text: text.partition("\n")[0]),
    "its tests": (RUNNER_UP, lambda text: text.split("```")[1].removeprefix("python")),
    "another function, other tests": (RUNNER_UP, said(runner="second", up="best", **{"4": "7", "9": "8"})),
    "variables renamed": (MEDIANS, lambda text: said(values="v", width="k")(text.replace("rolling_median", "medians"))),
    "half of it": (CARDS, lambda text: text[: len(text) // 2]),
}  # fmt: skip
MISSED = {
    "every third word filler": (BAKERY, filler(3)),
    "letters spaced out": (PRIMES, " ".join),
    "a very short question with a word before it": (TINY, lambda text: f"Please {text.lower()}"),
    "brackets that change nothing": (FRACTIONS, lambda text: re.sub(r"(\d+/\d+)", r"(\1)", plain(text))),
    "other words": (
        BAKERY,
        lambda text: "Each morning a shop in Oslo sells 48 buns and 36 more later in the day, at 3 dollars apiece. It "
        "shuts two days a week. What is its weekly income?",
    ),
}  # fmt: skip
INNOCENT = r"""
A bakery sells bread in the morning and cake in the afternoon. How much flour does it need in one week?
If every ticket costs 3 dollars and 84 are sold each day, how many dollars are taken in during five days?
How many dollars does a shop take in during one week if it sells 40 rolls a day at 2 dollars each?
A water tank holds 500 litres. How long does it take a tap with 20 litres per minute to fill it?
A pump fills a pool at 30 litres per minute and a leak loses 5 litres per minute. How long until 1000 litres are in it?
How many minutes pass until a full bathtub of 150 litres is empty when 15 litres drain per minute?
Let $f(x) = x^2 - 5x + 6$. Find the roots of $f(x) = 0$.
Let $g(x) = x^3 - 3x + 1$. Find the product of all real roots of $g$.
Find the sum of the squares of all integers from 1 to 12.
The sum of the squares of the first ten natural numbers is what?
Evaluate $\frac{1}{2} + \frac{1}{3}$.
Evaluate $\frac{2}{3} \cdot \frac{9}{4}$ and give the result in lowest terms.
Give the result as a fraction in lowest terms: $0.375$.
For which $x$ is $\frac{x+1}{x-3} \ge 2$?
Two cards are drawn from a deck. What is the probability that both are red?
A card is drawn from a standard deck of 52 cards. What is the probability that it is a heart or a king?
What is the probability that both of them are late if each is late with probability one third?
How many primes lie between 10 and 40?
How many multiples of 7 lie between 40 and 70?
How many legs do eight spiders have?
Compute 17 * 24.
Compute 23 * 17 + 1.
What is 17 + 23?
A train leaves Bern at 9:00 and arrives at 11:30. How long is the journey?
A bus leaves with 30 passengers. At the first stop 5 leave and 8 board. How many are on the bus?
Which technique gives the molecular mass of a compound? (A) mass spectrometry (B) polarimetry (C) infrared spectroscopy
Which of the following best describes a racemic mixture? (A) equal parts of two enantiomers (B) one enantiomer
Tom is twice as old as his sister. In five years their ages add up to 40. How old is Tom now?
Maria is 30 years older than her son. How old is she when he is twelve?
Write a function to return the largest value of a list.
Write a function to return the second smallest distinct value of a tuple, or raise ValueError when there is none.
Write a function that returns None when a list is empty. Your code should pass these tests: assert first([]) is None
def rolling_sum(values): "Return the sum of all values."
def moving_average(values, width): "Return the mean of each window of a list. >>> moving_average([1, 3], 2) [2]"
""".strip().splitlines()


@pytest.mark.parametrize("name", FOUND)
def test_what_is_found(name: str) -> None:
    question, change = FOUND[name]
    text = change(question)
    assert text != question
    leak = QUESTIONS.in_statement(text)
    assert leak is not None
    assert leak.problem == question


@pytest.mark.parametrize("name", [name for name, (question, _) in FOUND.items() if question not in (LEGS, TINY)])
def test_what_is_found_in_the_reasoning(name: str) -> None:
    question, change = FOUND[name]
    leak = QUESTIONS.inside(f"{TALK * 5}\n{change(question)}\n{TALK * 5}")
    assert leak is not None
    assert leak.problem == question


@pytest.mark.parametrize("name", MISSED)
def test_what_is_missed_stands_among_the_limits(name: str) -> None:
    question, change = MISSED[name]
    assert QUESTIONS.in_statement(change(question)) is None


@pytest.mark.parametrize("text", INNOCENT)
def test_what_is_innocent(text: str) -> None:
    assert QUESTIONS.in_statement(text) is None
    assert QUESTIONS.inside(f"{TALK}{text} {TALK}") is None
