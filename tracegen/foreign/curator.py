"""Bespoke Curator's cache: `responses_0.jsonl` and so on, one generic response a line.

`response_message` is the text alone; where the server's own answer stands in `raw_response`, the thinking is taken from
there. What failed has `response_errors`.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from tracegen.foreign import Answer, _chat, _files


def curator(paths: Sequence[Path]) -> Iterator[Answer]:
    """The answers in files or in a working directory of Curator's."""
    for file, number, row in _files.rows(paths, inside=["responses_*.jsonl"]):
        if row is None or not isinstance(request := row.get("generic_request"), dict):
            yield Answer(file, number, error="the line is no response of Curator's")
            continue
        asked = _chat.asked(request) | {"sampling": dict(request.get("generation_params") or {})}
        if row.get("response_errors"):
            yield Answer(file, number, error="it failed: " + "; ".join(map(str, row["response_errors"])), **asked)
            continue
        raw, said = row.get("raw_response") or {}, row.get("response_message")
        usage = row.get("token_usage") or {}
        found = next(_chat.answers(raw), None)
        if found is None:
            found = {"text": said if isinstance(said, str) else "", "finish_reason": row.get("finish_reason")}
        if found.get("completion_tokens") is None:
            found |= {"prompt_tokens": usage.get("input"), "completion_tokens": usage.get("output")}
        if not found["text"] and not found.get("reasoning"):
            yield Answer(file, number, error="it holds no text", **asked)
        else:
            yield Answer(file, number, **asked, **found)
