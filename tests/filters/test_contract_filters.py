"""What every filter owes: each trace exactly once, in order, the same object, with a reason or None."""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from tracegen.records import Completion, Problem, Trace, Verdict
from tracegen.registry import bind, names, summary

TEXTS = [
    "", " ", "\n\n", "\0", "\ud800", "<think>", "a" * 5000, "ha " * 2000, "1" * 3000, "- + " * 2000, "(" * 3000,
    "```\n" * 500, "{}[]\\", "\u202e٣٫٥ ½ ﬁ ǅ", "思考" * 200, "e\u0301", "💥", "1,000,000.5.5", "_" * 200, "a-" * 999,
]  # fmt: skip
VERDICTS = [None, *(Verdict(outcome) for outcome in ("right", "wrong", "unverifiable", "error"))]
PROBLEMS = {str(n): Problem(str(n), text) for n, text in enumerate(TEXTS)}
BENCHMARKS = {
    "ours": [Problem("0", "What is 3 + 4?"), Problem("1", "word " * 30), Problem("2", "\n"), *PROBLEMS.values()]
}
TOKENIZER = Tokenizer(WordLevel({"?": 0}, unk_token="?"))
TOKENIZER.pre_tokenizer = Whitespace()


def make(number: int, reasoning: str, response: str) -> Trace:
    status = ("complete", "truncated", "no_reasoning", "malformed")[number % 4]
    return Trace(
        key=f"k{number}",
        problem_id=str(number % len(TEXTS)),
        teacher="ours",
        sample=number,
        prompt=({"role": "user", "content": "?"},),
        reasoning=reasoning,
        response=response,
        status=status,
        finish_reason="stop",
        tokens=number,
        verdict=VERDICTS[number % len(VERDICTS)],
    )


TRACES = [make(n, text, TEXTS[-n % len(TEXTS)]) for n, text in enumerate(TEXTS * 2)]


@pytest.fixture(params=names("filter"))
def function(request: pytest.FixtureRequest) -> Callable[..., Iterator[tuple[Trace, str | None]]]:
    return bound(request.param)


def bound(name: str) -> Callable[..., Iterator[tuple[Trace, str | None]]]:
    reserved: dict[str, Any] = {"problems": PROBLEMS, "benchmarks": BENCHMARKS, "tokenizer": TOKENIZER, "teachers": {}}

    def ask(*prompts: Any, repeats: int = 1) -> list[Completion]:
        return [Completion(text="SCORE ?: 5")] * len(prompts) * repeats

    return bind("filter", name, None, siblings=lambda trace: TRACES[:3], ask=ask, **reserved)


def test_the_shelf_is_not_empty() -> None:
    assert {"correct", "decontaminate", "dedup", "difficulty", "length", "repetition", "wellformed"} <= set(
        names("filter")
    )


def test_every_trace_once_in_order_as_it_is(function: Callable[..., Any]) -> None:
    pairs = list(function(iter(TRACES)))
    assert len(pairs) == len(TRACES)
    assert all(out is trace for (out, _), trace in zip(pairs, TRACES, strict=True))
    assert all(reason is None or (isinstance(reason, str) and reason) for _, reason in pairs)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.text(max_size=40), st.text(max_size=40)), max_size=5))
@pytest.mark.parametrize("name", names("filter"))
def test_any_text(name: str, texts: list[tuple[str, str]]) -> None:
    traces = [make(n, *pair) for n, pair in enumerate(texts)]
    assert [trace for trace, _ in bound(name)(iter(traces))] == traces


def test_an_empty_stream(function: Callable[..., Any]) -> None:
    assert list(function(iter(()))) == []


def test_closing_early(function: Callable[..., Any]) -> None:
    stream = function(iter(TRACES))
    assert len(list(islice(stream, 2))) == 2
    stream.close()
    assert list(stream) == []


def test_it_is_a_stream(function: Callable[..., Any]) -> None:
    pulled: list[Trace] = []
    next(iter(function(pulled.append(trace) or trace for trace in TRACES)))  # type: ignore[func-returns-value]
    assert len(pulled) < len(TRACES)


@pytest.mark.parametrize("name", names("filter"))
def test_a_line_for_the_list(name: str) -> None:
    assert summary("filter", name)
