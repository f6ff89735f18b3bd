"""Pages of the list: rows of the index, filtered and sorted, with their first words.

{"rows": [{key, problem_id, teacher, sample, verdict, filter, reason, kept, tokens, status, pass_rate, snippet}],
 "next": cursor or null, "total": how many there are, or null where nobody has counted, "partial": whether the
 index is not whole yet}
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tracegen.view import excerpts
from tracegen.view.query import ORDERS, Query, cursor
from tracegen.view.shelf import Shelf, fetched
from tracegen.view.state import State

if TYPE_CHECKING:
    import duckdb

Rows = Sequence[Mapping[str, Any]]
Excerpts = Callable[[Rows], Mapping[int, str | None]]
"""Words to show instead of the first ones, by position."""
SHOWN = (
    *("key", "problem_id", "teacher", "sample", "verdict", "filter", "reason", "kept", "tokens", "status", "pass_rate"),
)
COLUMNS = ", ".join((*SHOWN, "pos", "position", "place"))


def page(shelf: Shelf, query: Query) -> dict[str, Any]:
    """One page of what is asked for, but for its words."""
    return listed(shelf, shelf.cursor(), shelf.state(), query)


def listed(
    shelf: Shelf,
    database: "duckdb.DuckDBPyConnection",
    version: State,
    query: Query,
    also: str = "true",
    around: Excerpts = lambda found: {},
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
    following = cursor(query.sort, shown[-1]["rank"], shown[-1]["pos"]) if len(found) > query.limit else None
    return answer(shelf, version, shown, following, counted[0]["n"] if version.all_rows else None, around)


def answer(
    shelf: Shelf,
    version: State,
    shown: Rows,
    following: str | None,
    total: int | None,
    around: Excerpts = lambda found: {},
) -> dict[str, Any]:
    """A page of these rows of the index."""
    words = excerpts.first(shelf, version, shown) | dict(around(shown))
    rows = [{name: row[name] for name in SHOWN} | {"snippet": words.get(row["position"])} for row in shown]
    return {"rows": rows, "next": following, "total": total, "partial": not version.whole}
