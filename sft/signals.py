"""What a teacher thinks of a corpus' tokens, on disk: its top k log-probabilities, as Parquet in shards.

One row for each row of the corpus, found by its id and a hash of its tokens:

    sample_id   string
    tokens      string         hash of the row's token ids and of which of them are trained on
    places      int32          n: how many tokens are trained on
    ids         list<int32>    n x k, token ids of the *student*, the teacher's most probable first
    logprobs    list<float16>  n x k, natural logarithms at temperature 1
    tail        list<float16>  n, the logarithm of what the k leave over

and in the file's metadata (`tracegen`) its origin: k, and what identifies teacher, tokenizers and chat template.
Precision: float16 is good to 1 part in 2,000 of each logarithm, where a teacher in bfloat16 has logits with steps of
1/16 and more. The tail is kept beside them, because a sum of rounded probabilities says little of what is missing to 1,
which a high temperature makes large; with it a distribution is off by 1e-7 nats of KL (SmolLM2-135M, k = 64).
Size: 2.6 bytes an entry, 170 a token at k = 64, the ids and the logarithms each split into streams of like bytes.
Limits: a row group is read whole, so it is small. What a reader holds in memory is where each row lies.
"""

import hashlib
import json
import os
import time
from array import array
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import numpy
import pyarrow
import pyarrow.parquet as parquet
from numpy.typing import NDArray

from sft.data import Row
from tracegen.records import UsageError

SCHEMA = pyarrow.schema(
    [
        ("sample_id", pyarrow.string()),
        ("tokens", pyarrow.string()),
        ("places", pyarrow.int32()),
        ("ids", pyarrow.list_(pyarrow.int32())),
        ("logprobs", pyarrow.list_(pyarrow.float16())),
        ("tail", pyarrow.list_(pyarrow.float16())),
    ]
)
KEY = b"tracegen"
IMPOSSIBLE = -9999.0
"""Instead of -inf, as vLLM's server says it: no divergence may become infinite."""
VALUES = ("ids", "logprobs", "tail")
LEAST = 1e-8
"""Of a tail: less is the rounding of a float32 that was summed up."""
GROUP_BYTES = 2**18
"""Of a row group, uncompressed: a row is read with its neighbours, in about a millisecond."""
SHARD_BYTES, SHARD_SECONDS = 2**28, 60.0
"""A shard ends at either, and a kill costs one; the seconds are those of a training's checkpoints."""
OPEN = 64
"""Shards that a reader has open at once."""


class Key(NamedTuple):
    """What a row is found by."""

    sample_id: str
    tokens: str


def key(row: Row) -> Key:
    """The row's id, and a hash of what it holds."""
    digest = hashlib.sha256(array("q", row.input_ids).tobytes())
    digest.update(array("q", row.places).tobytes())
    return Key(row.sample_id, digest.hexdigest()[:32])


class Writer:
    """Appends shards to a folder; each appears under its name when it is whole."""

    def __init__(self, folder: Path, origin: Mapping[str, Any]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.schema = SCHEMA.with_metadata({KEY: json.dumps(origin)})
        self._waiting: list[dict[str, Any]] = []
        self._waiting_bytes = self._shard_bytes = 0
        self._since = time.monotonic()
        self._writer: Any = None

    def __enter__(self) -> Self:
        return self

    def add(self, row: Key, ids: NDArray[numpy.int32], logprobs: NDArray[numpy.float32]) -> None:
        """One row's ids and logprobs [n, k]."""
        halves = logprobs.clip(IMPOSSIBLE).astype(numpy.float16)
        tail = numpy.log(numpy.clip(1 - numpy.exp(logprobs.astype(numpy.float64)).sum(1), LEAST, 1))
        flat = {"ids": ids.ravel(), "logprobs": halves.ravel(), "tail": tail.astype(numpy.float16)}
        self._waiting.append({**row._asdict(), "places": len(ids), **flat})
        self._waiting_bytes += ids.nbytes + halves.nbytes
        if self._waiting_bytes >= GROUP_BYTES:
            self._flush()
        if self._shard_bytes >= SHARD_BYTES or time.monotonic() - self._since > SHARD_SECONDS:
            self._end()

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Whatever ended it, what has come is whole rows.
        self._end()

    def _flush(self) -> None:
        if not self._waiting:
            return
        columns = [pyarrow.array([row[name] for row in self._waiting], kind) for name, kind in _types()]
        if self._writer is None:
            split = dict.fromkeys([f"{name}.list.element" for name in VALUES], "BYTE_STREAM_SPLIT")
            self._writer = parquet.ParquetWriter(
                self._beside,
                self.schema,
                compression="zstd",
                compression_level=3,
                use_dictionary=False,
                column_encoding=split,
                write_statistics=False,
            )
        self._writer.write_table(pyarrow.table(columns, schema=self.schema))
        self._shard_bytes += self._waiting_bytes
        self._waiting, self._waiting_bytes = [], 0

    def _end(self) -> None:
        self._flush()
        if self._writer is not None:
            self._writer.close()
            with self._beside.open("rb") as file:
                os.fsync(file.fileno())
            taken = [int(path.stem.rpartition("-")[2]) for path in shards(self.folder)]
            self._beside.rename(self.folder / f"signals-{max(taken, default=-1) + 1:05}.parquet")
        self._writer, self._shard_bytes, self._since = None, 0, time.monotonic()

    @property
    def _beside(self) -> Path:
        return self.folder / ".signals.parquet"


class Reader:
    """Finds rows in the shards of a folder. `origin` is that of the first shard, {} where there is none."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.origin: dict[str, Any] = {}
        self.where: dict[Key, tuple[int, int, int]] = {}
        """Shard, row group, and row in it."""
        self.names: set[str] = set()
        self.places = self.bytes = 0
        self._shards = shards(folder)
        self._opened = lru_cache(OPEN)(self._open)
        for number, path in enumerate(self._shards):
            file = self._opened(number)
            self.bytes += path.stat().st_size
            origin = json.loads((file.schema_arrow.metadata or {}).get(KEY, b"{}"))
            self.origin = self.origin or origin
            if origin != self.origin:
                raise UsageError(
                    f"{path} and {self._shards[0]} were not captured alike; keep them in folders of their own."
                )
            for group in range(file.num_row_groups):
                found = file.read_row_group(group, columns=["sample_id", "tokens", "places"]).to_pydict()
                self.places += sum(found["places"])
                self.names.update(found["sample_id"])
                for line, pair in enumerate(zip(found["sample_id"], found["tokens"], strict=True)):
                    self.where[Key(*pair)] = number, group, line

    def read(self, keys: list[Key]) -> dict[Key, tuple[NDArray[numpy.int32], NDArray[numpy.float32]]]:
        """Ids and logprobs [n, k] of each, the probabilities with the tail summing to 1; a row group is read once."""
        k, found = int(self.origin["k"]), {}
        last: tuple[int, int] | None = None
        for shard, group, line, own in sorted((*self.where[own], own) for own in keys):
            if last != (shard, group):
                table = self._opened(shard).read_row_group(group, columns=list(VALUES)).combine_chunks()
                last = shard, group
            ids, halves, tail = (table[name].chunk(0)[line].values.to_numpy() for name in VALUES)
            logprobs = halves.reshape(-1, k).astype(numpy.float64)
            rest = 1 - numpy.exp(tail.astype(numpy.float64))
            logprobs += numpy.log(rest.clip(LEAST) / numpy.exp(logprobs).sum(1))[:, None]
            found[own] = ids.reshape(-1, k), logprobs.astype(numpy.float32)
        return found

    def _open(self, number: int) -> parquet.ParquetFile:
        path = self._shards[number]
        try:
            return parquet.ParquetFile(path, memory_map=True)
        except pyarrow.ArrowInvalid as error:
            raise UsageError(
                f"{path} holds no signals ({' '.join(str(error).split())}); remove it, and capture again."
            ) from None


def shards(folder: Path) -> list[Path]:
    """The finished ones."""
    return sorted(folder.glob("signals-*.parquet"))


def _types() -> list[tuple[str, pyarrow.DataType]]:
    return [(field.name, field.type) for field in SCHEMA]
