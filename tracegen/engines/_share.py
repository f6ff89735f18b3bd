"""Several engines answer one stream: each is given its next request when it asks for one.

    shared(requests, engines)     `engines` by name; each runs in a thread of its own, and sees a stream of its own

Requests are drawn in the consumer's thread, only for an engine that has room, and go to the one with the fewest.
An engine that fails leaves its unfinished requests to the others; only the last one's failure is raised.
When all is answered, or nobody wants the rest, `closing` is set and every engine's stream raises `Closed`.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any

from tracegen.engines._draw import IDLE, Stream
from tracegen.engines._revive import Answers
from tracegen.progress import say
from tracegen.records import Request, TracegenError

__all__ = ["Closed", "shared"]

Engine = Callable[[Iterator[Request | None]], Answers]


class Closed(Exception):
    """Nobody wants the answers any more."""


@dataclass(eq=False)
class _Worker:
    """An engine in its thread, what it was given, and the way to give it more.

    It says to the consumer: an answer, None for "I have room", or at the end the future that holds how it ended.
    """

    name: str
    engine: Engine
    closing: threading.Event
    said: "SimpleQueue[tuple[_Worker, Any]]"
    inbox: SimpleQueue[Request] = field(default_factory=SimpleQueue)
    unfinished: dict[int, Request] = field(default_factory=dict)

    def run(self) -> None:
        for answer in self.engine(self._stream()):
            self.said.put((self, answer))

    def ended(self, future: Future[None]) -> None:
        self.said.put((self, future))

    def _stream(self) -> Iterator[Request | None]:
        """Asks once for each request, and says "nothing yet" until it is there."""
        while True:
            self.said.put((self, None))
            while (given := self._given()) is None:
                yield None
            yield given

    def _given(self) -> Request | None:
        if self.closing.is_set():
            raise Closed
        try:
            return self.inbox.get(timeout=IDLE)
        except Empty:
            return None


def shared(requests: Iterable[Request | None], engines: Mapping[str, Engine], closing: threading.Event) -> Answers:
    """The answers of all engines. TracegenError if none is left."""
    stream = Stream(requests)
    said: SimpleQueue[tuple[_Worker, Any]] = SimpleQueue()
    workers = [_Worker(name, engine, closing, said) for name, engine in engines.items()]
    hungry: list[_Worker] = []
    again: deque[Request] = deque()

    def give(request: Request) -> None:
        least = min(hungry, key=lambda worker: len(worker.unfinished))
        hungry.remove(least)
        least.unfinished[id(request)] = request
        least.inbox.put(request)

    with ThreadPoolExecutor(len(workers), "engine") as pool:
        try:
            for worker in workers:
                pool.submit(worker.run).add_done_callback(worker.ended)
            while workers:
                while again and hungry:
                    give(again.popleft())
                for request in stream.while_room(partial(bool, hungry)):
                    give(request)
                if not (stream.more or again or any(worker.unfinished for worker in workers)):
                    # An engine that is still loading is not waited for.
                    return
                try:
                    worker, what = said.get(timeout=IDLE if hungry and stream.more else None)
                except Empty:
                    continue
                if what is None:
                    hungry.append(worker)
                elif isinstance(what, Future):
                    workers.remove(worker)
                    hungry[:] = (other for other in hungry if other is not worker)
                    again.extend(worker.unfinished.values())
                    _ended(worker, what.exception(), len(workers))
                else:
                    request, completion = what
                    del worker.unfinished[id(request)]
                    yield request, completion
        finally:
            closing.set()


def _ended(worker: _Worker, error: BaseException | None, others: int) -> None:
    """Raise what ended an engine, unless there are others to go on."""
    if error is not None and (not others or not isinstance(error, TracegenError)):
        raise error
    if error is not None:
        say(f"{worker.name}: {error}; the other {others} go on with its requests.")
