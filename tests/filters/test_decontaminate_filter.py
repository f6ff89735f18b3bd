"""Long runs in common with a benchmark are found in every part; chance is not taken for it."""

import tracemalloc
from collections.abc import Iterator

import pytest

from tracegen.filters.decontaminate import decontaminate
from tracegen.records import Problem, Trace, UsageError

LONG = "A tram leaves the depot at noon with 35 people, and 12 of them get off at each of the next two stops."
SIX = "How many legs do nine spiders have?"
SHORT = "What is 3 + 4?"


def reason(
    statement: str, reasoning: str = "", response: str = "", *, held_out: str = LONG, **options: int
) -> str | None:
    trace = Trace("k", "p", "t", 0, (), reasoning, response, "complete", "stop", 9)
    benchmarks = {"ours": [Problem("x", held_out)]}
    [(_, found)] = decontaminate([trace], problems={"p": Problem("p", statement)}, benchmarks=benchmarks, **options)
    return found


def test_a_run_of_thirteen_words_in_any_part() -> None:
    run = "noon with 35 people and 12 of them get off at each of"
    assert reason(run) == "ours"
    assert reason("?", f"I read: {run} ...") == "ours"
    assert reason("?", "", f"I read: {run} ...") == "ours"
    assert reason(run.replace("12", "13")) is None
    assert reason(run.removesuffix(" of")) is None
    assert reason(run.removesuffix(" of"), ngram=12) == "ours"


def test_case_punctuation_and_spacing_do_not_matter() -> None:
    assert reason(LONG.upper().replace(",", " --").replace(" ", "\n ")) == "ours"
    assert reason("Compute 1,000 − 3.5×2.", held_out="compute 1000 - 3.5 * 2") == "ours"


@pytest.mark.parametrize(
    "other", ["What is 3 - 4?", "What is 3 + 5?", "What is 3 + 4 + 5?", "What is 34?", "What is (3 + 4)?"]
)
def test_numbers_and_operators_matter(other: str) -> None:
    assert reason(other, held_out=SHORT) is None


def test_a_very_short_benchmark_problem_has_to_be_the_statement() -> None:
    assert reason("what is 3+4", held_out=SHORT) == "ours"
    assert reason(f"Tom asks: {SHORT}", held_out=SHORT) is None


def test_a_short_benchmark_problem_has_to_stand_whole_in_the_statement() -> None:
    assert reason(f"Spiders are arachnids. {SIX} Explain.", held_out=SIX) == "ours"
    assert reason("How many legs do eight spiders have?", held_out=SIX) is None
    assert reason("?", SIX, SIX, held_out=SIX) is None


def test_the_reason_is_the_benchmarks_name() -> None:
    benchmarks = {"first": [Problem("x", SIX)], "second": [Problem("x", LONG), Problem("y", SHORT)], "third": []}
    problems = {text: Problem(text, text) for text in (SIX, LONG, SHORT, "Something else entirely")}
    traces = [Trace("k", text, "t", 0, (), "", "", "complete", "stop", 9) for text in problems]
    found = [name for _, name in decontaminate(traces, problems=problems, benchmarks=benchmarks)]
    assert found == ["first", "second", "second", None]
    assert all(name is None for _, name in decontaminate(traces, problems=problems, benchmarks={}))


def test_memory_does_not_grow_with_the_stream() -> None:
    def stream(count: int) -> Iterator[Trace]:
        for n in range(count):
            text = " ".join(str(n * 100 + word) for word in range(100))
            yield Trace(str(n), "p", "t", n, (), text, "", "complete", "stop", 9)

    def peak(count: int) -> int:
        tracemalloc.start()
        problems, benchmarks = {"p": Problem("p", SIX)}, {"ours": [Problem("x", LONG)]}
        assert all(name is None for _, name in decontaminate(stream(count), problems=problems, benchmarks=benchmarks))
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size

    # The words of one trace take 5 kB; the interpreter keeps some 0.3 MB of freed tuples for itself.
    assert peak(1000) < 1_000_000


def test_runs_that_are_too_short() -> None:
    with pytest.raises(UsageError, match="from 8 up"):
        reason("?", ngram=4)
