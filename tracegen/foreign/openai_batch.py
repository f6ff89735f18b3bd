"""Files of an OpenAI-style Batch API: output lines, and the input lines that say what was asked.

Both kinds may come in any order and in one list; an output line finds its prompt by `custom_id`. Limit: the requests
are held in memory.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tracegen.foreign import Answer, _chat, _files


def openai_batch(paths: Sequence[Path]) -> Iterator[Answer]:
    """The answers in output files whose requests stand in input files."""
    requests: dict[str, dict[str, Any]] = {}
    for _, _, row in _files.rows(paths):
        if row and isinstance(row.get("body"), dict):
            requests[str(row.get("custom_id"))] = _chat.asked(row["body"])
    for file, number, row in _files.rows(paths):
        if row and isinstance(row.get("body"), dict):
            continue
        if row is None or "custom_id" not in row:
            yield Answer(file, number, error="the line is neither a request nor an answer of a batch")
            continue
        asked: dict[str, Any] = requests.get(str(row["custom_id"]), {})
        response = row.get("response") or {}
        body = response.get("body") or {}
        if row.get("error") or body.get("error") or response.get("status_code", 200) != 200:
            yield Answer(file, number, error=f"it failed: {_why(row, response)}", **asked)
            continue
        found = list(_chat.answers(body))
        if not found:
            yield Answer(file, number, error="it holds no text", **asked)
        for fields in found:
            known: dict[str, Any] = {"model": body.get("model")} | asked | fields
            yield Answer(file, number, **known)


def _why(row: dict[str, Any], response: dict[str, Any]) -> str:
    error = row.get("error") or (response.get("body") or {}).get("error") or {}
    said = error.get("message") if isinstance(error, dict) else error
    return str(said or f"status {response.get('status_code')}")
