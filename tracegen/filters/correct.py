"""Keep traces whose answer was judged right.

Reasons: `wrong`, `unverifiable`, `error` (the verdict's outcome), `unjudged` (there is no verdict).
"""

from collections.abc import Iterable, Iterator

from tracegen.records import Trace

DECIDES = "trace"


def correct(traces: Iterable[Trace]) -> Iterator[tuple[Trace, str | None]]:
    """Drop a trace unless its deciding verdict is right; what nobody could judge is counted apart from wrong."""
    for trace in traces:
        outcome = trace.verdict.outcome if trace.verdict else "unjudged"
        yield trace, None if outcome == "right" else outcome
