"""Should this trace be kept?: `def x(traces, *, options) -> Iterator[tuple[Trace, str | None]]`, every trace once.

A module may say what its filter looks at: `DECIDES = "trace"`, each trace by itself; `DECIDES = "problem"`, the traces
of one problem; without it, the whole stream in order. Evidence of a drop goes to the reserved parameter `note`.
"""

from collections.abc import Callable, Mapping
from typing import Any

from tracegen.records import Trace

Note = Callable[[Trace, Mapping[str, Any]], None]
"""`note(trace, {...})`: small and JSON-able; it stands beside the reason in `dropped/`."""


def unnoted(trace: Trace, evidence: Mapping[str, Any]) -> None:
    """For callers who want reasons only."""
