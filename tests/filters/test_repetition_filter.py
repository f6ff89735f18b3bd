"""Loops are found, however short the unit; what merely repeats itself is not."""

import time
from random import Random
from typing import Any

import pytest

from tracegen.filters.repetition import repetition
from tracegen.records import Trace, UsageError

PROSE = "First we add the two numbers that were given, then we halve the sum, and so the answer has to be right."


def reason(reasoning: str, response: str = "4", **options: int) -> str | None:
    [(_, found)] = repetition([Trace("k", "p", "t", 0, (), reasoning, response, "complete", "stop", 9)], **options)
    return found


@pytest.mark.parametrize(
    "unit", ["ha", "so ", "9", "The answer is 4.\n", "Wait. ", "Step 3: add 4 and 5 to get 9. ", "再想"]
)
def test_a_loop_at_the_end(unit: str) -> None:
    assert reason(f"{PROSE} {unit * 80}") == "loop"
    assert reason(PROSE, f"{PROSE} {unit * 80}") == "loop"
    assert reason(f"{PROSE} {unit * 80}{unit[: len(unit) // 2]}") == "loop"


@pytest.mark.parametrize(
    "text",
    [
        PROSE,
        f"{PROSE} {PROSE}",
        "1/3 = 0.33333333333333",
        "\n".join(f"{n} + {n + 1} = {2 * n + 1}" for n in range(200)),
        "no no no, again",
        "",
    ],
)
def test_no_loop(text: str) -> None:
    assert reason(text) is None
    assert reason("", text) is None


def test_the_same_run_more_than_twenty_times() -> None:
    def often(times: int) -> str:
        return " ".join(f"{PROSE} Case {n}." for n in range(times))

    assert reason(often(20)) is None
    assert reason(often(21)) == "ngram"


def test_what_is_noted() -> None:
    noted: list[Any] = []
    looping = f"{PROSE} {'Wait, no. ' * 40}"
    often = " ".join(f"{PROSE} Case {n}." for n in range(30))
    for text in (looping, often):
        trace = Trace("k", "p", "t", 0, (), text, "4", "complete", "stop", 9)
        list(repetition([trace], note=lambda _, said: noted.append(said)))
    assert sorted(noted[0]["unit"].split()) == sorted(["Wait", ",", "no", "."])
    assert noted[1]["times"] == 30
    assert len(noted[1]["run"].split()) == 20


def test_thresholds() -> None:
    looping = "a b c d e " * 3 + "a"
    assert reason(looping) is None
    assert reason(looping, loop_tokens=15) == "loop"
    assert reason(looping, loop_tokens=15, loops=4) is None


def test_long_traces_are_judged_quickly() -> None:
    began = time.perf_counter()
    reason("x " * 30_000 + "end")
    reason(" ".join(str(n % 7) for n in range(30_000)) + " end")
    assert time.perf_counter() - began < 5


def test_a_threshold_that_makes_no_sense() -> None:
    with pytest.raises(UsageError, match="loops at least 2"):
        list(repetition([], loops=1))


def test_a_long_trace_takes_no_longer_than_its_length() -> None:
    drawn = Random(1)
    text = " ".join(drawn.choice(["the", "end", "cat", "dog"]) for _ in range(100_000))
    began = time.process_time()
    assert reason(text, times=10_000) is None
    assert time.process_time() - began < 2
