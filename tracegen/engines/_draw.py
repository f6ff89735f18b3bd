"""How every engine draws its requests: nothing is loaded or contacted before the first one is there.

`draw` hands back the stream with its first request in front, or None if the stream ends without any.
`Stream` takes from a stream what there is and what there is room for; `Checked` lets a word in from outside meanwhile.
`IDLE` is how long an engine with nothing in flight waits before it asks again, in seconds.
"""

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

from tracegen.records import Request, UsageError

IDLE = 0.01


def draw(requests: Iterable[Request | None]) -> tuple[Request, Iterator[Request | None]] | None:
    """The first request, and the whole stream from it on; waits while the stream says "nothing yet"."""
    stream = iter(requests)
    for first in stream:
        if first is not None:
            whole = chain((first,), stream)
            return first, Checked(whole, requests.check) if isinstance(requests, Checked) else whole
        time.sleep(IDLE)
    return None


class Checked:
    """A stream whose `check` an engine calls whenever it looks, room or not; it raises what is to end the engine."""

    def __init__(self, requests: Iterable[Request | None], check: Callable[[], None]) -> None:
        self._stream = iter(requests)
        self.check = check

    def __iter__(self) -> Iterator[Request | None]:
        return self

    def __next__(self) -> Request | None:
        self.check()
        return next(self._stream)


class Stream:
    """A stream of requests: `more` until it has ended, `idle` where it last said "nothing yet"."""

    def __init__(self, requests: Iterable[Request | None]) -> None:
        self._check = requests.check if isinstance(requests, Checked) else lambda: None
        self._stream = iter(requests)
        self.more = True
        self.idle = False

    def while_room(self, room: Callable[[], bool]) -> Iterator[Request]:
        """The requests that there are now, as long as there is room; asked before each."""
        self.idle = False
        self._check()
        while self.more and not self.idle and room():
            try:
                request = next(self._stream)
            except StopIteration:
                self.more = False
                return
            if request is None:
                self.idle = True
            else:
                yield request


def refuse_unknown(engine: str, sampling: Mapping[str, Any], allowed: Collection[str]) -> None:
    """UsageError for a sampling name that this engine does not have."""
    if unknown := sorted(set(sampling) - set(allowed)):
        raise UsageError(f"engine {engine!r} has no sampling {unknown[0]!r}; it takes {', '.join(sorted(allowed))}.")
