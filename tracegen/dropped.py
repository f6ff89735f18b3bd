"""What filters dropped, on disk: the whole traces by filter, and one small row each for whoever counts them.

Shape: `<filter>.jsonl`, a trace as a row with `filter`, `reason` and `detail` (what the filter noted, or null), and
`reasons.parquet` with COLUMNS, `detail` as JSON text. Memory: BATCH small rows.
"""

import json
import re
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tracegen.fates import Drop
from tracegen.records import Trace, Verdict

REASONS = "reasons.parquet"
COLUMNS = ("key", "problem_id", "teacher", "sample", "filter", "reason", "detail")
BATCH = 10_000
LONGEST = 200
"""Characters of a file's name, where file systems take 255 bytes."""


class Dropped:
    """Writes into an existing folder, in a `with` block; every filter gets its file, dropped traces or none."""

    def __init__(self, folder: Path, filters: Iterable[str]) -> None:
        import pyarrow
        import pyarrow.parquet as parquet

        types = {"sample": pyarrow.int32()}
        self._schema = pyarrow.schema([(column, types.get(column, pyarrow.string())) for column in COLUMNS])
        self._open = ExitStack()
        # In a JSON string the escape of half a surrogate pair, `\ud800`, is what backslashreplace writes for it.
        self._files = {
            file: self._open.enter_context((folder / file).open("w", encoding="utf-8", errors="backslashreplace"))
            for file in {file_of(name) for name in filters}
        }
        self._reasons = self._open.enter_context(
            parquet.ParquetWriter(folder / REASONS, self._schema, compression="zstd")
        )
        self._rows: list[dict[str, Any]] = []

    def add(self, trace: Trace, drop: Drop) -> None:
        """A trace that one of the filters dropped."""
        why = drop._asdict()
        whole = {name: getattr(trace, name) for name in Trace.__slots__} | why
        if trace.verdict:
            whole["verdict"] = {name: getattr(trace.verdict, name) for name in Verdict.__slots__}
        self._files[file_of(drop.filter)].write(json.dumps(whole, ensure_ascii=False, default=str) + "\n")
        row = {column: getattr(trace, column) for column in COLUMNS if column not in why} | why
        row["detail"] = None if drop.detail is None else json.dumps(drop.detail, ensure_ascii=False, default=str)
        self._rows.append({column: _clean(value) for column, value in row.items()})
        if len(self._rows) >= BATCH:
            self._write()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with self._open:
            if kind is None:
                self._write()

    def _write(self) -> None:
        import pyarrow

        self._reasons.write_table(pyarrow.Table.from_pylist(self._rows, self._schema))
        self._rows.clear()


def file_of(name: str) -> str:
    """The file of a filter's drops. The name of a user's own holds a path; two that look alike share a file."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", name)[-LONGEST:].lstrip(".") + ".jsonl"


def _clean(value: Any) -> Any:
    """Parquet takes valid Unicode only, and a model may write half a surrogate pair."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
