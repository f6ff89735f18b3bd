"""Rows of JSON lines, Parquet and Arrow files, and of all such files in a folder."""

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tracegen.records import UsageError

KINDS = ("*.jsonl", "*.parquet", "*.arrow")


class Found(NamedTuple):
    """A row and where it stands; `row` is None where a line cannot be read."""

    file: str
    number: int
    row: dict[str, Any] | None


def rows(paths: Iterable[Path], inside: Sequence[str] = KINDS) -> Iterator[Found]:
    """The rows of all files, in order; of a folder, those of every file in it whose name is one of `inside`."""
    for path in paths:
        if path.is_dir():
            if not (found := sorted({file for kind in inside for file in path.rglob(kind)})):
                raise UsageError(f"{path} holds no file named {' or '.join(inside)}.")
            yield from rows(found)
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
