"""Requests go to servers as these can take them, and come back in the order in which they are done.

    answers(requests, urls, settings, ...)   each request with its completion; `kind` says what is sent for one

TracegenError where nothing more can be asked, behind what was answered by then.
"""

from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack
from itertools import islice

from tracegen.engines import _flow, _quirks
from tracegen.engines._aside import Aside, aside
from tracegen.engines._draw import IDLE, Stream
from tracegen.engines._http import Http
from tracegen.engines._pool import Deliver, Pool
from tracegen.engines._server import Server, Settings
from tracegen.records import Completion, Request

__all__ = ["answers"]

AT_ONCE = 8
"""Requests that are asked in one go while no answer comes; then one more than have just come, which makes no waves."""
UNSAFE = 8
"""Nothing more is asked while more answers than this wait to be handed over: they are paid for and not on disk yet. So
where the consumer is the slowest of all, requests wait before they are sent, and not their answers."""


def answers(
    requests: Iterable[Request | None],
    urls: Sequence[str],
    settings: Settings,
    *,
    timeout: float,
    concurrency: int,
    ceiling: int,
    max_retries: int,
    patience: float,
    apart: bool = False,
    kind: type[Server] = Server,
) -> Generator[tuple[Request, Completion], None, None]:
    """Options as those of the engine `openai`; at most `ceiling` are in flight on each server."""
    http = Http(settings.key, timeout)
    with ExitStack() as stack:
        flows = [stack.enter_context(_flow.shared(url, settings.model, concurrency, ceiling)) for url in urls]

        def pool(deliver: Deliver) -> Pool:
            servers = [
                kind(url, settings, http, flow, _quirks.of(url, settings.model))
                for url, flow in zip(urls, flows, strict=True)
            ]
            return Pool(servers, http, deliver, max_retries=max_retries, patience=patience, apart=apart)

        other = stack.enter_context(aside(pool))
        yield from _as_they_end(Stream(requests), other)


def _as_they_end(stream: Stream, other: Aside) -> Iterator[tuple[Request, Completion]]:
    pool, waiting = other.pool, deque[tuple[Request, Completion | None]]()
    drawn = handed_over = 0

    def room() -> bool:
        appetite = pool.appetite()
        if pool.fatal or pool.delivered - handed_over > UNSAFE:
            return False
        return drawn - pool.ended < appetite and drawn - handed_over < 2 * appetite

    quota = AT_ONCE
    while True:
        if not waiting:
            batch = []
            for request in islice(stream.while_room(room), quota):
                drawn += 1
                batch.append(request)
            if batch:
                other.put(batch)
            if drawn == handed_over and (pool.fatal or not stream.more):
                break
            # A try that ends in a wait makes room without a word, so look again from time to time.
            waiting.extend(other.ended(IDLE if stream.idle or room() else 10 * IDLE))
            quota = len(waiting) + 1 if waiting else AT_ONCE
        if waiting:
            handed_over += 1
            request, completion = waiting.popleft()
            if completion is not None:
                yield request, completion
    if pool.fatal:
        raise pool.fatal
