"""OpenAI-style Batch endpoints: half the price, answers within a day, picked up again after a restart.

Requests are gathered into batches, sent as files and looked at from time to time. What was sent is written down before
and after (`_journal`): a later launch that asks for the same samples waits for the same batches, in whatever order it
asks. A batch that ended early gives what it has; the rest goes into a new one.
Limits: there is no canary, so the first batch shows what the server does not take.
"""

from collections.abc import Iterable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tracegen.engines._draw import Stream, draw
from tracegen.engines._refusals import key_of
from tracegen.records import Completion, MissingExtra, Request, UsageError

__all__ = ["batch_api"]

MOST_REQUESTS = 50_000
"""That OpenAI takes in one batch; 200 MB is the other limit (`_orders.MOST_BYTES`)."""


def batch_api(
    requests: Iterable[Request | None],
    *,
    model: str,
    base_url: str,
    api_key_env: str | None = None,
    batch_size: int = 2000,
    batches_in_flight: int = 4,
    gather_seconds: float = 10.0,
    poll_seconds: float = 60.0,
    max_retries: int = 3,
    timeout: float = 600.0,
    sampling_names: Mapping[str, str | None] | None = None,
    extra_body: Mapping[str, Any] | None = None,
    continue_final_message: bool = False,
    cancel_on_exit: bool = False,
    folder: Path | None = None,
) -> Iterator[tuple[Request, Completion]]:
    """OpenAI-style Batch endpoints: half price, within a day, picked up again after a restart.

    A batch is sent when `batch_size` requests are there, or none came for `gather_seconds`; `poll_seconds` is the
    longest wait between two looks. `max_retries` bounds how often a request that got no answer goes into another batch.
    `sampling_names` says what the server calls a name of sampling (max_tokens: max_completion_tokens), null leaves it
    out; `extra_body` goes into each request's body. Answers that were cut off are gone on with only where the server
    takes `continue_final_message` (vLLM does), and asked anew elsewhere.
    Who stops leaves the batches at the server, where they are paid for, unless `cancel_on_exit`.
    """
    _check(base_url, batch_size, batches_in_flight)
    key = key_of(api_key_env, base_url)
    base_url = base_url.rstrip("/")  # batches of an earlier launch are known by it
    if (drawn := draw(requests)) is None:
        return
    from tracegen.engines._batches import Batches
    from tracegen.engines._journal import Journal
    from tracegen.engines._lines import Body
    from tracegen.engines._orders import Orders

    server = Batches(base_url, key, api_key_env, timeout)
    body = Body(model, dict(sampling_names or {}), dict(extra_body or {}), continue_final_message)
    orders = Orders(server, body, Journal(folder, base_url), batch_size, batches_in_flight, max_retries, poll_seconds)
    stream = Stream(drawn[1])
    try:
        while True:
            for request in stream.while_room(lambda: orders.room):
                if (answer := orders.take(request)) is not None:
                    yield request, answer
            yield from orders.refused()
            orders.send(all_of_them=not stream.more or orders.quiet_for(gather_seconds))
            yield from orders.look()
            if not stream.more:
                if orders.empty:
                    return
                orders.told()
            orders.rest(idle=stream.idle)
    finally:
        orders.leave(cancel=cancel_on_exit)


def _check(base_url: str, batch_size: int, batches_in_flight: int) -> None:
    if find_spec("aiohttp") is None:
        raise MissingExtra("aiohttp", "openai")
    if not base_url.startswith(("http://", "https://")):
        raise UsageError(f"engine 'batch_api' needs a base_url such as https://api.openai.com/v1, not {base_url!r}.")
    if not 1 <= batch_size <= MOST_REQUESTS:
        raise UsageError(f"engine 'batch_api' takes a batch_size of 1 to {MOST_REQUESTS}, not {batch_size}.")
    if batches_in_flight < 1:
        raise UsageError(f"engine 'batch_api' needs at least one of batches_in_flight, not {batches_in_flight}.")
