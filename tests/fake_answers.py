"""What the fake server says, and what goes wrong with it: answers, faults by chance, the bodies of both endpoints.

A text is whole and canonical first (`<think>`, thought, `</think>`, a boxed number) and depends on the conversation and
the seed alone; what goes on from a prefix is the rest of that text, cut at `max_tokens` words. A token is a word.
The template writes a turn as `<|role|>content<|end|>`, so a rendered prompt can be read back.
"""

import hashlib
import json
import random
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

Reply = Callable[[dict[str, Any]], dict[str, Any]]
WORDS = ("first", "then", "so", "and", "carry", "the", "one", "sum")
THINK, CLOSE = "<think>\n", "\n</think>\n\n"
_TURN = re.compile(r"<\|(\w+)\|>(.*?)(?:<\|end\|>|\Z)", re.DOTALL)
_SUM = re.compile(r"(\d+) \+ (\d+)")


def answer(body: dict[str, Any]) -> dict[str, Any]:
    """Eight to fifteen words of thought and a boxed number: depends on messages and seed, cut at `max_tokens` words."""
    return _say(body, lambda digest: 8 + digest[0] % 8, None)


def answers(words: int, pass_rate: float | None = None) -> Reply:
    """`answer` with so many words in each text, of which such a part gives the sum that a problem `a + b` asks for."""
    return lambda body: _say(body, lambda digest: max(1, words - 6), pass_rate)


def _say(body: dict[str, Any], length: Callable[[bytes], int], pass_rate: float | None) -> dict[str, Any]:
    digest = hashlib.sha256(json.dumps([body["messages"], body.get("seed")], sort_keys=True).encode()).digest()
    number = digest[1] % 20
    asked = _SUM.search(str(body["messages"][-1]["content"])) if pass_rate is not None else None
    if asked and digest[2] < 256 * (pass_rate or 0):
        number = int(asked[1]) + int(asked[2])
    pieces = f"{THINK}{_thought(digest[3], length(digest))}{CLOSE}The answer is \\boxed{{{number}}}.".split(" ")
    prefix = body.get("prefix", "")
    done = len(prefix.rstrip(" ").split(" ")) if prefix.strip(" ") not in ("", THINK) else 0
    whole = " ".join(pieces)
    if prefix and not whole.startswith(prefix):  # the thinking was closed by force
        pieces, whole, done = whole.partition(CLOSE)[2].split(" "), prefix + whole.partition(CLOSE)[2], 0
    limit = body.get("max_tokens") or body.get("max_completion_tokens") or len(pieces)
    cut = len(pieces) - done > limit
    text = whole[len(prefix) :]
    if cut:
        text = text[: len(text) - len(" ".join(["", *pieces[done + limit :]]))]
    return {
        "text": text,
        "finish_reason": "length" if cut else "stop",
        "completion_tokens": min(limit, len(pieces) - done),
    }


@cache
def _thought(which: int, words: int) -> str:
    draw = random.Random(which)
    return " ".join(draw.choice(WORDS) for _ in range(words))


@dataclass
class Faults:
    """Turns answers into failures: by chance, and in storms of 429 that begin so long after the first request."""

    errors: float = 0.0
    resets: float = 0.0
    malformed: float = 0.0
    truncate: float = 0.0
    cuts: float = 0.0
    """Of streamed answers: broken off in the middle."""
    hang: float = 0.0
    """Of the answers: they never come."""
    storms: Sequence[tuple[float, float]] = ()
    """Start and duration, seconds."""
    storm_status: int = 429
    seed: int = 1
    _began: float | None = None
    _draw: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._draw = random.Random(self.seed)

    def __call__(self, said: dict[str, Any]) -> dict[str, Any]:
        now = time.monotonic()
        self._began = now if self._began is None else self._began
        if any(start <= now - self._began < start + seconds for start, seconds in self.storms):
            return {"status": self.storm_status, "message": "too many requests", "latency": 0.002}
        chance = self._draw.random()
        for share, fault in (
            (self.errors, {"status": 500}),
            (self.resets, {"reset": True}),
            (self.malformed, {"raw": '{"choices": [{"mess', "garbled": True}),
            (self.cuts, {"cut_after": 5}),
            (self.hang, {"latency": 86400.0}),
        ):
            if chance < share:
                return said | fault
            chance -= share
        if chance < self.truncate:
            pieces = said["text"].split(" ")
            half = max(1, len(pieces) // 2)
            return said | {
                "text": " ".join(pieces[:half]),
                "finish_reason": "length",
                "completion_tokens": half,
            }
        return said


def render(messages: Sequence[dict[str, Any]], *, go_on: bool = False, thinks: bool = False) -> str:
    """The chat template."""
    text = "".join(f"<|{m['role']}|>{m['content']}<|end|>" for m in messages)
    return text.removesuffix("<|end|>") if go_on else text + "<|assistant|>" + (THINK if thinks else "")


def read_back(prompt: str) -> tuple[list[dict[str, Any]], str]:
    """The messages of a rendered prompt, and what the assistant's turn holds already."""
    turns = [{"role": role, "content": content} for role, content in _TURN.findall(prompt)]
    if turns and turns[-1]["role"] == "assistant" and not prompt.endswith("<|end|>"):
        return turns[:-1], turns[-1]["content"]
    return turns or [{"role": "user", "content": prompt}], ""


class Vocabulary:
    """Words become numbers and numbers words; grows as it meets new ones."""

    def __init__(self) -> None:
        self._words: list[str] = []
        self._ids: dict[str, int] = {}

    def encode(self, text: str) -> list[int]:
        ids = []
        for word in re.findall(r"<think>\n|<\|\w+\|>|[^ <]+ ?|<| ", text):
            if word not in self._ids:
                self._ids[word] = len(self._words)
                self._words.append(word)
            ids.append(self._ids[word])
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        # Ids that it has not given out are those of another tokenizer, of which no text is wanted.
        return "".join(self._words[number] if number < len(self._words) else "?" for number in ids)


def channel(said: dict[str, Any], where: str) -> dict[str, Any]:
    """The thought in a field of its own (`reasoning`, `reasoning_content`), or its opening tag gone (`untagged`)."""
    text = said.get("text")
    if text is None or where == "inline":
        return said
    if where == "untagged":
        return said | {"text": text.removeprefix(THINK)}
    thought, closed, rest = text.removeprefix(THINK).partition(CLOSE)
    return said | {where: thought, "text": rest if closed else None}


def usage(body: dict[str, Any], said: dict[str, Any], prompt_tokens: int) -> dict[str, int]:
    prompt = said.get("prompt_tokens", prompt_tokens)
    completion = said.get("completion_tokens", len((said.get("text") or "").split()))
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def whole_body(body: dict[str, Any], said: dict[str, Any], counted: dict[str, int] | None) -> dict[str, Any]:
    """The answer of either endpoint, in one piece."""
    choice: dict[str, Any] = {"index": 0, "finish_reason": said.get("finish_reason", "stop")}
    if "prompt" in body:
        choice["text"] = said.get("text") or ""
    else:
        message = {"role": "assistant", "content": said.get("text")}
        message |= {name: said[name] for name in ("reasoning", "reasoning_content") if name in said}
        choice["message"] = message
    content = {
        "id": "fake",
        "object": "text_completion" if "prompt" in body else "chat.completion",
        "created": int(time.time()),
        "model": body["model"],
        "choices": [choice],
    }
    return content | ({"usage": counted} if counted else {})


def events(body: dict[str, Any], said: dict[str, Any], counted: dict[str, int] | None) -> list[bytes]:
    """The answer as server-sent events: one word each, then the reason, then the usage, then the end."""
    reason = said.get("finish_reason", "stop")
    chunks: list[dict[str, Any]] = []
    for name in ("reasoning", "reasoning_content", "text"):
        for word in re.findall(r"[^ ]+ ?| ", said.get(name) or ""):
            if "prompt" in body:
                chunks.append({"choices": [{"index": 0, "text": word, "finish_reason": None}]})
            else:
                delta = {"content" if name == "text" else name: word}
                chunks.append({"choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
    last = {"text": ""} if "prompt" in body else {"delta": {}}
    chunks.append({"choices": [{"index": 0, "finish_reason": reason} | last]})
    if counted and (body.get("stream_options") or {}).get("include_usage"):
        chunks.append({"choices": [], "usage": counted})
    lines = [b"data: " + json.dumps({"id": "fake", "model": body["model"]} | chunk).encode() for chunk in chunks]
    return [line + b"\n\n" for line in [*lines, b"data: [DONE]"]]
