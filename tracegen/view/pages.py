"""Pages of the list: rows of the index, filtered and sorted, with their first words.

{"rows": [{key, problem_id, teacher, sample, verdict, filter, reason, kept, tokens, status, pass_rate, snippet}],
 "next": cursor or null, "total": how many there are, or null where nobody has counted, "partial": whether the
 index is not whole yet}
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tracegen.ledger.segments import parsed
from tracegen.view import load
from tracegen.view.pieces import first_words
from tracegen.view.query import ORDERS, Query, cursor
from tracegen.view.shelf import Shelf, fetched
from tracegen.view.state import State

if TYPE_CHECKING:
    import duckdb

SHOWN = (
    *("key", "problem_id", "teacher", "sample", "verdict", "filter", "reason", "kept", "tokens", "status", "pass_rate"),
)
COLUMNS = ", ".join((*SHOWN, "pos", "position", "place"))


def page(shelf: Shelf, query: Query) -> dict[str, Any]:
    """One page of what is asked for, but for its words."""
    return listed(shelf, shelf.cursor(), shelf.state(), query)


def listed(
    shelf: Shelf, database: "duckdb.DuckDBPyConnection", version: State, query: Query, also: str = "true"
) -> dict[str, Any]:
    """One page of the rows for which another condition holds `also`."""
    order = ORDERS[query.sort]
    where, given = f"{query.condition} AND {also}", list(query.given)
    counted = fetched(database, shelf.named(version, f"SELECT count(*) AS n FROM {{traces}} WHERE {where}"), given)
    if query.after:
        where += f" AND ({order}, pos) > (?, ?)"
        given += query.after[1:]
    select = (
        f"SELECT {COLUMNS}, {order} AS rank FROM {{traces}} WHERE {where} ORDER BY rank, pos LIMIT {query.limit + 1}"
    )
    found = fetched(database, shelf.named(version, select), given)
    shown = found[: query.limit]
    return {
        "rows": rows(shown, snippets(shelf, version, shown)),
        "next": cursor(query.sort, shown[-1]["rank"], shown[-1]["pos"]) if len(found) > query.limit else None,
        "total": counted[0]["n"] if version.all_rows else None,
        "partial": not version.whole,
    }


def rows(found: Sequence[Mapping[str, Any]], snippets: Mapping[int, str | None]) -> list[dict[str, Any]]:
    """Rows of the index as they are shown."""
    return [{name: row[name] for name in SHOWN} | {"snippet": snippets.get(row["position"])} for row in found]


def snippets(shelf: Shelf, version: State, found: Sequence[Mapping[str, Any]]) -> dict[int, str | None]:
    """The first words of rows, by position; of a segment that nobody has looked at yet there are none."""
    by_segment: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in found:
        by_segment[version.segments[row["position"] >> 32]].append(row)
    words: dict[int, str | None] = {}
    for name, of in by_segment.items():
        live = shelf.run / "traces" / f"{name}.jsonl"
        made = load.words_of(live.with_suffix(".parquet"), shelf.folder)
        with suppress(FileNotFoundError):  # it was sealed a moment ago
            if live.is_file():
                words |= _of_lines(live, of)
            elif made.is_file():
                at = ", ".join(str(row["position"] & 0xFFFFFFFF) for row in of)
                select = f"SELECT row, snippet FROM {load.parquet([made])} WHERE row IN ({at})"
                base = of[0]["position"] >> 32 << 32
                words |= {base + row["row"]: row["snippet"] for row in fetched(shelf.cursor(), select)}
    return words


def _of_lines(segment: Path, found: Sequence[Mapping[str, Any]]) -> dict[int, str | None]:
    words = {}
    with segment.open("rb") as lines:
        for row in found:
            lines.seek(row["place"])
            there = parsed(lines.readline())
            words[row["position"]] = first_words(there)["snippet"] if there and there["key"] == row["key"] else None
    return words
