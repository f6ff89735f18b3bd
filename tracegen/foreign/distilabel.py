"""distilabel's rows: Parquet, Arrow or JSON lines with `generation` and, where it was kept, `distilabel_metadata`.

What the model was asked stands in the metadata (`raw_input_<task>`), or is rebuilt from `system_prompt` and
`instruction`. Grouped generations are one answer each. distilabel keeps no reason for the end of a text: one that was
cut off cannot be told from one that came to its end.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tracegen.foreign import Answer, _chat, _files


def distilabel(paths: Sequence[Path]) -> Iterator[Answer]:
    """The answers in files, or in a folder that a Distiset was saved to."""
    for file, number, row in _files.rows(paths):
        if row is None or ("generation" not in row and "distilabel_metadata" not in row):
            yield Answer(file, number, error="the row has no generation")
            continue
        several, said = row.get("distilabel_metadata") or {}, row.get("generation")
        texts = said if isinstance(said, list) else [said]
        metadata = several if isinstance(several, list) else [several] * len(texts)
        for text, one in zip(texts, metadata, strict=False):
            yield _answer(file, number, row, text, one or {})


def _answer(file: str, number: int, row: Mapping[str, Any], text: Any, metadata: Mapping[str, Any]) -> Answer:
    asked: dict[str, Any] = {"messages": _prompt(row, metadata), "model": row.get("model_name")}
    text = text if isinstance(text, str) else _of_task(metadata, "raw_output_")
    statistics = _of_task(metadata, "statistics_") or {}
    if not isinstance(text, str) or not text:
        return Answer(file, number, error="it holds no text", **asked)
    prompt, completion = _number(statistics.get("input_tokens")), _number(statistics.get("output_tokens"))
    return Answer(file, number, text=text, prompt_tokens=prompt, completion_tokens=completion, **asked)


def _prompt(row: Mapping[str, Any], metadata: Mapping[str, Any]) -> Any:
    if isinstance(found := _of_task(metadata, "raw_input_"), list):
        return _chat.messages(found)
    if isinstance(row.get("messages"), list):
        return tuple(message for message in _chat.messages(row["messages"]) if message["role"] != "assistant")
    system = [{"role": "system", "content": row["system_prompt"]}] if row.get("system_prompt") else []
    asked = row.get("instruction") or row.get("prompt")
    return (*system, {"role": "user", "content": asked}) if isinstance(asked, str) else ()


def _of_task(metadata: Mapping[str, Any], name: str) -> Any:
    """The field that bears the task's name behind its own; of several tasks, the last that has it."""
    found = [value for field, value in metadata.items() if field.startswith(name) and value is not None]
    return found[-1] if found else None


def _number(found: Any) -> int | None:
    found = found[0] if isinstance(found, list) and found else found
    return int(found) if isinstance(found, int | float) else None
