"""Words in the texts of traces, in statements, and in the ids of problems; capital letters or not.

Nothing is kept for it: the texts' columns are scanned, segment by segment, for as long as anybody likes to wait. Where
that was enough for all of them, the page is sorted as asked and counted; otherwise its rows come in the order in which
they were written, there is no total, and the next page goes on where this one ended.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tracegen.ledger.segments import parsed
from tracegen.view import excerpts, load, pages
from tracegen.view.pages import Rows
from tracegen.view.query import PLACE, Query, cursor
from tracegen.view.shelf import Shelf, fetched
from tracegen.view.state import State

if TYPE_CHECKING:
    import duckdb

SECONDS = 0.6
"""For which texts are scanned at a time."""
THERE = "(contains(lower(text), $words) OR contains(lower(reasoning), $words))"
ELSEWHERE = """
    SELECT position FROM {traces} WHERE key = $words OR problem IN (
        SELECT number FROM {problems} WHERE contains(lower(statement), $words) OR contains(lower(id), $words))
"""
FOUND = "position IN (SELECT position FROM hits)"


def page(shelf: Shelf, query: Query) -> dict[str, Any]:
    """One page of the traces in which the words stand."""
    search = Search(shelf, shelf.state(), shelf.cursor(), query, query.words.lower())
    search.begin()
    order, after, _ = query.after or ("", -1, 0)
    if order == PLACE:
        return search.as_written(int(after), search.scan(int(after), SECONDS, enough=query.limit))
    # A page further down a sorted list takes what time it needs: its first page had time for all texts.
    end = search.scan(-1, inf if order else SECONDS)
    return search.sorted() if end is None else search.as_written(-1, end)


@dataclass(frozen=True)
class Search:
    """One request; where the words were found stands in the table `hits` of its database."""

    shelf: Shelf
    version: State
    database: "duckdb.DuckDBPyConnection"
    query: Query
    words: str

    def begin(self) -> None:
        """Look for the words outside of the texts."""
        elsewhere = self.shelf.named(self.version, ELSEWHERE)
        self.database.execute(f"CREATE TEMP TABLE hits AS {elsewhere}", {"words": self.words})

    def scan(self, after: int, seconds: float, enough: float = inf) -> int | None:
        """Look for them in the texts behind a position; the first position that was not looked at, if any."""
        end = time.monotonic() + seconds
        segments = self._rows(f"SELECT DISTINCT position >> 32 AS number FROM {{traces}} WHERE position > {after}")
        for nth, number in enumerate(sorted(row["number"] for row in segments)):
            if nth and (time.monotonic() > end or self._found(after, number) > enough):
                return int(number) << 32
            rows, given = self._in_segment(excerpts.segment_file(self.shelf.run, self.version.segments[number]))
            self.database.execute(f"INSERT INTO hits SELECT ({number}::BIGINT << 32) + row FROM ({rows})", given)
        return None

    def sorted(self) -> dict[str, Any]:
        """A page of all that was found."""
        return pages.listed(self.shelf, self.database, self.version, self.query, FOUND, self._around)

    def as_written(self, after: int, end: int | None) -> dict[str, Any]:
        """A page of what was found behind one position and before another."""
        before = "" if end is None else f"AND position < {end}"
        found = self._rows(
            f"SELECT {pages.COLUMNS} FROM {{traces}} WHERE position > {after} {before} AND {FOUND}",
            f"ORDER BY position LIMIT {self.query.limit + 1}",
        )
        shown = found[: self.query.limit]
        following = shown[-1]["position"] if len(found) > self.query.limit else end and end - 1
        following = None if following is None else cursor(PLACE, following, 0)
        return pages.answer(self.shelf, self.version, shown, following, None, self._around)

    def _rows(self, select: str, order: str = "") -> list[dict[str, Any]]:
        select = self.shelf.named(self.version, f"{select} AND {self.query.condition} {order}")
        return fetched(self.database, select, self.query.given)

    def _found(self, after: int, segment: int) -> int:
        """How many rows there are for a page, before a segment."""
        [row] = self._rows(
            f"SELECT count(*) AS n FROM {{traces}} WHERE position > {after} AND position < {segment << 32} AND {FOUND}"
        )
        return int(row["n"])

    def _in_segment(self, segment: Path) -> tuple[str, dict[str, Any]]:
        """A query for the rows of a segment in whose texts the words stand."""
        if segment.suffix == ".jsonl":
            return "SELECT unnest(CAST($rows AS BIGINT[])) AS row", {"rows": _in_lines(segment, self.words)}
        sealed = load.parquet([segment], "file_row_number = true")
        return f"SELECT file_row_number AS row FROM {sealed} WHERE {THERE}", {"words": self.words}

    def _around(self, found: Rows) -> Mapping[int, str | None]:
        return excerpts.around(self.shelf, self.version, found, self.words)


def _in_lines(live: Path, words: str) -> list[int]:
    """The rows of a live segment in which the words stand."""
    with live.open("rb") as lines:
        rows = (parsed(line) if line.endswith(b"\n") else None for line in lines)
        return [number for number, row in enumerate(rows) if row and excerpts.place_of(row, words)]
