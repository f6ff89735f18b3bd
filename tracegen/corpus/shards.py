"""Parquet files of one config, written row by row: `train-00000-of-00003.parquet` and so on.

Memory: one row group. Limits: a file is cut between row groups, so the last may be small. The same rows in the same
order give the same bytes.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tracegen.corpus.columns import Columns

GROUP_ROWS, GROUP_BYTES = 1000, 32_000_000
"""A row group ends at either: some tens of megabytes are what the Hub's viewer and streaming readers like best."""
SHARD_BYTES = 500_000_000
"""Bytes of a file in memory, uncompressed: the size at which the `datasets` library cuts what it pushes."""


class Written(NamedTuple):
    """What one config takes."""

    rows: int
    bytes: int
    """In memory, uncompressed, as `dataset_info` counts them."""
    download: int
    """On disk."""


class Shards:
    """One config at a time is open for each of these; `close` gives the files their final names."""

    def __init__(
        self, folder: Path, columns: Columns, *, shard_bytes: int = SHARD_BYTES, group_rows: int = GROUP_ROWS
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.shard_bytes, self.group_rows = folder, shard_bytes, group_rows
        self.schema = _schema(columns)
        self.rows = self.bytes = 0
        self._waiting: list[dict[str, Any]] = []
        self._characters = 0
        self._writer: Any = None
        self._in_shard = 0
        self._shards = 0

    def add(self, row: Mapping[str, Any]) -> None:
        self._waiting.append({name: _clean(row[name]) for name in self.schema.names})
        self._characters += sum(len(value) for value in row.values() if isinstance(value, str))
        self._characters += sum(len(message["content"]) for message in row.get("messages") or ())
        if len(self._waiting) >= self.group_rows or self._characters >= GROUP_BYTES:
            self._flush()

    def close(self) -> Written:
        """Write what is left; a config without a row is one empty file with the schema."""
        if self._waiting or not self._shards:
            self._flush()
        self._end_shard()
        download = 0
        for number in range(self._shards):
            path = self.folder / f"train-{number:05}-of-{self._shards:05}.parquet"
            self._open_name(number).rename(path)
            download += path.stat().st_size
        return Written(self.rows, self.bytes, download)

    def _flush(self) -> None:
        import pyarrow
        import pyarrow.parquet as parquet

        table = pyarrow.Table.from_pylist(self._waiting, self.schema)
        if self._writer is None:
            # The page index lets a reader of one column skip the texts of the others.
            self._writer = parquet.ParquetWriter(
                self._open_name(self._shards), self.schema, compression="zstd", write_page_index=True
            )
            self._shards += 1
        self._writer.write_table(table, row_group_size=GROUP_ROWS)
        self.rows += table.num_rows
        self.bytes += table.nbytes
        self._in_shard += table.nbytes
        self._waiting, self._characters = [], 0
        if self._in_shard >= self.shard_bytes:
            self._end_shard()

    def _end_shard(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._writer, self._in_shard = None, 0

    def _open_name(self, number: int) -> Path:
        """How many there will be is not known while they are written."""
        return self.folder / f".train-{number:05}.parquet"


def _schema(columns: Columns) -> Any:
    import pyarrow

    message = pyarrow.struct([("role", pyarrow.string()), ("content", pyarrow.string())])
    types = {"string": pyarrow.string(), "int32": pyarrow.int32(), "bool": pyarrow.bool_()}
    types |= {"float64": pyarrow.float64(), "messages": pyarrow.list_(message)}
    return pyarrow.schema([(name, types[kind]) for name, (kind, _) in columns.items()])


def _clean(value: Any) -> Any:
    """Valid Unicode: a server may send half a surrogate pair, which neither Parquet nor UTF-8 can hold."""
    if isinstance(value, list):
        return [{name: _clean(text) for name, text in message.items()} for message in value]
    if not isinstance(value, str) or value.isascii():
        return value
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
