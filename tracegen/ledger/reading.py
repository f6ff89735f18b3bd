"""Rows of a whole ledger, from live and sealed segments alike: all of them, or the best of each key.

Reading needs no ownership and may go on while others write: each segment is read up to its last whole line.
"""

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from tracegen.ledger import sealed
from tracegen.ledger.ranks import RANKED_BY, Row, rank
from tracegen.ledger.segments import rows, segments
from tracegen.packed import Packed, hashed
from tracegen.records import TracegenError

WORTH_SHIFT = 40
POSITION = (1 << WORTH_SHIFT) - 1
WORTHIEST = (1 << 63 - WORTH_SHIFT) - 1
"""A worth beyond eight million counts as this one: none of our kinds, and no length that a model writes."""


def read(folder: Path, columns: Sequence[str] | None = None) -> Iterator[Row]:
    """Every row of a ledger, oldest first; with `columns`, only these fields, which is cheap in sealed segments.

    A torn last line is passed over; any other damage is an error.
    """
    for segment in segments(folder):
        yield from of_segment(segment, columns)


def best(folder: Path, keys: Container[str] | None = None) -> Iterator[Row]:
    """One row per key, or per one of `keys`: the one that counts."""
    files = segments(folder)

    def worth(row: Row) -> int | None:
        return rank(row) if keys is None or row["key"] in keys else None

    chosen = choose(files, worth)
    for segment, wanted in zip(files, marked(chosen.ends, chosen.rows()), strict=True):
        yield from of_segment(segment, None, wanted)


class Chosen(NamedTuple):
    """The worthiest row of each key, as numbers that grow with worth, then with position; and where segments end."""

    places: Packed
    """By the hash of the key."""
    ends: list[int]

    def worth(self, key: int) -> int | None:
        """What the worthiest row of a key, by its hash, is worth."""
        return None if (place := self.places.get(key)) is None else place >> WORTH_SHIFT

    def rows(self) -> Iterator[int]:
        """The places of all chosen rows."""
        return (place for _, place in self.places.items())


def choose(files: Sequence[Path], worth: Callable[[Row], int | None]) -> Chosen:
    """For each key the row that is worth most, of equals the last; `worth` sees what ranks a row, None is no row."""
    found = Packed()
    ends = [0]
    for segment in files:
        position = ends[-1]
        for position, row in enumerate(of_segment(segment, RANKED_BY), ends[-1] + 1):
            if (value := worth(row)) is not None:
                key = hashed(row["key"])
                found[key] = max(found.get(key) or 0, (min(value, WORTHIEST) << WORTH_SHIFT) + position - 1)
        ends.append(position)
    return Chosen(found, ends)


def marked(ends: Sequence[int], chosen: Iterable[int]) -> list[bytearray]:
    """For each segment, a 1 at each row that was chosen."""
    marks = bytearray(ends[-1])
    for place in chosen:
        marks[place & POSITION] = 1
    return [marks[start:end] for start, end in pairwise(ends)]


def of_segment(segment: Path, columns: Sequence[str] | None, chosen: bytearray | None = None) -> Iterator[Row]:
    """The rows of one segment; with `chosen`, those that it marks."""
    sealed_already = segment.suffix == ".parquet"
    found = sealed.rows(segment, columns, chosen) if sealed_already else _live(segment, chosen)
    try:
        for row in found:
            yield row if columns is None else {name: row.get(name, sealed.OPTIONAL.get(name)) for name in columns}
    except FileNotFoundError:
        raise TracegenError(f"{segment} was rewritten while it was read. Start the same command again.") from None


def _live(segment: Path, chosen: bytearray | None) -> Iterator[Row]:
    try:
        lines = rows(segment)
        if chosen is None:
            yield from (row for _, row in lines)
        else:
            yield from (row for (_, row), wanted in zip(lines, chosen, strict=False) if wanted)
    except FileNotFoundError:  # sealed a moment ago, row by row in the same order
        yield from sealed.rows(segment.with_suffix(".parquet"), None, chosen)
