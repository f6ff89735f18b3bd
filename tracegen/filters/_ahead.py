"""Work on the next few traces goes on while the oldest is waited for: for filters that ask a model."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from tracegen.records import Trace

Found = TypeVar("Found")


def ahead(traces: Iterable[Trace], work: Callable[[Trace], Found], window: int) -> Iterator[tuple[Trace, Found]]:
    """Each trace with what `work` makes of it, in order; at most `window` of them are held at a time."""
    threads = ThreadPoolExecutor(window, "asking-ahead")
    waiting: deque[tuple[Trace, Future[Found]]] = deque()
    try:
        for trace in traces:
            waiting.append((trace, threads.submit(work, trace)))
            while waiting and (len(waiting) >= window or waiting[0][1].done()):
                oldest, future = waiting.popleft()
                yield oldest, future.result()
        for oldest, future in waiting:
            yield oldest, future.result()
    finally:
        # Whoever closes the line to the model waits for what is in flight, and can give it up.
        threads.shutdown(wait=False, cancel_futures=True)
