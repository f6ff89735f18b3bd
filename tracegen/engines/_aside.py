"""An event loop in a thread of its own, with a pool of servers in it; requests and answers cross over in batches."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from queue import Empty, SimpleQueue

from tracegen.engines._pool import Deliver, Pool
from tracegen.records import Completion, Request

__all__ = ["Aside", "aside"]

End = tuple[Request, Completion | None]


class Aside:
    """What the consumer's thread sees of the other one."""

    pool: Pool

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._ended: SimpleQueue[list[End]] = SimpleQueue()
        self._batch: list[End] = []

    def put(self, requests: Sequence[Request]) -> None:
        """Have them asked."""
        self._loop.call_soon_threadsafe(self.pool.add, requests)

    def ended(self, timeout: float) -> list[End]:
        """The requests that have come to an end; waits for the first so long."""
        try:
            return self._ended.get(timeout=timeout)
        except Empty:
            return []

    def deliver(self, request: Request, completion: Completion | None) -> None:
        """What ends in one turn of the loop goes over at once: each crossing wakes the other thread."""
        if not self._batch:
            self._loop.call_soon(self._flush)
        self._batch.append((request, completion))

    def _flush(self) -> None:
        batch, self._batch = self._batch, []
        self._ended.put(batch)


@contextmanager
def aside(make: Callable[[Deliver], Pool]) -> Iterator[Aside]:
    """With the pool open, or what it raised raised here; on the way out everything in flight is ended."""
    loop = asyncio.new_event_loop()
    # A daemon, so that nobody who forgot to close an engine waits for it at the end of the program.
    thread = threading.Thread(target=loop.run_forever, name="openai", daemon=True)
    thread.start()
    here = Aside(loop)
    here.pool = make(here.deliver)
    try:
        asyncio.run_coroutine_threadsafe(here.pool.open(), loop).result()
        yield here
    finally:
        asyncio.run_coroutine_threadsafe(here.pool.close(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
