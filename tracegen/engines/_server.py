"""One OpenAI-compatible server: the check before the first request, and one request with its tries.

`Server.ask` never raises for what concerns one request: that becomes `Completion(error=...)`. It raises TracegenError
for what concerns them all: a refused key, an unknown model, an empty account, a server that is gone.
"""

import asyncio
import random
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from time import time
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import openai

from tracegen.records import Completion, Request, TracegenError

__all__ = ["Server"]

_LOOPBACK = ("localhost", "127.", "::1")
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 60.0
"""Seconds; the wait doubles from one try to the next (the openai package's first wait, and a minute's rate limit)."""
_CHECK_TIMEOUT = 30.0


@dataclass(slots=True)
class Server:
    """A connection pool and the tries of all requests; lives inside one event loop."""

    model: str
    base_url: str
    key: str | None = field(repr=False)
    key_env: str | None
    concurrency: int
    timeout: float
    max_retries: int
    extra_body: dict[str, Any]
    asked: int = 0
    """Requests handed to `ask`; counted by the caller, in its own thread."""
    _settled: int = 0
    """Requests that are done, or wait for another try; changed in the event loop only."""
    _resume: float = 0.0
    """Nothing is sent before this time of the loop's clock: the server's Retry-After."""
    _heard: float = 0.0
    """When the server last answered anything."""
    _client: Any = None
    _slots: Any = None

    @property
    def room(self) -> int:
        """How many more requests can be sent at once."""
        return self.concurrency - (self.asked - self._settled)

    async def __aenter__(self) -> "Server":
        limits = openai.DEFAULT_CONNECTION_LIMITS
        loopback = (urlsplit(self.base_url).hostname or "").startswith(_LOOPBACK)
        self._client = openai.AsyncOpenAI(
            base_url=self.base_url,
            # Without a key of its own the package would send OPENAI_API_KEY to whatever server this is.
            api_key=self.key or "none",
            max_retries=0,
            # `asyncio.timeout` bounds a whole try; the client would bound the silence between two reads.
            timeout=None,
            http_client=openai.DefaultAioHttpClient(
                limits=type(limits)(max_connections=self.concurrency, max_keepalive_connections=self.concurrency),
                trust_env=not loopback,
            ),
        )
        self._slots = asyncio.Semaphore(self.concurrency)
        return self

    async def __aexit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._client.close()

    async def check(self) -> None:
        """Refuse a server that is down, refuses the key, or lists its models without ours."""
        try:
            async with asyncio.timeout(_CHECK_TIMEOUT):
                listing = await self._client.get("/models", cast_to=object)
        except (openai.APIConnectionError, TimeoutError):
            raise TracegenError(f"no server answers at {self.base_url}; start it, or correct base_url.") from None
        except openai.APIStatusError as error:
            if error.status_code in (401, 403):
                raise self._refused(error.status_code) from None
            return
        rows = listing.get("data") if isinstance(listing, dict) else None
        names = [str(row["id"]) for row in rows or [] if isinstance(row, dict) and "id" in row]
        if names and not any(_same(self.model, name) for name in names):
            shown = ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
            raise TracegenError(f"the server at {self.base_url} has no model {self.model!r}; it has {shown}.")

    async def ask(self, request: Request) -> Completion:
        """One request, tried until it is answered or not worth another try."""
        body = {"model": self.model, "messages": list(request.messages), **request.sampling, **self.extra_body}
        try:
            return await self._tries(body)
        except TracegenError:
            raise
        except Exception as error:  # noqa: BLE001
            return Completion(error=self._sentence(f"{type(error).__name__}: {error}"))
        finally:
            self._settled += 1

    async def _tries(self, body: dict[str, Any]) -> Completion:
        clock = asyncio.get_running_loop().time
        start, tries = clock(), self.max_retries + 1
        for number in range(tries):
            while (pause := self._resume - clock()) > 0:
                await self._rest(pause + random.uniform(0, 0.1 * pause))
            async with self._slots:
                try:
                    async with asyncio.timeout(self.timeout):
                        answer = await self._client.post("/chat/completions", cast_to=object, body=body)
                    self._heard = clock()
                    return _completion(answer)
                except openai.APIStatusError as error:
                    self._heard = clock()
                    failure, asked_for = f"{error.status_code} {_message(error)}", _retry_after(error)
                    self._raise_if_for_all(error)
                    if not (error.status_code in (408, 409, 429) or error.status_code >= 500):
                        return Completion(error=self._sentence(failure))
                except TimeoutError:
                    failure, asked_for = f"no answer within {self.timeout:g} s", None
                except openai.APIConnectionError as error:
                    failure, asked_for = f"connection failed ({error.__cause__ or error})", None
                    if number == self.max_retries and self._heard < start:
                        raise TracegenError(f"no server answers at {self.base_url} any more.") from None
            wait = min(_FIRST_WAIT * 2**number, _LONGEST_WAIT) * random.uniform(0.5, 1)
            if asked_for is not None:
                if asked_for > self.timeout:
                    return Completion(error=self._sentence(f"{failure}; retry after {asked_for:g} s, too long to wait"))
                self._resume, wait = max(self._resume, clock() + asked_for), 0
            if number < self.max_retries:
                await self._rest(wait)
        return Completion(error=self._sentence(f"{failure}; given up after {tries} tries"))

    async def _rest(self, seconds: float) -> None:
        self._settled += 1
        try:
            await asyncio.sleep(seconds)
        finally:
            self._settled -= 1

    def _raise_if_for_all(self, error: openai.APIStatusError) -> None:
        if error.status_code == 401:
            raise self._refused(401) from None
        if error.status_code == 402:
            raise TracegenError(f"the account at {self.base_url} is empty (402): {_message(error)}") from None
        if error.status_code == 404:
            raise TracegenError(
                f"{self.base_url}/chat/completions with model {self.model!r} is unknown to the server (404); "
                "check the model's name, and base_url, which usually ends in /v1."
            ) from None

    def _refused(self, status: int) -> TracegenError:
        cure = (
            f"put a valid key into the environment variable {self.key_env}"
            if self.key_env
            else "name the environment variable that holds a key with the option api_key_env"
        )
        return TracegenError(f"the server at {self.base_url} refuses the key ({status}); {cure}.")

    def _sentence(self, text: str) -> str:
        text = " ".join(text.split())
        text = text.replace(self.key, "***") if self.key else text
        return text if len(text) <= 300 else text[:297] + "..."


def _completion(answer: Any) -> Completion:
    """The first choice, with the reasoning of either field: `reasoning` (vLLM, OpenRouter), `reasoning_content`."""
    choices = answer.get("choices") if isinstance(answer, dict) else None
    if not choices:
        return Completion(error=f"the server's answer holds no choice: {str(answer)[:200]}")
    message, usage = choices[0].get("message") or {}, answer.get("usage") or {}
    return Completion(
        text=message.get("content") or "",
        reasoning=message.get("reasoning") or message.get("reasoning_content") or None,
        finish_reason=choices[0].get("finish_reason"),
        prompt_tokens=usage.get("prompt_tokens"),
        completion_tokens=usage.get("completion_tokens"),
    )


def _same(asked: str, listed: str) -> bool:
    """Servers list `models/x` and take `x`, or take `x:variant` for `x`."""
    return listed == asked or listed.endswith(f"/{asked}") or listed.partition(":")[0] == asked.partition(":")[0]


def _message(error: openai.APIStatusError) -> str:
    body = error.body
    if isinstance(body, dict):
        body = body.get("message") or body.get("detail") or body
    return str(body or error.message)


def _retry_after(error: openai.APIStatusError) -> float | None:
    """Seconds that the server asks to wait (RFC 9110, section 10.2.3: a number or a date)."""
    value = error.response.headers.get("retry-after")
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time())
    except ValueError:
        return None
