"""What every filter owes: each trace exactly once, in order, the same object, with a reason or None.

What it says that it decides by is all that it goes by, and of the texts that went through it keeps none.
"""

import random
import tracemalloc
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from inspect import signature
from itertools import groupby, islice
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from tracegen.records import Completion, Problem, Trace, Verdict
from tracegen.registry import about, bind, load, names, summary

TEXTS = [
    "", " ", "\n\n", "\0", "\ud800", "<think>", "a" * 5000, "ha " * 2000, "1" * 3000, "- + " * 2000, "(" * 3000,
    "```\n" * 500, "{}[]\\", "\u202e٣٫٥ ½ ﬁ ǅ", "思考" * 200, "e\u0301", "💥", "1,000,000.5.5", "_" * 200, "a-" * 999,
]  # fmt: skip
VERDICTS = [None, *(Verdict(outcome) for outcome in ("right", "wrong", "unverifiable", "error"))]
PROBLEMS = {str(n): Problem(str(n), text) for n, text in enumerate(TEXTS)}
BENCHMARKS = {
    "ours": [Problem("0", "What is 3 + 4?"), Problem("1", "word " * 30), Problem("2", "\n"), *PROBLEMS.values()]
}
COMMON = "the of and to in is that it was for on are as with his they at be this have from or one had by word but not"
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


def bound(
    name: str, options: dict[str, Any] | None = None, traces: Sequence[Trace] = TRACES, **more: Any
) -> Callable[..., Iterator[tuple[Trace, str | None]]]:
    reserved: dict[str, Any] = {"problems": PROBLEMS, "benchmarks": BENCHMARKS, "tokenizer": TOKENIZER, "teachers": {}}

    def ask(*prompts: Any, repeats: int = 1) -> list[Completion]:
        return [Completion(text="SCORE ?: 5")] * len(prompts) * repeats

    def siblings(trace: Trace) -> list[Trace]:
        return [other for other in traces if (other.problem_id, other.teacher) == (trace.problem_id, trace.teacher)]

    return bind("filter", name, options, siblings=siblings, ask=ask, **(reserved | more))


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


WORKING: dict[str, list[dict[str, Any]]] = {
    "choose": [{"by": by} for by in ("shortest", "median", "typical", "longest")],
    "dedup": [{}, {"near": 0.7}, {"of": "statement", "keep": "shortest"}],
    "difficulty": [{"max_pass_rate": 0.4}],
    "diversity": [{"per_problem": 1}, {"per_source": 2, "order": "random"}],
    "length": [{"min_tokens": 2, "max_tokens": 900}],
    "licence": [{}],
}
"""Options with which a filter has something to decide; for others those that it has anyway."""
CASES = [(name, options) for name in names("filter") for options in WORKING.get(name, [{}])]
TOGETHER = sorted(TRACES, key=lambda trace: int(trace.problem_id))
"""As a stream brings them: all traces of one problem, then the next."""


def decided(name: str, options: dict[str, Any], traces: Sequence[Trace], **more: Any) -> dict[str, str | None]:
    return {trace.key: reason for trace, reason in bound(name, options, TOGETHER, **more)(iter(traces))}


@pytest.mark.parametrize(("name", "options"), CASES)
def test_it_goes_by_what_it_says_that_it_decides_by(name: str, options: dict[str, Any]) -> None:
    """Each trace, or each problem, alone and in another order has the fate that it has among all."""
    scope = about("filter", name, "DECIDES")
    assert scope in ("trace", "problem", None)
    whole = decided(name, options, TOGETHER)
    if scope == "problem":
        parts = [list(group) for _, group in groupby(TOGETHER, key=lambda trace: trace.problem_id)]
    else:
        parts = [[trace] for trace in TOGETHER]
    if scope:
        apart: dict[str, str | None] = {}
        for part in random.Random(1).sample(parts, len(parts)):
            apart |= decided(name, options, part)
        assert apart == whole


SKETCHING = [case for case in CASES if "sketches" in signature(load("filter", case[0])).parameters]


@pytest.mark.parametrize(("name", "options"), SKETCHING)
def test_sketches_made_elsewhere_lead_to_the_same(name: str, options: dict[str, Any]) -> None:
    sketch, own = about("filter", name, "sketch"), bound(name, options).keywords  # type: ignore[attr-defined]
    given = {key: value for key, value in own.items() if key in signature(sketch).parameters}
    made = [next(sketch(iter([trace]), **given)) for trace in TOGETHER]
    assert all(isinstance(each, bytes) for each in made)
    assert list(sketch(iter(TOGETHER), **given)) == made
    assert decided(name, options, TOGETHER, sketches=iter(made)) == decided(name, options, TOGETHER)


def test_some_filter_has_sketches() -> None:
    assert "dedup" in {name for name, _ in SKETCHING}


TEXT, STREAM = 5000, 150
"""Characters of a trace, and traces."""


@pytest.mark.parametrize(("name", "options"), CASES)
def test_of_the_texts_that_went_through_it_keeps_none(name: str, options: dict[str, Any]) -> None:
    def long(number: int) -> Trace:
        chance = random.Random(number)
        text = " ".join(chance.choices(COMMON.split(), k=TEXT // 5))
        return replace(make(number, text, f"The answer is {number}."), problem_id=str(number // 4 % len(TEXTS)))

    for _ in bound(name, options)(map(long, range(8))):
        pass  # What a filter sets up once, it may keep.
    stream = bound(name, options)(map(long, range(STREAM)))
    deque(islice(stream, 10), maxlen=0)
    tracemalloc.start()
    try:
        held = [tracemalloc.get_traced_memory()[0] for _ in stream]
    finally:
        tracemalloc.stop()
    # What it looks ahead at, what it makes of one text, and a few bytes of each.
    assert max(held) < STREAM / 2 * TEXT
