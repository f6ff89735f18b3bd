"""The body of an answer becomes a Completion, in whatever shape the server sends it.

Shapes: the thinking in `reasoning` (vLLM, OpenRouter), in `reasoning_content` (DeepSeek, SGLang), or with its tags in
the text; the content as a string, as null or as a list of parts; `usage` or none; a reason to have ended or none; an
error inside a 200; server-sent events of all of these.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import aiohttp

from tracegen.engines._http import Failure, Partial
from tracegen.format import written
from tracegen.records import Completion

__all__ = ["completion", "counts", "joined", "read", "read_events"]

_LENGTH = frozenset({"length", "max_tokens", "MAX_TOKENS", "model_length"})
_GIVEN_UP = frozenset({"error", "abort", "insufficient_system_resource"})
_DATA = b"data:"


def read(payload: bytes, *, max_tokens: int | None) -> Completion:
    """A Completion, or a Failure where another try may bring one."""
    try:
        answer = json.loads(payload)
    except ValueError:
        raise Failure("broken", f"the answer is not JSON: {payload[:80].decode(errors='replace')!r}") from None
    return completion(answer, max_tokens)


def completion(answer: Any, max_tokens: int | None) -> Completion:
    if not isinstance(answer, dict) or not (choices := answer.get("choices")) or not isinstance(choices[0], dict):
        error = answer.get("error") if isinstance(answer, dict) else None
        if error:
            said = error.get("message") if isinstance(error, dict) else error
            raise Failure("broken", f"an error instead of an answer: {said or error}")
        raise Failure("broken", f"the server's answer holds no choice: {str(answer)[:200]}")
    choice = choices[0]
    usage = counts(answer)
    message = choice.get("message")
    if message is None:
        text, reasoning = _text(choice.get("text")), None
    else:
        text = _text(message.get("content"))
        reasoning = _text(message.get("reasoning") or message.get("reasoning_content")) or _thoughts(message)
    reason = choice.get("finish_reason")
    if reason in _GIVEN_UP:
        raise Failure("broken", f"the server gave the answer up ({reason})", paid=usage)
    tokens = usage.get("completion_tokens")
    if reason in _LENGTH:
        reason = "length"
    elif not reason:
        # Only the count can tell: a text of all the tokens that it was allowed was cut off.
        reason = "length" if max_tokens is not None and tokens is not None and tokens >= max_tokens else "stop"
    return Completion(
        text=text,
        reasoning=reasoning or None,
        finish_reason=reason,
        prompt_tokens=usage.get("prompt_tokens"),
        completion_tokens=tokens,
    )


async def read_events(response: aiohttp.ClientResponse, *, max_tokens: int | None) -> Completion:
    """A streamed answer. A Failure holds what had come before the stream broke."""
    reasoning: list[str] = []
    text: list[str] = []
    reason: str | None = None
    usage: dict[str, int] = {}
    pieces = 0
    done = False
    try:
        async for line in response.content:
            if not line.startswith(_DATA):
                continue
            data = line[len(_DATA) :].strip()
            if data == b"[DONE]":
                done = True
                break
            event = json.loads(data)
            if event.get("error"):
                raise Failure("broken", f"an error inside the stream: {event['error']}")
            usage = counts(event) or usage
            for choice in event.get("choices") or ():
                delta = choice.get("delta") or choice
                thought = _text(delta.get("reasoning") or delta.get("reasoning_content"))
                said = _text(delta.get("content") or delta.get("text"))
                pieces += bool(thought or said)
                reasoning.append(thought)
                text.append(said)
                reason = choice.get("finish_reason") or reason
        if reason is None and not done:
            raise Failure("broken", "the stream ended before the answer did")
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError, Failure) as error:
        partial = Partial("".join(reasoning), "".join(text), pieces)
        raise Failure("broken", f"the stream broke off ({error or type(error).__name__})", partial=partial) from None
    message = {"content": "".join(text), "reasoning": "".join(reasoning)}
    if pieces:
        usage = {"completion_tokens": pieces} | usage
    return completion({"choices": [{"message": message, "finish_reason": reason}], "usage": usage}, max_tokens)


def joined(found: Completion, held: str, prefix: str) -> Completion:
    """The whole turn as one text: what it held, and what is new, wherever the server put it."""
    new, thought = found.text, found.reasoning
    if thought and "</think>" in prefix:
        # A parser that waits for the end of the thinking takes all that follows for thinking.
        new = thought + new
    elif thought:
        new = written(new, f"<think>{thought}").removeprefix("<think>")
    return replace(found, text=held + new, reasoning=None)


def counts(answer: Mapping[str, Any]) -> dict[str, int]:
    """The tokens that an answer says it took, as far as they are numbers."""
    said = answer.get("usage")
    if not isinstance(said, dict):
        return {}
    return {name: said[name] for name in ("prompt_tokens", "completion_tokens") if isinstance(said.get(name), int)}


def _text(content: Any) -> str:
    """A string; of a list, the parts that are text."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(
            part.get("text") or "" for part in content if isinstance(part, dict) and part.get("type", "text") == "text"
        )
    return ""


def _thoughts(message: Mapping[str, Any]) -> str:
    """The thinking among the parts of a content that is a list (Mistral: `{"type": "thinking", "thinking": [...]}`)."""
    content = message.get("content")
    if not isinstance(content, list):
        return ""
    parts = [part.get("thinking") for part in content if isinstance(part, dict) and part.get("type") == "thinking"]
    return "".join(_text(part) for part in parts)
