"""Which keys are answered, held in memory: of a finished one its key alone, of one cut off where its text stands.

A million finished keys take some 120 MB. Of sealed segments only the columns are read that decide a row's rank.
"""

from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from struct import iter_unpack
from typing import NamedTuple

from tracegen.ledger import sealed
from tracegen.ledger.ranks import RANKED_BY, Rank, Row, length, rank
from tracegen.ledger.segments import row_at, rows


class Place(NamedTuple):
    """Where a row stands, in a live segment or in the sealed one that takes its place."""

    tokens: int
    """Of the whole text: the longest is what is gone on from."""
    stem: Path
    number: int
    byte: int


NOWHERE = Place(0, Path(), 0, 0)
WORDS = {Rank.FINISHED: "finished", Rank.TRUNCATED: "cut off", Rank.FORCED: "forced", Rank.FAILED: "failed"}


@dataclass(frozen=True)
class Found:
    """What a start found in the ledger."""

    ranks: Counter[Rank]
    segments: int = 0
    torn: int = 0
    """Bytes of unfinished lines that a crash had left and this start cut off."""
    lost: tuple[str, ...] = ()
    """Segments that are shorter than they were at the end of an earlier launch, or gone."""

    @property
    def rows(self) -> int:
        return self.ranks.total()

    def sentence(self) -> str:
        """What a user wants to know of it; empty where there was nothing."""
        parts = [f"{count:,} {word}" for kind, word in WORDS.items() if (count := self.ranks[kind])]
        said = [f"{self.rows:,} answers in {_counted(self.segments, 'segment')} ({', '.join(parts)})"] if parts else []
        if self.torn:
            said.append(f"cut off {self.torn:,} bytes of an unfinished line, left by a crash")
        if self.lost:
            said.append(f"the disk has lost answers of {', '.join(self.lost)}: they are asked for again")
        return f"found {'; '.join(said)}." if said else ""


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' * (number != 1)}"


class Index:
    """Answers `has` and `partial` for a `Ledger`. Keys are held as the 16 bytes that their 32 hex digits stand for."""

    def __init__(self) -> None:
        self.ranks: Counter[Rank] = Counter()
        self._finished: set[bytes] = set()
        self._reach: dict[bytes, int] = {}
        """The largest `max_tokens` at which an unfinished key has an answer."""
        self._forced: dict[bytes, int] = {}
        """The same of forced answers alone."""
        self._partial: dict[bytes, Place] = {}

    def has(self, key: str, max_tokens: int, *, forced: bool = False) -> bool:
        packed = _packed(key)
        return packed in self._finished or (self._forced if forced else self._reach).get(packed, -1) >= max_tokens

    @property
    def unfinished(self) -> bool:
        return bool(self._partial)

    def partial(self, key: str) -> Row | None:
        place = self._partial.get(_packed(key))
        return row_at(place.stem, place.number, place.byte) if place else None

    def add(self, row: Row, stem: Path, number: int, byte: int) -> None:
        """Remember a row that stands on disk."""
        kind, key = rank(row), _packed(row["key"])
        self.ranks[kind] += 1
        if kind is Rank.FINISHED:
            self._finished.add(key)
            for unfinished in (self._reach, self._forced, self._partial):
                unfinished.pop(key, None)
        elif kind is not Rank.FAILED and key not in self._finished:
            self._reach[key] = max(self._reach.get(key, 0), row["max_tokens"])
            if kind is Rank.FORCED:
                self._forced[key] = max(self._forced.get(key, 0), row["max_tokens"])
            elif (tokens := length(row)) >= self._partial.get(key, NOWHERE).tokens:
                self._partial[key] = Place(tokens, stem, number, byte)

    def add_segment(self, path: Path) -> None:
        """Remember all rows of a segment."""
        stem = path.with_suffix("")
        if path.suffix == ".parquet":
            self._add_sealed(path, stem)
        else:
            for number, (byte, row) in enumerate(rows(path)):
                self.add(row, stem, number, byte)

    def _add_sealed(self, path: Path, stem: Path) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc

        first = 0
        for batch in sealed.batches(path, RANKED_BY):
            error, reason, forced = (batch.column(name) for name in ("error", "finish_reason", "forced"))
            cut = pc.or_(pc.fill_null(pc.equal(reason, "length"), False), pc.fill_null(forced, False))
            unfinished = pc.or_(cut, pc.is_valid(error))
            keys = batch.column("key").filter(pc.invert(unfinished)).to_pylist()
            self.ranks[Rank.FINISHED] += len(keys)
            self._finished.update(_all_packed(keys))
            numbers = pa.array(range(first, first + len(batch))).filter(unfinished).to_pylist()
            for number, row in zip(numbers, batch.filter(unfinished).to_pylist(), strict=True):
                self.add(row, stem, number, 0)
            first += len(batch)
        for unfinished in (self._reach, self._forced, self._partial):
            for key in unfinished.keys() & self._finished:
                del unfinished[key]


def _packed(key: str) -> bytes:
    if len(key) == 32:
        try:
            return bytes.fromhex(key)
        except ValueError:
            pass
    return key.encode("utf-8", "surrogatepass")


def _all_packed(keys: list[str]) -> Iterable[bytes]:
    """The same of many keys, at a fifth of the time."""
    if all(len(key) == 32 for key in keys):
        with suppress(ValueError):
            return (key for (key,) in iter_unpack("16s", bytes.fromhex("".join(keys))))
    return map(_packed, keys)
