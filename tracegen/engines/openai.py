"""Any OpenAI-compatible server, asked asynchronously with bounded concurrency.

Requests are drawn in the consumer's thread and sent from an event loop in a thread of its own, so that a consumer that
takes its time never holds up what is in flight. At most `concurrency` requests are in flight, and at most twice as many
are drawn and not yet handed over (in flight, waiting for another try, or waiting for the consumer).
Limits: answers are not streamed, so a connection stays silent until the whole answer is there.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future
from functools import partial
from importlib.util import find_spec
from queue import Empty, SimpleQueue
from typing import Any

from tracegen.engines._draw import IDLE, draw
from tracegen.records import Completion, MissingExtra, Request, TracegenError, UsageError

__all__ = ["openai"]


def openai(
    requests: Iterable[Request | None],
    *,
    model: str,
    base_url: str,
    api_key_env: str | None = None,
    concurrency: int = 64,
    timeout: float = 600.0,
    max_retries: int = 6,
    extra_body: Mapping[str, Any] | None = None,
) -> Iterator[tuple[Request, Completion]]:
    """Any OpenAI-compatible server, asynchronous, with bounded concurrency.

    `timeout` is in seconds and covers one try of one request. A try that met 408, 409, 429, 5xx, a broken connection
    or the timeout is repeated up to `max_retries` times, after the wait that the server asks for (Retry-After) or else
    after exponentially longer ones.
    Every name in `sampling` goes into the request's body as it is, and `extra_body` after it.
    TracegenError if the server is down, refuses the key or has no such model; what was answered by then is yielded.
    """
    _check(base_url, concurrency, api_key_env)
    if (drawn := draw(requests)) is None:
        return
    from anyio.from_thread import start_blocking_portal

    from tracegen.engines._server import Server

    key = os.environ[api_key_env] if api_key_env else None
    server = Server(model, base_url, key, api_key_env, concurrency, timeout, max_retries, dict(extra_body or {}))
    stream: Iterator[Request | None] | None = drawn[1]
    done: SimpleQueue[tuple[Request, Future[Completion]]] = SimpleQueue()
    fatal: TracegenError | None = None
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(server):
        portal.call(server.check)
        unfinished = 0
        while True:
            idle = False
            while stream and not idle and server.room > 0 and unfinished < 2 * concurrency:
                try:
                    request = next(stream)
                except StopIteration:
                    stream = None
                    break
                if request is None:
                    idle = True
                else:
                    unfinished += 1
                    server.asked += 1
                    answer = portal.start_task_soon(server.ask, request)
                    answer.add_done_callback(partial(_hand_over, done, request))
            if not unfinished and not stream:
                break
            try:
                # A try that ends in a wait frees a slot without a word, so look again from time to time.
                request, answer = done.get(timeout=IDLE if idle else 10 * IDLE)
            except Empty:
                continue
            unfinished -= 1
            if isinstance(error := answer.exception(), TracegenError):
                fatal, stream = fatal or error, None
            else:
                yield request, answer.result()
    if fatal:
        raise fatal


def _hand_over(
    done: SimpleQueue[tuple[Request, Future[Completion]]], request: Request, answer: Future[Completion]
) -> None:
    done.put((request, answer))


def _check(base_url: str, concurrency: int, api_key_env: str | None) -> None:
    if find_spec("openai") is None or find_spec("aiohttp") is None:
        raise MissingExtra("the openai package, with aiohttp,", "openai")
    if not base_url.startswith(("http://", "https://")):
        raise UsageError(f"engine 'openai' needs a base_url such as http://localhost:8000/v1, not {base_url!r}.")
    if concurrency < 1:
        raise UsageError(f"engine 'openai' needs a concurrency of at least 1, not {concurrency}.")
    if api_key_env and not os.environ.get(api_key_env):
        raise UsageError(
            f"the environment variable {api_key_env} is not set; it must hold the key for the server at {base_url}."
        )
