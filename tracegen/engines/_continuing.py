"""How a server is made to go on with a text that was cut off, found out once for each server.

ids       the server renders and tokenizes (`/tokenize`, vLLM): the ids of the prompt and of the text go to
          `/v1/completions`. What a chat template does to thinking in earlier turns plays no part.
text      the option `tokenizer` renders: prompt and text go to `/v1/completions` as one string.
final     the chat's last message is the assistant's, with `continue_final_message` (vLLM, SGLang).
beta      the same with `prefix: true` in the message (DeepSeek's beta, Mistral).
none      none of these: the server begins anew.

A server that ignores a field it does not know would begin anew without a word. So `final` and `beta` are tried on one
token: a turn that stays open has fewer prompt tokens than the same turn closed and a new one begun.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tracegen.engines._http import Failure
from tracegen.engines._prefix import going_on
from tracegen.engines._template import render
from tracegen.format import prefilled
from tracegen.records import Request

__all__ = ["Continuing", "Way", "open_turn"]

Way = Literal["ids", "text", "final", "beta", "none"]
Ask = Callable[[str, dict[str, Any]], Awaitable[Any]]
"""Posts a body to an address below the server's root; gives the parsed answer, raises Failure."""
_FLAGS: dict[Way, tuple[dict[str, Any], dict[str, Any]]] = {
    "final": ({"continue_final_message": True, "add_generation_prompt": False}, {}),
    "beta": ({}, {"prefix": True}),
}
_PROBE = ({"role": "user", "content": "Say yes."}, {"role": "assistant", "content": "yes"})
_TAIL = 16
"""Tokens at the end of a prompt that are looked at for an opening tag: it is at most three, with white space."""


def open_turn(request: Request, way: Way) -> dict[str, Any]:
    """The part of a chat body whose last message is what the assistant's turn holds."""
    flags, marks = _FLAGS[way]
    turn = {"role": "assistant", "content": going_on(request, "")[0]} | marks
    return {"messages": [*request.messages, turn]} | flags


@dataclass
class Continuing:
    """What one server can, and the bodies for it."""

    model: str
    ask: Ask
    tokenizer: str | None
    template_arguments: Mapping[str, Any]
    way: Way | None = None
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _prefilled: str | None = None

    async def find(self) -> Way:
        """The best way that works; a server that is away raises its Failure."""
        async with self._lock:
            if self.way is None:
                self.way = await self._find()
            return self.way

    async def _find(self) -> Way:
        if self.tokenizer is not None:
            return "text"
        if await self._tokenizes():
            return "ids"
        for way in ("final", "beta"):
            if await self._stays_open(way):
                return way
        return "none"

    async def _tokenizes(self) -> bool:
        """Whether the server turns chats into ids."""
        try:
            return bool((await self._tokenize(messages=list(_PROBE[:1])))[:1])
        except Failure as failure:
            if failure.kind != "final":
                raise
            return False

    async def _stays_open(self, way: Way) -> bool:
        open_turn = await self._prompt_tokens(*_FLAGS[way])
        if open_turn is None:
            return False
        closed = await self._prompt_tokens({}, {})
        # A server that takes no closed turn of the assistant's at the end has understood the open one.
        return closed is None or open_turn < closed

    async def _prompt_tokens(self, flags: dict[str, Any], marks: dict[str, Any]) -> int | None:
        body = {"model": self.model, "messages": [_PROBE[0], _PROBE[1] | marks], "max_tokens": 1} | flags
        try:
            usage = (await self.ask("chat/completions", body)).get("usage") or {}
        except Failure as failure:
            if failure.kind != "final":
                raise
            return None
        # Without a count nothing is proved.
        return usage.get("prompt_tokens") or 1 << 30

    async def prompt(self, request: Request) -> tuple[str | list[int], str]:
        """For `/v1/completions`: the prompt, and what the assistant's turn holds in it, the template's part too."""
        if self.tokenizer is not None:
            text = render(self.tokenizer, request.messages, self.template_arguments)
            held, rest = going_on(request, prefilled(text))
            return text + rest, held
        ids = await self._tokenize(messages=list(request.messages))
        if self._prefilled is None:
            tail = await self.ask("/detokenize", {"model": self.model, "tokens": ids[-_TAIL:]})
            self._prefilled = prefilled(str(tail.get("prompt") or ""))
        held, rest = going_on(request, self._prefilled)
        return ids + (await self._tokenize(prompt=rest, add_special_tokens=False) if rest else []), held

    async def _tokenize(self, **what: Any) -> list[int]:
        arguments = {"chat_template_kwargs": dict(self.template_arguments)} if self.template_arguments else {}
        answer = await self.ask("/tokenize", {"model": self.model} | what | (arguments if "messages" in what else {}))
        tokens = answer.get("tokens") if isinstance(answer, dict) else None
        return tokens if isinstance(tokens, list) else []
