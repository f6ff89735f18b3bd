"""Keep traces whose reasoning channel is whole.

Reasons: the status, `truncated`, `no_reasoning` or `malformed` (see `tracegen.format.split`).
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import get_args

from tracegen.records import Status, Trace, UsageError

DECIDES = "trace"


def wellformed(
    traces: Iterable[Trace], *, allow: Sequence[Status] = ("complete",)
) -> Iterator[tuple[Trace, str | None]]:
    """Drop a trace whose status is not one of `allow`; a teacher that does not reason needs `no_reasoning` there."""
    if isinstance(allow, str) or not set(allow) <= set(get_args(Status)):
        raise UsageError(f"filter 'wellformed': allow is {allow!r}; it takes a list of {', '.join(get_args(Status))}.")
    for trace in traces:
        yield trace, None if trace.status in allow else trace.status
