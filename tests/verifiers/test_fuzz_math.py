"""Random and hostile strings through extraction, parsing and comparison: no exception, no hang, flat memory.

Verdicts are taken in process, so an exception would surface. A response is random pieces of what answers are made of,
a mutated answer of the labelled set, or any text at all; it stands before a usable gold, or is the gold itself.
"""

import gc
import json
import os
import resource
import runpy
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tracegen.records import Problem, Verdict
from tracegen.verifiers.math import math, warm

ROOT = Path(__file__).parents[2]
HOSTILE: dict[str, str] = runpy.run_path(str(ROOT / "scripts" / "hostile.py"))["HOSTILE"]
SLOWEST = 2.0
"""Seconds of this process that no verdict may take: a busy machine is no hang."""
GROWTH = 64 * 2**20
"""Bytes that the process may grow by while it judges; caches are bounded and were filled before."""
GOLDS = ("42", r"\frac{3}{4}", r"2\sqrt{5}", "x^2 - 1", "(1, 2)", r"\{1, 2\}", "[0, 5)", "x > 3", r"35\%", "5 cm", "B")

ANSWERS_ARE_MADE_OF = r"""
\frac \dfrac \sqrt \sqrt[3] \boxed \text \mathrm \mathbf \left( \right) \left[ \right] \{ \} \cdot \times \div
\pm \mp \pi \infty \cup \cap \in \le \ge \ne < > = != ** ^ _ + - * / ( ) [ ] { } | ! , ; : . \, \! \; \quad ~
& \\ $ $$ \( \) \[ \] # #### \begin{pmatrix} \end{pmatrix} \begin{cases} \end{cases} \begin{array}{cc}
\end{array} \binom \sum \int \lim \prod \log \ln \sin \cos \tan \arctan \overline \angle ^\circ ° % \% € £ \$
0 1 2 3 7 10 42 100 1000 12345 1,234 0.5 .25 3.14159 1e9 1/2 ½ √ ² ³ ⁻ ₁ π ∞ ∪ ∈ ≤ ≥ ≠ − × · x y z n i e I oo
a b f(x) sqrt( Rational( Matrix([[ ]]) pi Eq( Abs( {1,2} (1,2) [0,1) x^2 x= cm km m/s kg hours dollars percent
degrees and or is the answer The Answer: answer: Final ** <think> </think> <answer> </answer> True None no
solution July 4, 1776 12:30 3:00 PM base 答案是 Ответ: ответ ٤٢ ४२ １２ 42。 （B） (A) B.
"""
PIECES = [*ANSWERS_ARE_MADE_OF.split(), " ", "\u200b", "\u202e", "\x00"]


def judged(gold: str, response: str) -> Verdict:
    began = time.process_time()
    verdict = math(Problem("p", "?", answer=gold), response)
    seconds = time.process_time() - began
    assert isinstance(verdict, Verdict)
    assert verdict.outcome in ("right", "wrong", "unverifiable", "error")
    assert seconds < SLOWEST, f"{seconds:.1f} s for gold {gold[:80]!r}, response {response[:80]!r}"
    return verdict


def assembled(random: Random) -> str:
    """Pieces of answers, some of them joined without a space."""
    pieces = random.choices(PIECES, k=random.choice((1, 2, 3, 5, 8, 13, 21, 55)))
    return "".join(piece + random.choice(("", "", " ", "{", "}")) for piece in pieces)


def mutated(random: Random, answers: list[str]) -> str:
    """A real answer with characters dropped, doubled, swapped, or with a part of another put in."""
    text = list(random.choice(answers))
    for _ in range(random.randint(1, 4)):
        at = random.randrange(len(text) + 1)
        change = random.randrange(4)
        if change == 0:
            text[at : at + random.randint(1, 4)] = []
        elif change == 1:
            text[at:at] = text[at : at + random.randint(1, 8)] * random.choice((1, 1, 2, 30))
        elif change == 2:
            text[at:at] = random.choice(PIECES)
        else:
            other = random.choice(answers)
            start = random.randrange(len(other) + 1)
            text[at:at] = other[start : start + random.randint(1, 12)]
    return "".join(text)


def noise(random: Random) -> str:
    """Any characters at all, the unassigned ones and lone surrogates too."""
    return "".join(chr(random.randrange(random.choice((128, 0x3000, 0x110000)))) for _ in range(random.randint(0, 60)))


def cases(count: int, seed: int) -> Iterator[tuple[str, str]]:
    """Golds and responses; deterministic, so that a failure can be found again by its seed."""
    random = Random(seed)
    lines = (ROOT / "data" / "verifier_math.jsonl").read_text(encoding="utf-8").splitlines()
    answers = [row[side] for row in map(json.loads, lines) for side in ("gold", "pred") if 0 < len(row[side]) < 200]
    makers: tuple[Callable[[], str], ...] = (
        lambda: assembled(random),
        lambda: mutated(random, answers),
        lambda: mutated(random, answers),
        lambda: noise(random),
    )
    for number in range(count):
        response = random.choice(makers)()
        if random.random() < 0.3:
            response = rf"\boxed{{{response}}}"
        golds = (random.choice(GOLDS), random.choice(answers), response, random.choice(makers)())
        yield golds[number % len(golds)], response


def held() -> int:
    """Bytes of memory that this process holds."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.fixture(autouse=True, scope="module")
def _limits() -> Iterator[None]:
    """What the judge gives a worker: a hostile string must not fall back on more memory than that."""
    before = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (4 * 2**30, before[1]))
    warm()
    yield
    resource.setrlimit(resource.RLIMIT_DATA, before)


def failures(count: int, seed: int) -> list[str]:
    found = []
    for gold, response in cases(count, seed):
        try:
            judged(gold, response)
        except Exception as error:  # noqa: BLE001 (all of them are wanted, not only the first)
            found.append(f"{type(error).__name__}: {str(error)[:60]} for gold {gold!r}, response {response!r}")
    return sorted(found, key=len)


def test_a_few_thousand_strings() -> None:
    assert failures(3000, seed=1) == []


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_strings_are_answered_and_not_right(name: str) -> None:
    text = HOSTILE[name]
    for gold in ("42", r"\frac{x^2+1}{\sqrt{x}}"):
        assert judged(gold, text).outcome != "right"
    judged(text, text)
    assert judged(text, "42").outcome != "right"


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(gold=st.sampled_from(GOLDS), response=st.text(max_size=200))
def test_any_text(gold: str, response: str) -> None:
    judged(gold, response)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(pieces=st.lists(st.sampled_from(PIECES), min_size=1, max_size=20), glue=st.sampled_from(["", " "]))
def test_any_pieces_before_themselves(pieces: list[str], glue: str) -> None:
    text = glue.join(pieces)
    judged(text, text)
    judged("42", rf"\boxed{{{text}}}")


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    opening=st.sampled_from(
        ["(", "{", "[", "|", r"\frac{", r"\sqrt{", "^{", r"\left(", "-", "√", r"\text{", "<answer>"]
    ),
    times=st.integers(1, 3000),
    closed=st.booleans(),
)
def test_any_depth(opening: str, times: int, closed: bool) -> None:
    closing = {"(": ")", "{": "}", "[": "]"}.get(opening[-1], "") if closed else ""
    judged("42", opening * times + "7" + closing * times)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_a_hundred_thousand_strings_in_flat_memory() -> None:
    found = failures(5_000, seed=2)  # fills caches
    before = held()
    found += failures(100_000, seed=3)
    grown = held() - before
    assert found == []
    assert grown < GROWTH, f"{grown / 2**20:.0f} MiB more after 100,000 strings"
