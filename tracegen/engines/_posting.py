"""Bodies posted to a server's /completions with the patience of an engine: retries, limits, one sentence at the end.

    for number, found in posted(bodies, read, base_url=..., model=...):     in the order in which they are done

For what is asked of a server besides text, such as what it thinks of given tokens. `read` makes of an answer's bytes
what is wanted, in a thread; what it cannot read (ValueError, KeyError, IndexError, TypeError) is tried again.
Limits: one server; a body that is refused for good ends all.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any, TypeVar

from tracegen.engines._asking import answers
from tracegen.engines._http import Failure
from tracegen.engines._refusals import key_of
from tracegen.engines._server import Job, Server, Settings
from tracegen.records import Completion, Request, TracegenError

__all__ = ["posted"]

Found = TypeVar("Found")


def posted(
    bodies: Sequence[Callable[[], Mapping[str, Any]]],
    read: Callable[[bytes, int], Found],
    *,
    base_url: str,
    model: str,
    who: str,
    api_key_env: str | None,
    concurrency: int,
    timeout: float,
    max_retries: int,
    patience: float,
) -> Iterator[tuple[int, Found]]:
    """Each body's number and what `read(answer, number)` made of it; `who` is shown where progress is watched."""
    key = key_of(api_key_env, base_url)
    settings = Settings(model, "completions", False, None, frozenset(), key, api_key_env, {})
    found: dict[int, Found] = {}

    class Posts(Server):
        """Sends a body where an engine would send a prompt."""

        async def once(self, job: Job) -> Completion:
            number = job.request.sample
            payload = await self._posted("completions", {"model": model, **bodies[number]()})
            try:
                found[number] = await asyncio.to_thread(read, payload, number)
            except (ValueError, KeyError, IndexError, TypeError) as error:
                raise Failure("broken", f"an answer that cannot be read ({type(error).__name__}: {error})") from None
            return Completion(text=" ", completion_tokens=1)

    requests = (Request(str(number), "", who, number, (), {}) for number in range(len(bodies)))
    with closing(
        answers(
            requests,
            [base_url],
            settings,
            timeout=timeout,
            concurrency=concurrency,
            ceiling=concurrency,
            max_retries=max_retries,
            patience=patience,
            kind=Posts,
        )
    ) as ended:
        for request, completion in ended:
            if completion.error:
                raise TracegenError(f"the server at {base_url} does not answer: {completion.error}.")
            yield request.sample, found.pop(request.sample)
