"""Any OpenAI-compatible server, or several of them, asked asynchronously.

Requests are drawn in the consumer's thread and sent from an event loop in a thread of its own, so that a consumer that
takes its time never holds up what is in flight. How many are in flight follows what the servers can take (`_flow`);
what a server does not take is found out with its first request (`_quirks`). At most twice as many requests are drawn as
may be in flight.
Limits: one model for all servers of an engine, and one key.
"""

from collections.abc import Iterable, Iterator, Mapping
from importlib.util import find_spec
from typing import Any, Literal
from urllib.parse import urlsplit

from tracegen.engines._draw import draw
from tracegen.engines._refusals import key_of
from tracegen.records import Completion, MissingExtra, Request, UsageError

__all__ = ["checked", "openai"]

MORE = 4
"""Without `max_concurrency`, so many times `concurrency` are tried where the server makes more of them."""


def openai(
    requests: Iterable[Request | None],
    *,
    model: str,
    base_url: str | list[str] | dict[str, str],
    api_key_env: str | None = None,
    endpoint: Literal["chat", "completions"] = "chat",
    stream: bool | Literal["auto"] = "auto",
    tokenizer: str | None = None,
    concurrency: int = 64,
    max_concurrency: int | None = None,
    timeout: float = 600.0,
    max_retries: int = 6,
    patience: float = 300.0,
    drop: list[str] | None = None,
    extra_body: Mapping[str, Any] | None = None,
) -> Iterator[tuple[Request, Completion]]:
    """Any OpenAI-compatible server, or several with the same model, asynchronous, as fast as they can take it.

    In flight on each server are `concurrency` requests at first, then as many as it can take, up to `max_concurrency`.
    `timeout` is in seconds and covers one try of one request. A try that met 408, 409, 5xx, a broken connection,
    nonsense or the timeout is repeated up to `max_retries` times, after longer and longer waits. Refusals (429, 503)
    and a server that is away cost no tries; where nothing else has come for `patience` seconds, the run stops.
    `endpoint: completions` sends rendered prompts (by the server's /tokenize, or by `tokenizer`, a model folder or its
    name); `stream: auto` streams long answers from other machines. Every name in `sampling` goes into the request's
    body as it is, but for those of `drop`; `extra_body` after it.
    TracegenError if no server is up, a key is refused or there is no such model; what was answered by then is yielded.
    """
    urls = checked(base_url, concurrency, max_concurrency)
    key = key_of(api_key_env, urls[0])
    if (drawn := draw(requests)) is None:
        return
    from tracegen.engines._asking import answers
    from tracegen.engines._server import Settings

    without = frozenset(drop or ())
    settings = Settings(model, endpoint, stream, tokenizer, without, key, api_key_env, dict(extra_body or {}))
    yield from answers(
        drawn[1],
        urls,
        settings,
        timeout=timeout,
        concurrency=concurrency,
        ceiling=max_concurrency or MORE * concurrency,
        max_retries=max_retries,
        patience=patience,
        # Of a list, each says for itself what it does: several engines may ask one server each.
        apart=not isinstance(base_url, str),
    )


def checked(
    base_url: str | list[str] | dict[str, str], concurrency: int, most: int | None, who: str = "engine 'openai'"
) -> list[str]:
    """The addresses, or a sentence on what is wrong with the options."""
    if find_spec("aiohttp") is None:
        raise MissingExtra("aiohttp", "openai")
    urls = (
        [base_url] if isinstance(base_url, str) else list(base_url.values() if isinstance(base_url, dict) else base_url)
    )
    for url in urls or [""]:
        if not url.startswith(("http://", "https://")):
            raise UsageError(f"{who} needs a base_url such as http://localhost:8000/v1, not {url!r}.")
        if urlsplit(url).username is not None:
            raise UsageError(
                f"{who}: a base_url is written down and shown, so it may hold no name and password; "
                "put a key into an environment variable and name that one in api_key_env."
            )
    if concurrency < 1:
        raise UsageError(f"{who} needs a concurrency of at least 1, not {concurrency}.")
    if most is not None and most < concurrency:
        raise UsageError(f"{who}: max_concurrency is {most}, below concurrency, which is {concurrency}.")
    return list(dict.fromkeys(url.rstrip("/") for url in urls))
