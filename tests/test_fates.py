"""Fates are told in order, as soon as they are settled; siblings and notes are those of the trace in question."""

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby, islice, tee
from typing import Any

import pytest

from tracegen.fates import Drop, Fate, Filter, Passage, Step
from tracegen.records import Trace, TracegenError

Make = Callable[[Passage], Filter]


def make(number: int, each: int = 3) -> Trace:
    """`each` traces of a problem, of two teachers in turn."""
    return Trace(f"k{number}", f"p{number // each}", "ab"[number % 2], number, (), "r", "5", "complete", "stop", number)


def run(fates: Iterable[Fate], *filters: Make | None) -> tuple[list[tuple[int, Drop | None]], list[Step]]:
    told: list[tuple[int, Drop | None]] = []
    passage = Passage()
    steps = [Step(f"f{n}", passage, make and make(passage)) for n, make in enumerate(filters)]
    passage.run(fates, steps, lambda fate: told.append((fate.trace.sample, fate.drop)))
    return told, steps


def by(decide: Callable[[Trace], str | None], note: bool = False) -> Make:
    def bound(passage: Passage) -> Filter:
        def function(traces: Iterable[Trace]) -> Iterator[tuple[Trace, str | None]]:
            for trace in traces:
                if note:
                    passage.note(trace, {"noted": trace.sample})
                yield trace, decide(trace)

        return function

    return bound


def in_batches(of: int) -> Make:
    """Looks ahead at so many traces, past the end of their problem; notes all, drops every fourth."""

    def bound(passage: Passage) -> Filter:
        def function(traces: Iterable[Trace]) -> Iterator[tuple[Trace, str | None]]:
            stream = iter(traces)
            while batch := list(islice(stream, of)):
                for trace in batch:
                    passage.note(trace, {"siblings": [other.sample for other in passage.siblings(trace)]})
                for trace in batch:
                    yield trace, "fourth" if trace.sample % 4 == 0 else None

        return function

    return bound


def test_fates_are_told_in_order_whatever_filters_look_ahead_at() -> None:
    told, steps = run((Fate(make(n)) for n in range(20)), by(lambda t: "odd" if t.sample % 2 else None), in_batches(7))
    assert [sample for sample, _ in told] == list(range(20))
    assert [drop for _, drop in told[:5]] == [
        Drop("f1", "fourth", {"siblings": [0, 2]}),
        Drop("f0", "odd"),
        None,
        Drop("f0", "odd"),
        Drop("f1", "fourth", {"siblings": [4]}),
    ]
    assert [(step.before, step.after, dict(step.reasons)) for step in steps] == [
        (20, 10, {"odd": 10}),
        (10, 5, {"fourth": 5}),
    ]


def test_a_note_goes_with_the_drop_of_the_filter_that_left_it() -> None:
    told, _ = run([Fate(make(0))], by(lambda t: None, note=True), by(lambda t: "late"))
    assert told == [(0, Drop("f1", "late", None))]
    told, _ = run([Fate(make(0))], by(lambda t: None), by(lambda t: "late", note=True))
    assert told == [(0, Drop("f1", "late", {"noted": 0}))]


@pytest.mark.parametrize("decide", [lambda trace: "all", lambda trace: None])
def test_what_is_settled_is_told_before_more_is_read(decide: Callable[[Trace], str | None]) -> None:
    read, told, most = 0, 0, 0
    passage = Passage()

    def fates() -> Iterator[Fate]:
        nonlocal read, most
        for number in range(300):
            read += 1
            most = max(most, read - told)
            yield Fate(make(number))

    def tell(fate: Fate) -> None:
        nonlocal told
        told += 1

    step = Step("f", passage, by(decide)(passage))
    passage.run(fates(), [step], tell)
    assert told == 300
    assert most <= 8  # two problems


def test_what_was_foreseen_happens_at_its_filter() -> None:
    fates = [Fate(make(n), foreseen=Drop("f1", "known", n) if n % 2 else None) for n in range(4)]
    told, steps = run(fates, by(lambda t: "first" if t.sample == 1 else None), None)
    assert told == [(0, None), (1, Drop("f0", "first")), (2, None), (3, Drop("f1", "known", 3))]
    assert [(step.before, step.after) for step in steps] == [(4, 3), (3, 2)]


def test_a_trace_that_is_out_is_seen_by_its_siblings_only() -> None:
    seen: list[int] = []

    def watching(passage: Passage) -> Filter:
        def function(traces: Iterable[Trace]) -> Iterator[tuple[Trace, str | None]]:
            for trace in traces:
                seen.append(trace.sample)
                yield trace, str(len(passage.siblings(trace)))

        return function

    out = Drop("before", "long ago")
    told, _ = run([Fate(make(0, each=4)), Fate(make(1, each=4)), Fate(make(2, each=4), drop=out)], watching)
    assert seen == [0, 1]
    assert told == [(0, Drop("f0", "2")), (1, Drop("f0", "1")), (2, out)]


def with_sketches(pull: Callable[[Iterable[Trace], Iterator[bytes]], Iterable[tuple[Trace, bytes]]]) -> list[Any]:
    passage = Passage()
    step = Step("f", passage)
    sketches = step.sketches()

    def function(traces: Iterable[Trace]) -> Iterator[tuple[Trace, str | None]]:
        for trace, sketch in pull(traces, sketches):
            yield trace, sketch.decode()

    step.function = function
    told: list[Any] = []
    fates = (Fate(make(n), sketches={"f": b"%d" % n, "other": b"x"}) for n in range(7))
    passage.run(fates, [step], lambda fate: told.append(fate.drop and fate.drop.reason))
    return told


def test_each_trace_comes_with_its_sketch() -> None:
    def in_groups(traces: Iterable[Trace], sketches: Iterator[bytes]) -> Iterator[tuple[Trace, bytes]]:
        for _, group in groupby(traces, key=lambda trace: trace.problem_id):
            members = list(group)
            yield from zip(members, islice(sketches, len(members)), strict=True)

    def ahead(traces: Iterable[Trace], sketches: Iterator[bytes]) -> Iterator[tuple[Trace, bytes]]:
        one, other = tee(traces)
        return zip(one, (next(sketches) for _ in other), strict=True)

    assert with_sketches(zip) == with_sketches(in_groups) == with_sketches(ahead) == list("0123456")
    with pytest.raises(TracegenError, match="ended with 7 traces not yielded"):
        with_sketches(
            lambda traces, sketches: ((trace, sketch) for sketch, trace in zip(sketches, traces, strict=False))
        )
