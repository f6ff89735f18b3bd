"""One OpenAI-compatible server: the check before the first request, and one try of one request.

`Server.once` gives a Completion or raises a Failure, which says whether another try is worth it. It raises
TracegenError for what concerns all requests: a refused key, an unknown model, an empty account, a parameter that only
the recipe can decide on.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from tracegen.engines._answers import joined, read, read_events
from tracegen.engines._continuing import Continuing, open_turn
from tracegen.engines._flow import Flow
from tracegen.engines._http import Failure, Http, Partial, is_local
from tracegen.engines._prefix import going_on
from tracegen.engines._quirks import Quirks
from tracegen.engines._refusals import (
    account_empty,
    key_refused,
    message,
    nobody_there,
    one_line,
    retry_after,
    used_up,
)
from tracegen.engines._template import count
from tracegen.format import written
from tracegen.records import Completion, Request, TracegenError

__all__ = ["Job", "Server", "Settings"]

_REFUSED, _AGAIN, _NOT_A_BODY = (429, 503, 529), (408, 409, 425), (400, 405, 415, 422, 501)
_LONG = 4096
"""Tokens of an answer from which on a connection to elsewhere would stay silent for minutes: it is streamed."""
_EMPTY_TRIES = 2
"""So often an answer without any text is asked for again; then it is what the model has to say."""


@dataclass(frozen=True)
class Settings:
    """What the recipe says of all the servers of an engine."""

    model: str
    endpoint: Literal["chat", "completions"]
    stream: bool | Literal["auto"]
    tokenizer: str | None
    drop: frozenset[str]
    key: str | None = field(repr=False)
    key_env: str | None
    extra_body: Mapping[str, Any]

    def hide(self, text: str) -> str:
        """One line, without the key, not too long."""
        return one_line(text, self.key)


@dataclass(slots=True, eq=False)
class Job:
    """A request with what its tries have brought so far."""

    request: Request
    tries: int = 0
    refusals: int = 0
    waiting_since: float | None = None
    empty: int = 0
    partial: str = ""
    """What a broken stream had brought beyond the request's own prefix."""
    partial_tokens: int = 0
    paid: int = 0
    """Completion tokens of answers that are thrown away."""
    paid_prompt: int = 0
    avoid: "Server | None" = None

    @property
    def begun(self) -> str:
        """What an earlier launch had brought."""
        return going_on(self.request, "")[0]

    def given_up(self, sentence: str) -> Completion:
        """The request's end without an answer, with what its tries have cost."""
        tokens = self.paid + self.partial_tokens
        return Completion(error=sentence, prompt_tokens=self.paid_prompt or None, completion_tokens=tokens or None)

    def broken_off(self) -> Completion | None:
        """What streams have brought of an answer that nobody waits for any longer: a later launch goes on with it."""
        request = self.request
        if not self.partial or request.forced:
            return None
        spent = request.prefix_tokens + self.partial_tokens
        return Completion(
            text=self.begun + self.partial,
            finish_reason="length",
            prompt_tokens=self.paid_prompt or None,
            completion_tokens=self.partial_tokens + self.paid,
            prefix_tokens=request.prefix_tokens,
            max_tokens=min(spent, request.sampling.get("max_tokens", spent + 1) - 1),
        )


class Server:
    """One address; `scouted` once a first request has shown how the server takes them."""

    def __init__(self, base_url: str, settings: Settings, http: Http, flow: Flow, quirks: Quirks) -> None:
        self.base_url, self.settings, self.http, self.flow, self.quirks = base_url, settings, http, flow, quirks
        self.root = base_url.removesuffix("/v1")
        self.scouted = False
        self.scouting_since: float | None = None
        arguments = settings.extra_body.get("chat_template_kwargs") or {}
        self.continuing = Continuing(settings.model, self._ask, settings.tokenizer, arguments)

    async def check(self) -> None:
        """TracegenError for a server that is down, refuses the key, or lists its models without ours."""
        try:
            status, payload = await self.http.get(f"{self.base_url}/models")
        except Failure as failure:
            raise nobody_there(self.base_url, self.settings.hide(failure.sentence)) from None
        if status in (401, 403):
            raise key_refused(self.base_url, status, self.settings.key_env)
        try:
            listing = json.loads(payload) if status == 200 else None
        except ValueError:
            return
        rows = listing.get("data") if isinstance(listing, dict) else None
        names = [str(row["id"]) for row in rows or [] if isinstance(row, dict) and "id" in row]
        model = self.settings.model
        if names and not any(_same(model, name) for name in names):
            shown = ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
            raise TracegenError(f"the server at {self.base_url} has no model {model!r}; it has {shown}.")

    async def once(self, job: Job) -> Completion:
        """One try. What an earlier stream of the job had brought is gone on with where the server can."""
        request = job.request
        goes_on = bool(request.prefix or job.partial)
        if goes_on and await self.continuing.find() == "none":
            if request.forced:
                where = f"the server at {self.base_url}"
                return job.given_up(f"{where} cannot go on with a text, so the answer after the thinking is lost")
            if request.prefix:
                self.quirks.tell("cannot go on with an answer that was cut off: it is asked anew and paid for whole")
            goes_on, job.partial, job.paid, job.partial_tokens = False, "", job.paid + job.partial_tokens, 0
        request = replace(
            request,
            prefix=job.begun + job.partial if goes_on else "",
            prefix_tokens=request.prefix_tokens + job.partial_tokens if goes_on else 0,
        )
        completion = await self._answer(job, request)
        if goes_on:
            completion = replace(completion, prefix_tokens=request.prefix_tokens - job.partial_tokens)
        return self._counted(completion, job)

    async def _answer(self, job: Job, request: Request) -> Completion:
        body, address, held = await self._full(request)
        max_tokens = body.get("max_tokens")
        while True:
            version = self.quirks.version
            sent = self.quirks.body(body)
            try:
                if sent.get("stream"):
                    completion = await self._streamed(address, sent, max_tokens)
                else:
                    completion = await self._whole(address, sent, max_tokens)
                break
            except Failure as failure:
                if failure.partial and failure.partial.pieces:
                    self._keep(job, failure.partial, held)
                job.paid += failure.paid.get("completion_tokens") or 0
                job.paid_prompt += failure.paid.get("prompt_tokens") or 0
                if failure.status not in _NOT_A_BODY or not self.quirks.adapt(body, version, failure.sentence):
                    raise
                self.scouting_since = asyncio.get_running_loop().time()
        if not completion.text and not completion.reasoning and job.empty < _EMPTY_TRIES:
            job.empty += 1
            job.paid += completion.completion_tokens or 0
            job.paid_prompt += completion.prompt_tokens or 0
            raise Failure("broken", "an answer without any text")
        return joined(completion, held, request.prefix) if held else completion

    async def _full(self, request: Request) -> tuple[dict[str, Any], str, str]:
        """The body with all that the recipe says, where it goes, and what the assistant's turn holds already."""
        settings, sampling = self.settings, dict(request.sampling)
        if request.prefix_tokens and "max_tokens" in sampling:
            sampling["max_tokens"] = max(1, sampling["max_tokens"] - request.prefix_tokens)
        body: dict[str, Any] = {"model": settings.model}
        held = ""
        address = "chat/completions"
        if settings.endpoint == "completions" or (request.prefix and self.continuing.way in ("ids", "text")):
            if await self.continuing.find() not in ("ids", "text"):
                raise TracegenError(
                    f"the server at {self.base_url} does not render chats (it has no /tokenize), so for "
                    "endpoint: completions name the model's folder or Hub name with the option tokenizer."
                )
            body["prompt"], held = await self.continuing.prompt(request)
            address = "completions"
        elif request.prefix:
            body |= open_turn(request, self.continuing.way or "final")
            held = request.prefix
        else:
            body["messages"] = list(request.messages)
        body |= {name: value for name, value in sampling.items() if name not in settings.drop}
        if self.streams(sampling.get("max_tokens")):
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        extra = settings.extra_body
        if address == "completions":
            extra = {name: value for name, value in extra.items() if name != "chat_template_kwargs"}
        return body | dict(extra), address, held

    def streams(self, max_tokens: int | None) -> bool:
        """Whether an answer of so many tokens is streamed."""
        if self.settings.stream == "auto":
            return not is_local(self.base_url) and (max_tokens or _LONG) >= _LONG
        return self.settings.stream

    async def _whole(self, address: str, body: Mapping[str, Any], max_tokens: int | None) -> Completion:
        return read(await self._posted(address, body), max_tokens=max_tokens)

    async def _posted(self, address: str, body: Mapping[str, Any]) -> bytes:
        status, headers, payload = await self.http.post(f"{self.base_url}/{address}", json.dumps(body).encode())
        if status != 200:
            raise self._failure(status, headers, payload, address)
        if (seconds := used_up(headers)) is not None:
            self.flow.rest(seconds)
        return payload

    async def _streamed(self, address: str, body: Mapping[str, Any], max_tokens: int | None) -> Completion:
        async with self.http.stream(f"{self.base_url}/{address}", json.dumps(body).encode()) as response:
            if response.status != 200:
                raise self._failure(response.status, response.headers, await response.read(), address)
            if "json" in response.headers.get("content-type", ""):
                return read(await response.read(), max_tokens=max_tokens)
            return await read_events(response, max_tokens=max_tokens)

    async def _ask(self, address: str, body: dict[str, Any]) -> Any:
        """For `Continuing`: an address that begins with a slash is below the root, not below /v1."""
        url = f"{self.root}{address}" if address.startswith("/") else f"{self.base_url}/{address}"
        renamed = self.quirks.body(body) if "max_tokens" in body else body
        status, headers, payload = await self.http.post(url, json.dumps(renamed).encode())
        if status == 200:
            try:
                return json.loads(payload)
            except ValueError:
                raise Failure("final", "the answer is not JSON") from None
        if status in (404, 405, 501):
            raise Failure("final", f"{status}", status=status)
        raise self._failure(status, headers, payload, address)

    def _failure(self, status: int, headers: Mapping[str, str], payload: bytes, address: str) -> Failure:
        """What a refusal means; raises TracegenError where it concerns every request."""
        settings, said = self.settings, self.settings.hide(message(payload))
        sentence = f"{status} {said}"
        if status == 401:
            raise key_refused(self.base_url, status, settings.key_env)
        if status == 402 or (status == 429 and b"insufficient_quota" in payload):
            raise account_empty(self.base_url, status, said)
        if status == 404:
            raise TracegenError(
                f"{self.base_url}/{address} with model {settings.model!r} is unknown to the server (404); "
                "check the model's name, and base_url, which usually ends in /v1."
            )
        wait = retry_after(headers) if status == 429 or status >= 500 else None
        if status in _REFUSED or wait is not None:
            return Failure("refused", sentence, status=status, retry_after=wait)
        broken = status in _AGAIN or (status >= 500 and status not in _NOT_A_BODY)
        return Failure("broken" if broken else "final", sentence, status=status)

    def _keep(self, job: Job, partial: Partial, held: str) -> None:
        piece = Completion(text=partial.text, reasoning=partial.reasoning or None)
        text = joined(piece, held, job.begun + job.partial).text if held else written(piece.text, piece.reasoning)
        job.partial = text.removeprefix(job.begun)
        job.partial_tokens += partial.pieces

    def _counted(self, completion: Completion, job: Job) -> Completion:
        """With a count of tokens, whoever counts them, and what earlier tries have cost."""
        tokens, prompt = completion.completion_tokens, completion.prompt_tokens
        if tokens is None:
            tokenizer = self.settings.tokenizer
            how = (
                f"by the tokenizer {tokenizer}"
                if tokenizer
                else "from the length of the texts (option tokenizer: counts)"
            )
            self.quirks.tell(f"does not count tokens; they are counted {'' if tokenizer else 'roughly '}{how}")
            new = (completion.reasoning or "") + completion.text.removeprefix(job.begun + job.partial)
            tokens = count(tokenizer, new) if new else 0
        if prompt is None:
            prompt = count(self.settings.tokenizer, "\n".join(m["content"] for m in job.request.messages))
        return replace(
            completion,
            completion_tokens=tokens + job.partial_tokens + job.paid,
            prompt_tokens=prompt + job.paid_prompt,
        )


def _same(asked: str, listed: str) -> bool:
    """Servers list `models/x` and take `x`, or take `x:variant` for `x`."""
    return listed == asked or listed.endswith(f"/{asked}") or listed.partition(":")[0] == asked.partition(":")[0]
