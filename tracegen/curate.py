"""Traces pass the recipe's filters one after the other, as a stream, and every one that goes in is told with its fate.

Shape: `curate(fates, filters=..., told=..., ...) -> one FunnelRow a filter`, in the recipe's order. A filter sees only
what the earlier ones kept, so every dropped trace has one filter and one reason, and the counts add up.
Memory: the traces of one problem, and what filters hold (`fates`).
"""

from collections import deque
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from tracegen import asked_filters
from tracegen.asked import parted
from tracegen.fates import Fate, Filtered, Passage, Step
from tracegen.filters import unnoted
from tracegen.registry import bind

__all__ = ["FunnelRow", "bind_filter", "check_filters", "curate", "funnel_json"]

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
    fates: Iterable[Fate],
    *,
    filters: Mapping[str, Options | None],
    told: Callable[[Fate], None],
    foreseen: Container[str] = (),
    sketched: Container[str] = (),
    asks: Mapping[str, Any] | None = None,
    **reserved: Any,
) -> list[FunnelRow]:
    """Tell every trace's fate, in order; returns the funnel. All traces of one problem must stand together.

    `reserved`: what filters may ask for by name: problems, benchmarks, teachers, tokenizer (the student's, a
    `tokenizers.Tokenizer`); `asks`, by filter, the line to a model. Filters in `foreseen` are not run: the fates say
    what they drop. For those in `sketched` the fates hold sketches.
    Raises UsageError for an unknown filter or option, before a trace is read; TracegenError when a filter breaks its
    contract (every trace once, in order).
    """
    passage, steps = Passage(), []
    for name, options in filters.items():
        step = Step(name, passage)
        if name not in foreseen:
            sketches = step.sketches() if name in sketched else None
            own = {"note": passage.note, "siblings": passage.siblings, "sketches": sketches}
            step.function = bind_filter(name, options, ask=(asks or {}).get(name), **own, **reserved)
        steps.append(step)
    passage.run(fates, steps, told)
    return [FunnelRow(step.name, step.before, step.after, dict(step.reasons.most_common())) for step in steps]


def bind_filter(name: str, options: Options | None, **reserved: Any) -> partial[Filtered]:
    """A filter of the recipe, its options and the house's `reserved` parameters bound.

    Raises UsageError for a name or an option that does not exist.
    """
    return bind("filter", name, parted("filter", name, options)[0], **reserved)


def check_filters(filters: Mapping[str, Options | None]) -> None:
    """Raise UsageError for whatever is wrong with the recipe's filters, values included; needs no data.

    Each filter runs over an empty stream, so its set-up speaks up.
    """
    asked_filters.models(filters)
    nothing: dict[str, Any] = {"problems": {}, "benchmarks": {}, "teachers": {}, "tokenizer": None, "ask": None}
    for name, options in filters.items():
        function = bind_filter(name, options, siblings=lambda trace: (), note=unnoted, **nothing)
        deque(function(()) or (), maxlen=0)  # what yields nothing is told so by the first trace


def funnel_json(rows: Sequence[FunnelRow], traces: int, unchecked: Sequence[str] = ()) -> dict[str, Any]:
    """What `funnel.json` holds: the rows, how many traces went in at the top and how many are kept.

    `unchecked` names the benchmarks of the recipe that no trace was compared with, since they could not be loaded.
    """
    counts = {"rows": [asdict(row) for row in rows], "traces": traces, "kept": rows[-1].after if rows else traces}
    return counts | ({"unchecked": list(unchecked)} if unchecked else {})
