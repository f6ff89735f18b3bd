"""Sealed segments: rows as Parquet columns, of which a reader takes only those that it needs.

A column bears the name of the row's field. `prompt` and `sampling` are JSON text. What Parquet cannot hold as it is (a
field that no column has, half a surrogate pair, a field that the row lacks) stands in `rest`, so that a row comes back
equal to what went in.
"""

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tracegen.ledger.ranks import MEND, Row
from tracegen.records import UsageError

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

GROUP_BYTES = 8 << 20
"""Text of one row group: what is read to get at one row, and what stands in memory while a segment is sealed."""
TEXT, JSON, WHOLE, REAL, YES_NO = "string", "json", "int64", "float64", "bool"
COLUMNS = {
    "key": TEXT,
    "problem_id": TEXT,
    "teacher": TEXT,
    "sample": WHOLE,
    "model": TEXT,
    "revision": TEXT,
    "prompt": JSON,
    "max_tokens": WHOLE,
    "sampling": JSON,
    "text": TEXT,
    "reasoning": TEXT,
    "finish_reason": TEXT,
    "prompt_tokens": WHOLE,
    "completion_tokens": WHOLE,
    "prefix_tokens": WHOLE,
    "forced": YES_NO,
    "error": TEXT,
    "seconds": REAL,
    "started": REAL,
    "time": REAL,
    "engine": TEXT,
    "imported": TEXT,
}
OPTIONAL = {"prefix_tokens": 0, "forced": False, "engine": None, "started": None, "imported": None}
"""Fields that a row may lack, and what that means: null in the column is a field that the row lacks."""
PYTHON = {TEXT: (str,), WHOLE: (), REAL: (float,), YES_NO: (bool,)}
LARGEST = {WHOLE: (1 << 63) - 1, REAL: 1 << 53}
"""The whole numbers that a column holds exactly."""
FEW_VALUES = ["problem_id", "teacher", "model", "revision", "prompt", "sampling", "finish_reason", "engine", "error"]
LONG = {"text", "reasoning", "prompt"}
FEW, MANY = 500, 1 << 16
"""Rows that are read at a time, with long texts and without."""
REPLACES = b"tracegen.replaces"
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def write(path: Path, rows: Iterable[Row], replaced: Sequence[str]) -> None:
    """Make a sealed segment out of rows, whole or not at all; from then on it stands for the segments `replaced`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    fields = [(name, "string" if kind == JSON else kind) for name, kind in [*COLUMNS.items(), ("rest", TEXT)]]
    schema = pa.schema(fields, metadata={REPLACES: json.dumps(list(replaced))})
    beside = path.with_name(f".{path.name}.new")
    try:
        with beside.open("wb") as file:
            options: dict[str, Any] = {"compression": "zstd", "write_page_checksum": True}
            with pq.ParquetWriter(file, schema, use_dictionary=FEW_VALUES, **options) as writer:
                for group in _groups(rows):
                    columns = zip(*group, strict=True)
                    arrays = [pa.array(values, kind) for values, (_, kind) in zip(columns, fields, strict=True)]
                    writer.write_batch(pa.record_batch(arrays, schema=schema))
            file.flush()
            os.fsync(file.fileno())
        beside.rename(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def rows(path: Path, columns: Sequence[str] | None = None, chosen: Sequence[int] | None = None) -> Iterator[Row]:
    """The rows of a sealed segment, whole or only some fields of them; `chosen` holds a 1 for each that is wanted."""
    first = 0
    for batch in batches(path, None if columns is None else [*columns, "rest"]):
        wanted = None if chosen is None else [at for at, yes in enumerate(chosen[first : first + len(batch)]) if yes]
        first += len(batch)
        if wanted != []:
            yield from _restored(batch if wanted is None or len(wanted) == len(batch) else batch.take(wanted))


def readable_rows(path: Path) -> Iterator[Row]:
    """Of a damaged segment, the rows of all row groups that can be read."""
    import pyarrow as pa

    try:
        with opened(path) as file:
            for group in range(file.num_row_groups):
                with suppress(pa.ArrowException, OSError):
                    yield from list(_restored(file.read_row_group(group)))
    except UsageError:
        return


def row_at(path: Path, number: int) -> Row | None:
    """The row with this number, from 0."""
    stat = path.stat()
    with opened(path) as file:
        for group in range(file.num_row_groups):
            size = file.metadata.row_group(group).num_rows
            if number < size:
                table = _group(path, group, stat.st_mtime_ns, stat.st_size).slice(number, 1)
                return next(_restored(table))
            number -= size
    return None


def replaces(path: Path) -> list[str]:
    """The names of the segments that this one stands for; none where it is damaged."""
    try:
        with opened(path) as file:
            return list(json.loads((file.schema_arrow.metadata or {}).get(REPLACES, b"[]")))
    except UsageError:
        return []


def batches(path: Path, columns: Sequence[str] | None) -> "Iterator[pa.RecordBatch]":
    """Some columns of a sealed segment, piece by piece; those that it lacks are passed over."""
    import pyarrow as pa

    with opened(path) as file:
        names = file.schema_arrow.names
        wanted = names if columns is None else [name for name in columns if name in names]
        try:
            yield from file.iter_batches(columns=wanted, batch_size=FEW if LONG & set(wanted) else MANY)
        except (pa.ArrowException, OSError) as error:
            raise damaged(path, error) from None


def opened(path: Path) -> "pq.ParquetFile":
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(path, page_checksum_verification=True)
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError) as error:
        raise damaged(path, error) from None


def damaged(path: Path, error: Exception) -> UsageError:
    reason = str(error).splitlines()[0].rstrip(".")
    return UsageError(f"{path} is damaged: {reason}. {MEND}")


@lru_cache(maxsize=1)
def _group(path: Path, number: int, *_version: int) -> "pa.Table":
    with opened(path) as file:
        return file.read_row_group(number)


def _groups(rows: Iterable[Row]) -> Iterator[list[list[Any]]]:
    """The values of as many rows at a time as one row group holds."""
    group: list[list[Any]] = []
    size = 0
    for row in rows:
        values = _values(row)
        group.append(values)
        size += 100 + sum(len(value) for value in values if type(value) is str)
        if size > GROUP_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group


def _values(row: Row) -> list[Any]:
    """A row as the values of all columns, and what does not fit in as the last one."""
    values: list[Any] = []
    misfits = {name: row[name] for name in row.keys() - COLUMNS.keys()}
    for name, kind in COLUMNS.items():
        value = row.get(name)
        if name in row and not _fits(name, kind, value):
            misfits[name] = value
            # A text is there to be looked for all the same.
            value = value.encode("utf-8", "replace").decode() if type(value) is str and kind == TEXT else None
        elif name in row and kind == JSON:
            value = _encode(value)
        values.append(value)
    lacking = [name for name in COLUMNS.keys() - row.keys() if name not in OPTIONAL]
    # ASCII, so that half of a surrogate pair gets through.
    values.append(json.dumps([misfits, lacking]) if misfits or lacking else None)
    return values


def _fits(name: str, kind: str, value: Any) -> bool:
    """Whether a column gives this very value back."""
    if kind == JSON:
        return _plain(_encode(value))
    if value is None:
        return name not in OPTIONAL
    if type(value) is int and kind in LARGEST:
        return abs(value) <= LARGEST[kind]
    return type(value) in PYTHON[kind] and (kind != TEXT or _plain(value))


def _plain(text: str) -> bool:
    """Whether a text can stand in a file: half of a surrogate pair, as a model may write it, cannot."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _restored(batch: "pa.RecordBatch | pa.Table") -> Iterator[Row]:
    names = [name for name in batch.schema.names if name != "rest"]
    optional = [name for name in names if name in OPTIONAL]
    texts = [name for name in names if COLUMNS.get(name) == JSON]
    rests = batch.column("rest").to_pylist()
    for values, rest in zip(zip(*(batch.column(name).to_pylist() for name in names), strict=True), rests, strict=True):
        row = dict(zip(names, values, strict=True))
        for name in texts:
            if row[name] is not None:
                row[name] = json.loads(row[name])
        for name in optional:
            if row[name] is None:
                del row[name]
        if rest is not None:
            misfits, lacking = json.loads(rest)
            for name in lacking:
                row.pop(name, None)
            row.update(misfits)
        yield row
