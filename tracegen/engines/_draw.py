"""How every engine draws its requests: nothing is loaded or contacted before the first one is there.

`draw` hands back the stream with its first request in front, or None if the stream ends without any.
`IDLE` is how long an engine with nothing in flight waits before it asks again, in seconds.
"""

import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

from tracegen.records import Request, UsageError

IDLE = 0.01


def draw(requests: Iterable[Request | None]) -> tuple[Request, Iterator[Request | None]] | None:
    """The first request, and the whole stream from it on; waits while the stream says "nothing yet"."""
    stream = iter(requests)
    for first in stream:
        if first is not None:
            return first, chain((first,), stream)
        time.sleep(IDLE)
    return None


def refuse_unknown(engine: str, sampling: Mapping[str, Any], allowed: Collection[str]) -> None:
    """UsageError for a sampling name that this engine does not have."""
    if unknown := sorted(set(sampling) - set(allowed)):
        raise UsageError(f"engine {engine!r} has no sampling {unknown[0]!r}; it takes {', '.join(sorted(allowed))}.")
