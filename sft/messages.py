"""Chats from a corpus: a run's own folder, a file, another local folder, or a data set on the Hub.

Shape: `chats(corpus)` yields where the row stands, its id, and its messages; a turn's `reasoning_content` is put into
its content as a `<think>` block. Every mistake in a row is a UsageError that names the row.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tracegen import rows
from tracegen.format import join
from tracegen.records import UsageError

Messages = list[dict[str, str]]
IDS = ("key", "sample_id", "id", "problem_id")
"""Columns that may name a row, the most specific first."""


def chats(corpus: str) -> Iterator[tuple[str, str, Messages]]:
    """Every row of the corpus; `name:config` picks a configuration on the Hub, always of the split `train`."""
    for number, (where, row) in enumerate(_read(corpus)):
        messages = row.get("messages")
        if messages is None:
            raise UsageError(
                f"{where} has no `messages`; its columns are {', '.join(row) or 'none'}. A corpus needs a column "
                "`messages` of chat messages, each with role and content."
            )
        yield where, str(next((row[name] for name in IDS if row.get(name)), number)), _messages(messages, where)


def _read(corpus: str) -> Iterator[rows.Row]:
    path = Path(corpus)
    # A run's own corpus, or any data set that was downloaded: the Hub's usual place for files.
    if files := sorted(path.glob("data/curated/train-*.parquet")) or sorted(path.glob("data/train-*.parquet")):
        return (row for file in files for row in _parquet(file))
    if path.is_file() and path.suffix in (".jsonl", ".json"):
        return rows.json_lines(path)
    if path.is_file() and path.suffix == ".parquet":
        return _parquet(path)
    if path.is_file():
        raise UsageError(f"{corpus} is not a corpus; a file must be .jsonl or .parquet.")
    if not path.is_dir() and corpus.startswith((".", "/", "~")):
        raise UsageError(f"there is no corpus {corpus}; name a folder, a .jsonl or .parquet file, or a Hub data set.")
    name, _, config = corpus.partition(":") if not path.is_dir() else (corpus, "", "")
    return rows.hub(name, config or None, "train")


def _parquet(file: Path) -> Iterator[rows.Row]:
    import pyarrow
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.ParquetFile(file)
    except pyarrow.ArrowInvalid as error:
        raise UsageError(f"{file} is not a Parquet file ({rows.one_line(error)}).") from None
    present = set(table.schema_arrow.names)
    # Some tables carry whole model outputs in columns that nobody asked for.
    wanted = [name for name in ("messages", *IDS) if name in present] if "messages" in present else None
    number = 0
    for batch in table.iter_batches(batch_size=1000, columns=wanted):
        for row in batch.to_pylist():
            yield f"{file}, row {number}", row
            number += 1


def _messages(given: Any, where: str) -> Messages:
    if not isinstance(given, Sequence) or isinstance(given, str):
        raise UsageError(f"{where}: `messages` must be a list of chat messages, not {rows.kind(given)}.")
    messages = []
    for turn in given:
        role, content = (turn.get("role"), turn.get("content")) if isinstance(turn, Mapping) else (None, None)
        if not isinstance(role, str) or not isinstance(content, str | None):
            raise UsageError(f"{where}: every message needs a role and a content that is text.")
        content = content or ""
        if (reasoning := turn.get("reasoning_content")) and "</think>" not in content:
            content = join(str(reasoning).strip(), content.strip())
        messages.append({"role": role, "content": content})
    return messages
