"""Rows of a whole ledger, from live and sealed segments alike: all of them, or the best of each key.

Reading needs no ownership and may go on while others write: each segment is read up to its last whole line.
"""

from collections.abc import Container, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from tracegen.ledger import sealed
from tracegen.ledger.ranks import RANKED_BY, Row, rank
from tracegen.ledger.segments import rows, segments
from tracegen.records import TracegenError

RANK_SHIFT = 48
"""A rank stands above the 48 bits of a row's position, so that the larger number is the better row."""


def read(folder: Path, columns: Sequence[str] | None = None) -> Iterator[Row]:
    """Every row of a ledger, oldest first; with `columns`, only these fields, which is cheap in sealed segments.

    A torn last line is passed over; any other damage is an error.
    """
    for segment in segments(folder):
        yield from _rows(segment, columns)


def best(folder: Path, keys: Container[str] | None = None) -> Iterator[Row]:
    """One row per key, or per one of `keys`: the one that counts."""
    files = segments(folder)
    for segment, chosen in zip(files, winners(files, keys), strict=True):
        yield from _rows(segment, None, chosen)


def winners(files: Sequence[Path], keys: Container[str] | None = None) -> list[bytearray]:
    """For each segment, a 1 at each row that is the best of its key."""
    found: dict[str, int] = {}
    ends = [0]
    for segment in files:
        position = ends[-1]
        for position, row in enumerate(_rows(segment, RANKED_BY), ends[-1] + 1):
            key = row["key"]
            if keys is None or key in keys:
                found[key] = max(found.get(key, 0), (rank(row) << RANK_SHIFT) + position)
        ends.append(position)
    marks = bytearray(ends[-1])
    for better in found.values():
        marks[better % (1 << RANK_SHIFT) - 1] = 1
    return [marks[start:end] for start, end in pairwise(ends)]


def _rows(segment: Path, columns: Sequence[str] | None, chosen: bytearray | None = None) -> Iterator[Row]:
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
