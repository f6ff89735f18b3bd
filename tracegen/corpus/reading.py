"""A corpus is read back: its files, and the chats that a student is trained on."""

from pathlib import Path
from typing import Any

from tracegen.records import UsageError


def shards_of(corpus: Path, config: str = "curated") -> list[Path]:
    """The files of one config, in order; nothing where there is no corpus."""
    return sorted((corpus / "data" / config).glob("train-*.parquet"))


def chats(corpus: Path) -> list[Any]:
    """The column `messages` of the curated rows, in memory."""
    import pyarrow.parquet as parquet

    if not (files := shards_of(corpus)):
        raise UsageError(f"there is no corpus in {corpus}; run `tracegen curate` first.")
    rows: list[Any] = parquet.read_table(files, columns=["messages"])["messages"].to_pylist()
    return rows
