"""Rows of JSON lines, Parquet and Arrow files, and of all such files in a folder."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tracegen.records import UsageError

KINDS = (".jsonl", ".json", ".parquet", ".arrow")


class Found(NamedTuple):
    """A row and where it stands; `row` is None where a line cannot be read."""

    file: str
    number: int
    row: dict[str, Any] | None


def rows(paths: Iterable[Path]) -> Iterator[Found]:
    """The rows of all files, in order; of a folder, those of every file in it that has a known kind."""
    for path in paths:
        if path.is_dir():
            inside = sorted(found for found in path.rglob("*") if found.suffix in KINDS)
            if not inside:
                raise UsageError(f"{path} holds no file that ends in {', '.join(KINDS)}.")
            yield from rows(inside)
        elif not path.is_file():
            raise UsageError(f"there is no file {path}.")
        else:
            for number, row in enumerate(_read(path), 1):
                yield Found(str(path), number, row if isinstance(row, dict) else None)


def _read(path: Path) -> Iterator[Any]:
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        for batch in pq.ParquetFile(path).iter_batches(batch_size=256):
            yield from batch.to_pylist()
    elif path.suffix == ".arrow":
        import pyarrow as pa

        with pa.memory_map(str(path)) as source:
            for batch in pa.ipc.open_stream(source):
                yield from batch.to_pylist()
    else:
        with path.open("rb") as lines:
            for line in filter(bytes.strip, lines):
                try:
                    yield json.loads(line)
                except ValueError:
                    yield None
