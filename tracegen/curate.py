"""Traces pass the recipe's filters one after the other, as a stream; what is dropped is written down with its reason.

Shape: `curate(traces, filters=..., ...) -> (kept traces, one FunnelRow a filter)`, in the recipe's order. A filter sees
only what the earlier ones kept, so every dropped trace has one filter and one reason, and the counts add up.
Memory: all traces, because `siblings` shows a filter every trace of a problem.
"""

import json
import re
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO

from tracegen.records import Problem, Trace, TracegenError
from tracegen.registry import bind

__all__ = ["FunnelRow", "bind_filters", "check_filters", "curate", "funnel_json"]

Filter = Callable[[Iterable[Trace]], Iterator[tuple[Trace, str | None]]]
Options = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class FunnelRow:
    """What one filter did: `before - sum(reasons.values()) == after`."""

    filter: str
    before: int
    after: int
    reasons: dict[str, int]
    """How many traces were dropped for which reason, the most frequent first."""


def curate(
    traces: Iterable[Trace],
    *,
    filters: Mapping[str, Options | None],
    problems: Mapping[str, Problem],
    tokenizer: Any = None,
    benchmarks: Mapping[str, Sequence[Problem]],
    dropped: Path,
) -> tuple[list[Trace], list[FunnelRow]]:
    """The traces that every filter keeps, in order, and the funnel.

    `dropped` is an existing folder; each filter gets one file in it, `<filter>.jsonl`: a dropped trace as a row, and
    with it `filter` and `reason`. `tokenizer` is the student's, a `tokenizers.Tokenizer`.
    Raises UsageError for an unknown filter or option, before a trace is read; TracegenError when a filter breaks its
    contract (every trace once, in order).
    """
    groups: dict[tuple[str, str], list[Trace]] = defaultdict(list)
    bound = bind_filters(
        filters,
        problems=problems,
        tokenizer=tokenizer,
        benchmarks=benchmarks,
        siblings=lambda trace: groups[trace.problem_id, trace.teacher],
    )
    everything = list(traces)
    for trace in everything:
        groups[trace.problem_id, trace.teacher].append(trace)
    stages: list[_Stage] = []
    with ExitStack() as files:
        stream: Iterable[Trace] = everything
        for name, function in bound.items():
            path = dropped / f"{re.sub(r'[^A-Za-z0-9_.-]', '_', name)}.jsonl"
            # In a JSON string the escape of half a surrogate pair, `\ud800`, is what backslashreplace writes for it.
            file = files.enter_context(path.open("w", encoding="utf-8", errors="backslashreplace"))
            stages.append(_Stage(name, function, file))
            stream = stages[-1].run(stream)
        kept = list(stream)
    return kept, [stage.row() for stage in stages]


def bind_filters(filters: Mapping[str, Options | None], **reserved: Any) -> dict[str, Filter]:
    """The recipe's filters by name, in its order, their options and the house's `reserved` parameters bound.

    Raises UsageError for a name or an option that does not exist.
    """
    return {name: bind("filter", name, options, **reserved) for name, options in filters.items()}


def check_filters(filters: Mapping[str, Options | None]) -> None:
    """Raise UsageError for whatever is wrong with the recipe's filters, values included; needs no data.

    Each filter runs over an empty stream, so its set-up speaks up.
    """
    bound = bind_filters(filters, problems={}, tokenizer=None, benchmarks={}, siblings=lambda trace: ())
    for function in bound.values():
        deque(function(()), maxlen=0)


def funnel_json(rows: Sequence[FunnelRow], traces: int, unchecked: Sequence[str] = ()) -> dict[str, Any]:
    """What `funnel.json` holds: the rows, how many traces went in at the top and how many are kept.

    `unchecked` names the benchmarks of the recipe that no trace was compared with, since they could not be loaded.
    """
    counts = {"rows": [asdict(row) for row in rows], "traces": traces, "kept": rows[-1].after if rows else traces}
    return counts | ({"unchecked": list(unchecked)} if unchecked else {})


class _Stage:
    """One filter at work: passes on what it keeps, writes down and counts what it drops."""

    def __init__(self, name: str, function: Filter, file: TextIO) -> None:
        self.name, self.function, self.file = name, function, file
        self.before = 0
        self.reasons: Counter[str] = Counter()
        self.waiting: deque[Trace] = deque()

    def run(self, traces: Iterable[Trace]) -> Iterator[Trace]:
        taken = self._taken(traces)
        for trace, reason in self.function(taken):
            if not self.waiting or self.waiting.popleft() is not trace:
                raise TracegenError(f"filter {self.name!r} yielded a trace that was not the next one; {_CONTRACT}.")
            if reason is None:
                yield trace
            elif isinstance(reason, str) and reason:
                self.reasons[reason] += 1
                row = asdict(trace) | {"filter": self.name, "reason": reason}
                self.file.write(json.dumps(row, ensure_ascii=False) + "\n")
            else:
                raise TracegenError(f"filter {self.name!r} gave {reason!r} as a reason; {_CONTRACT}.")
        deque(taken, maxlen=0)  # What the filter left unread shows up as waiting.
        if self.waiting:
            raise TracegenError(f"filter {self.name!r} ended with {len(self.waiting)} traces not yielded; {_CONTRACT}.")

    def row(self) -> FunnelRow:
        after = self.before - self.reasons.total()
        return FunnelRow(self.name, self.before, after, dict(self.reasons.most_common()))

    def _taken(self, traces: Iterable[Trace]) -> Iterator[Trace]:
        for trace in traces:
            self.before += 1
            self.waiting.append(trace)
            yield trace


_CONTRACT = "a filter yields every trace exactly once, in order, with a reason (text) to drop it or None"
