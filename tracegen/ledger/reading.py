"""Rows of a whole ledger, from live and sealed segments alike: all of them, or the best of each key.

Reading needs no ownership and may go on while others write: each segment is read up to its last whole line.
"""

from collections.abc import Callable, Container, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from tracegen.ledger import sealed
from tracegen.ledger.ranks import RANKED_BY, Row, rank
from tracegen.ledger.segments import rows, segments
from tracegen.records import TracegenError

WORTH_SHIFT = 48
POSITION = (1 << WORTH_SHIFT) - 1


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

    for segment, chosen in zip(files, marked(choose(files, worth)), strict=True):
        yield from of_segment(segment, None, chosen)


class Chosen(NamedTuple):
    """The worthiest row of each key, as numbers that grow with worth, then with position; and where segments end."""

    rows: dict[str, int]
    ends: list[int]

    def worth(self, key: str) -> int:
        return self.rows.get(key, -1) >> WORTH_SHIFT


def choose(files: Sequence[Path], worth: Callable[[Row], int | None]) -> Chosen:
    """For each key the row that is worth most, of equals the last; `worth` sees what ranks a row, None is no row."""
    found: dict[str, int] = {}
    ends = [0]
    for segment in files:
        position = ends[-1]
        for position, row in enumerate(of_segment(segment, RANKED_BY), ends[-1] + 1):
            if (value := worth(row)) is not None:
                found[row["key"]] = max(found.get(row["key"], 0), (value << WORTH_SHIFT) + position - 1)
        ends.append(position)
    return Chosen(found, ends)


def marked(*chosen: Chosen) -> list[bytearray]:
    """For each segment, a 1 at each row that was chosen."""
    ends = chosen[0].ends
    marks = bytearray(ends[-1])
    for choice in chosen:
        for better in choice.rows.values():
            marks[better & POSITION] = 1
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
