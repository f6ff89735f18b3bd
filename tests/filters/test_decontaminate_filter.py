"""Long runs in common with a benchmark are found in every part; chance is not taken for it."""

import json
import tracemalloc
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy
import pytest

from tracegen.curate import check_filters
from tracegen.filters.decontaminate import decontaminate
from tracegen.records import Problem, Trace, UsageError

LONG = "A tram leaves the depot at noon with 35 people, and 12 of them get off at each of the next two stops."
SIX = "How many legs do nine spiders have?"
SHORT = "What is 3 + 4?"


def reason(
    statement: str, reasoning: str = "", response: str = "", *, held_out: str = LONG, **options: Any
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


@pytest.mark.parametrize("against", [["gsm8k", "gsm9k"], ["gym"]])
def test_what_is_no_benchmark_is_refused_before_the_run(against: list[str]) -> None:
    with pytest.raises(UsageError, match=r"gsm9k.*gsm8k|'gym' needs the option"):
        reason("?", against=against)


@pytest.mark.parametrize("part", ["statement", "reasoning", "response"])
def test_the_evidence_shows_both_sides(part: str) -> None:
    said = {"statement": "?", "reasoning": "", "response": ""} | {part: f"So: {LONG.replace('35', '36')} Yes."}
    trace = Trace("k", "p", "t", 0, (), said["reasoning"], said["response"], "complete", "stop", 9)
    problems, benchmarks = {"p": Problem("p", said["statement"])}, {"ours": [Problem("x", LONG)]}
    noted: list[tuple[Trace, Mapping[str, Any]]] = []
    list(decontaminate([trace], problems=problems, benchmarks=benchmarks, note=lambda *pair: noted.append(pair)))
    [(about, evidence)] = noted
    assert about is trace
    assert {name: evidence[name] for name in ("benchmark", "problem", "rule", "part")} == {
        "benchmark": "ours",
        "problem": "x",
        "rule": "run",
        "part": part,
    }
    assert evidence["theirs"] == LONG[LONG.index("people") :]
    assert said[part][evidence["start"] : evidence["end"]] == evidence["ours"] == evidence["theirs"]
    json.dumps(evidence)


def test_an_embedding_model_finds_what_means_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    told = "At midday 35 passengers sit in a streetcar. At both of its next halts a dozen of these leave it."
    vectors = {LONG: (1.0, 0.0), SIX: (0.0, 1.0), told: (0.96, 0.28), "Else?": (0.6, 0.8)}

    def embedder(model: str) -> Callable[[Sequence[str]], numpy.ndarray]:
        assert model == "a/model"
        return lambda texts: numpy.array([vectors[text] for text in texts])

    monkeypatch.setattr("tracegen.embeddings.embedder", embedder)
    problems = {text: Problem(text, text) for text in (told, "Else?")}
    traces = [Trace("k", text, "t", 0, (), "", "", "complete", "stop", 9) for text in problems]
    benchmarks = {"a": [Problem("x", SIX)], "b": [Problem("y", LONG)]}
    noted: list[Mapping[str, Any]] = []

    def found(**options: Any) -> list[str | None]:
        out = decontaminate(
            traces, problems=problems, benchmarks=benchmarks, note=lambda trace, what: noted.append(what), **options
        )
        return [name for _, name in out]

    assert found() == [None, None]
    assert found(semantic="a/model") == ["b", None]
    assert noted[0]["rule"] == "semantic"
    assert (noted[0]["problem"], noted[0]["share"], noted[0]["theirs"]) == ("y", 0.96, LONG)
    assert found(semantic="a/model", semantic_near=0.99) == [None, None]
    assert found(semantic="a/model", semantic_near=0.7) == ["b", None], "a short question needs its numbers"


def test_a_model_decides_by_its_vectors_and_is_looked_for_before_the_run(tiny_model: Path) -> None:
    asked, told = "Who owns the zebra?", "whose is that zebra, then"
    noted: list[Mapping[str, Any]] = []
    for near, found in ((1.0, None), (0.01, "ours")):
        options = {"semantic": str(tiny_model), "semantic_near": near, "note": lambda trace, what: noted.append(what)}
        assert reason(told, held_out=asked, **options) == found
    assert (noted[0]["rule"], noted[0]["theirs"], noted[0]["ours"]) == ("semantic", asked, told)
    with pytest.raises(UsageError, match="there is no model folder"):
        check_filters({"decontaminate": {"semantic": "./nowhere"}})
