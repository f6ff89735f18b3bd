"""What a chat completion holds, as OpenAI-compatible servers and Anthropic's write it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tracegen.records import Message

NOT_SAMPLING = frozenset({"model", "messages", "stream", "response_format", "n", "user", "metadata"})
"""Fields of a request that shape no text, or are kept elsewhere."""


def answers(body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The fields of an `Answer` for every choice of a chat completion.

    A server counts the tokens of all choices together; each is given as much of them as it has of the characters.
    """
    usage = body.get("usage") or {}
    if isinstance(content := body.get("content"), list):  # Anthropic's
        text = "".join(part.get("text") or "" for part in content if part.get("type") == "text")
        thinking = "".join(part.get("thinking") or "" for part in content if part.get("type") == "thinking")
        reason = {"max_tokens": "length", "end_turn": "stop"}.get(str(body.get("stop_reason")), body.get("stop_reason"))
        yield _fields(text, thinking, reason, usage.get("input_tokens"), usage.get("output_tokens"))
        return
    choices = body.get("choices") or []
    said = [_said(choice.get("message") or {}) for choice in choices]
    parts = _parts(usage.get("completion_tokens"), [len(text) + len(thinking or "") for text, thinking in said])
    for number, choice in enumerate(choices):
        prompt = usage.get("prompt_tokens") if number == 0 else usage.get("prompt_tokens") and 0
        yield _fields(*said[number], choice.get("finish_reason"), prompt, parts[number])


def asked(body: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of an `Answer` that its request holds."""
    sampling = {name: value for name, value in body.items() if name not in NOT_SAMPLING and value is not None}
    return {"messages": messages(body.get("messages")), "model": body.get("model"), "sampling": sampling}


def messages(found: Any) -> tuple[Message, ...]:
    """Messages with a role and a text each; a text in parts is joined."""
    return tuple({"role": one["role"], "content": _text(one.get("content"))} for one in found or () if one.get("role"))


def reasoning(message: Mapping[str, Any]) -> str | None:
    """What stands in the server's own channel for it, whichever of its names that bears."""
    return message.get("reasoning_content") or message.get("reasoning") or None


def _said(message: Mapping[str, Any]) -> tuple[str, str | None]:
    return _text(message.get("content")), reasoning(message)


def _text(content: Any) -> str:
    if isinstance(content, list):
        return "".join(part.get("text") or "" for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""


def _fields(text: str, thinking: str | None, reason: Any, prompt: int | None, completion: int | None) -> dict[str, Any]:
    tokens = {"prompt_tokens": prompt, "completion_tokens": completion}
    return {"text": text, "reasoning": thinking or None, "finish_reason": reason, **tokens}


def _parts(total: int | None, lengths: Sequence[int]) -> list[int | None]:
    """Whole numbers in the proportion of the lengths, which add up to the total."""
    if total is None:
        return [None] * len(lengths)
    parts: list[int | None] = []
    taken = passed = 0
    for length in lengths:
        passed += length
        share = round(total * passed / (sum(lengths) or 1)) if passed else 0
        parts.append(share - taken)
        taken = share
    if parts and taken != total:  # nothing was said, but something was paid for
        parts[-1] = (parts[-1] or 0) + total - taken
    return parts
