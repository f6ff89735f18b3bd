"""Problems on disk, found by their ids: memory holds where they stand, so a million of them are no burden.

Shape: `add` while they are read from their source, then a mapping. The file is temporary; `save` gives it a name.
Limits: what a problem holds comes back as JSON has it, so tuples are lists.
"""

import json
import os
import shutil
import tempfile
import weakref
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Mapping, ValuesView
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from tracegen.records import Problem

__all__ = ["Stored"]

RECENT = 64
"""Problems that are kept in memory as well: the samples of one are asked and judged close together."""
BLOCK, BLOCKS = 1 << 16, 16
"""Bytes that are read at once, and how many such blocks are kept: neighbours are asked, judged and walked together."""


class Stored(Mapping[str, Problem]):
    """Problems by id, in the order in which they were added."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="tracegen-problems-")  # noqa: SIM115
        weakref.finalize(self, self._file.close)
        self._numbers: dict[str, int] = {}
        self._ends = array("Q", [0])
        self._heads = array("Q")
        """The first problem of each block."""
        self._hash = sha256()
        self._block = lru_cache(BLOCKS)(self._read_block)
        self._recent = lru_cache(RECENT)(self._read)

    def add(self, problem: Problem) -> None:
        """KeyError if there is one of this id."""
        if problem.id in self._numbers:
            raise KeyError(problem.id)
        line = _line(problem)
        self._file.write(line)
        self._hash.update(line)
        self._block.cache_clear()
        if not self._heads or self._ends[-1] + len(line) - self._ends[self._heads[-1]] > BLOCK:
            self._heads.append(len(self._numbers))
        self._numbers[problem.id] = len(self._numbers)
        self._ends.append(self._ends[-1] + len(line))

    def save(self, path: Path) -> None:
        """Write them as JSON lines, in one step."""
        beside = path.with_name(f".{path.name}.new")
        self._file.flush()
        self._file.seek(0)
        with beside.open("wb") as file:
            shutil.copyfileobj(self._file, file, 1 << 20)
        self._file.seek(0, os.SEEK_END)
        os.replace(beside, path)

    def fingerprint(self) -> str:
        """A hash of them all."""
        return self._hash.hexdigest()

    def __getitem__(self, name: str) -> Problem:
        return self._recent(self._numbers[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._numbers)

    def __len__(self) -> int:
        return len(self._numbers)

    def __contains__(self, name: object) -> bool:
        return name in self._numbers

    def values(self) -> ValuesView[Problem]:
        return _Values(self)

    def _read(self, number: int) -> Problem:
        block = bisect_right(self._heads, number) - 1
        start = self._ends[self._heads[block]]
        return Problem(**json.loads(self._block(block)[self._ends[number] - start : self._ends[number + 1] - start]))

    def _read_block(self, block: int) -> bytes:
        """Its lines; each read lets other threads go first, which for single lines would cost more than the reading."""
        self._file.flush()
        heads = self._heads
        behind = heads[block + 1] if block + 1 < len(heads) else len(self._numbers)
        start, end = self._ends[heads[block]], self._ends[behind]
        return os.pread(self._file.fileno(), end - start, start)


class _Values(ValuesView[Problem]):
    """Reads past the recent ones, which a walk over all of them would only push out."""

    _mapping: Stored

    def __iter__(self) -> Iterator[Problem]:
        return map(self._mapping._read, range(len(self._mapping)))


def _line(problem: Problem) -> bytes:
    row = {name: getattr(problem, name) for name in Problem.__slots__}
    try:
        return json.dumps(row, ensure_ascii=False).encode() + b"\n"
    except UnicodeEncodeError:  # half of a surrogate pair
        return json.dumps(row).encode() + b"\n"
