"""Plain rows: a prompt and what was answered, under the names that are usual.

prompt      `messages` (an assistant's turn at the end is the answer), `conversations`, `prompt` or `instruction`
answer      `text`, `completion`, `response`, `generation`, `output` or `content`
thinking    `reasoning` or `reasoning_content`; or inside the answer, between the tags
and         `problem_id`, `model`, `finish_reason`, `sampling`, and tokens, in `usage` or by themselves
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tracegen.foreign import Answer, _chat, _files
from tracegen.sharegpt import message

TEXTS = ("text", "completion", "response", "generation", "output", "content")


def jsonl(paths: Sequence[Path]) -> Iterator[Answer]:
    """The answers in JSON lines, Parquet or Arrow files."""
    for file, number, row in _files.rows(paths):
        if row is None:
            yield Answer(file, number, error="the line is not a JSON object")
            continue
        prompt, turn = _prompt(row)
        text = next((row[name] for name in TEXTS if isinstance(row.get(name), str)), None)
        # What stands in a conversation is the whole answer; a field of its own may be the part after the thinking.
        text = turn.get("content") if turn else text
        usage = row.get("usage") or row
        asked = {"messages": prompt, "problem_id": row.get("problem_id"), "model": row.get("model")}
        if not text:
            yield Answer(file, number, error="it holds no text", **asked)
            continue
        yield Answer(
            file,
            number,
            sampling=dict(row.get("sampling") or {}),
            text=text,
            reasoning=_chat.reasoning(turn or row),
            finish_reason=row.get("finish_reason"),
            prompt_tokens=usage.get("prompt_tokens"),
            completion_tokens=usage.get("completion_tokens"),
            **asked,
        )


def _prompt(row: Mapping[str, Any]) -> tuple[Any, Mapping[str, Any]]:
    """The prompt, and the assistant's turn behind it, if there is one."""
    turns = row.get("messages")
    if turns is None and isinstance(row.get("conversations"), list):
        turns = [message(turn) for turn in row["conversations"]]
    if turns is None:
        asked = row.get("prompt") or row.get("instruction")
        turns = [{"role": "user", "content": asked}] if isinstance(asked, str) else asked or []
    *before, last = turns or [{}]
    if last.get("role") == "assistant":
        return _chat.messages(before), last
    return _chat.messages(turns), {}
