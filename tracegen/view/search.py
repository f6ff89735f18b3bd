"""Words in the texts of traces, in statements, and in the ids of problems; capital letters or not.

Nothing is kept for it: the texts' columns are scanned, segment by segment, for as long as anybody likes to wait. Where
that was enough for all of them, the page is sorted as asked and counted; otherwise its rows come in the order in which
they were written, there is no total, and the next page goes on where this one ended.
"""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tracegen.ledger.ranks import Row
from tracegen.ledger.segments import parsed
from tracegen.view import load, pages
from tracegen.view.query import PLACE, Query, cursor
from tracegen.view.shelf import Shelf, fetched
from tracegen.view.state import State

if TYPE_CHECKING:
    import duckdb

    Database = duckdb.DuckDBPyConnection

SECONDS = 0.6
"""For which texts are scanned at a time."""
THERE = "(contains(lower(text), $words) OR contains(lower(reasoning), $words))"
BEFORE, AROUND = 60, 300
"""Characters before the words, and of the whole excerpt."""


def _around(column: str) -> str:
    """The part of a text in which the words stand."""
    return f"substr({column}, greatest(1, instr(lower({column}), $words) - {BEFORE}), {AROUND})"


EXCERPT = f"CASE WHEN contains(lower(text), $words) THEN {_around('text')} ELSE {_around('reasoning')} END"
ELSEWHERE = """
    SELECT position FROM {traces} WHERE key = $words OR problem IN (
        SELECT number FROM {problems} WHERE contains(lower(statement), $words) OR contains(lower(id), $words))
"""


def page(shelf: Shelf, query: Query) -> dict[str, Any]:
    """One page of the traces in which the words stand."""
    version, database, words = shelf.state(), shelf.cursor(), query.words.lower()
    by_place = bool(query.after and query.after[0] == PLACE)
    after = int(query.after[1]) if query.after and by_place else -1
    hits = f"CREATE TEMP TABLE hits AS {shelf.named(version, ELSEWHERE)}"
    database.execute(hits, {"words": words})
    scanned = _scan(shelf, database, version, query, words, after, patient=bool(query.after) and not by_place)
    if scanned is None and not by_place:
        return pages.listed(shelf, database, version, query, "position IN (SELECT position FROM hits)")
    return _in_order_of_writing(shelf, database, version, query, after, scanned)


def _scan(
    shelf: Shelf, database: "Database", version: State, query: Query, words: str, after: int, patient: bool
) -> int | None:
    """Add to `hits` where the words stand; the first position that time did not suffice for, if any."""
    select = f"SELECT DISTINCT position >> 32 AS number FROM {{traces}} WHERE {query.condition} AND position > {after}"
    numbers = sorted(row["number"] for row in fetched(database, shelf.named(version, select), query.given))
    end = time.monotonic() + SECONDS
    for nth, number in enumerate(numbers):
        if nth and not patient and time.monotonic() > end:
            return int(number) << 32
        stem = shelf.run / "traces" / version.segments[number]
        if (live := stem.with_name(f"{stem.name}.jsonl")).is_file():
            rows = "SELECT unnest(CAST($rows AS BIGINT[])) AS row"
            given: dict[str, Any] = {"rows": _in_lines(live, words)}
        else:
            sealed = load.parquet([stem.with_name(f"{stem.name}.parquet")], "file_row_number = true")
            rows, given = f"SELECT file_row_number AS row FROM {sealed} WHERE {THERE}", {"words": words}
        database.execute(f"INSERT INTO hits SELECT ({number}::BIGINT << 32) + row FROM ({rows})", given)
    return None


def _in_lines(live: Path, words: str) -> list[int]:
    """The rows of a live segment in which the words stand."""
    with live.open("rb") as lines:
        rows = (parsed(line) if line.endswith(b"\n") else None for line in lines)
        return [number for number, row in enumerate(rows) if row and _place(row, words)]


def _place(row: Row, words: str) -> tuple[str, int] | None:
    """The text in which the words stand, and where."""
    for text in (row["text"] or "", row["reasoning"] or ""):
        if (at := text.lower().find(words)) >= 0:
            return text, at
    return None


def _in_order_of_writing(
    shelf: Shelf, database: "Database", version: State, query: Query, after: int, end: int | None
) -> dict[str, Any]:
    before = "" if end is None else f"AND position < {end}"
    select = (
        f"SELECT {pages.COLUMNS} FROM {{traces}} WHERE {query.condition} AND position > {after} {before} "
        f"AND position IN (SELECT position FROM hits) ORDER BY position LIMIT {query.limit + 1}"
    )
    found = fetched(database, shelf.named(version, select), query.given)
    shown = found[: query.limit]
    following = shown[-1]["position"] if len(found) > query.limit else end and end - 1
    return {
        "rows": pages.rows(shown, pages.snippets(shelf, version, shown)),
        "next": None if following is None else cursor(PLACE, following, 0),
        "total": None,
        "partial": not version.whole,
    }
