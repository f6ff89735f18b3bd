"""The figures above the list: counted once for each version of the index.

{"totals": {traces, problems, kept, dropped, right, wrong, unverifiable, error, unjudged},
 "teachers": [{teacher, model, traces}], "verdicts": {outcome: traces}, "reasons": [{filter, reason, traces}]}
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tracegen.evidence import json_file
from tracegen.view.load import plain

if TYPE_CHECKING:
    import duckdb

OUTCOMES = ("right", "wrong", "unverifiable", "error")


def summary(database: "duckdb.DuckDBPyConnection", table: Path, run: Path) -> dict[str, Any]:
    """Of the traces in this table."""

    def rows(select: str) -> list[tuple[Any, ...]]:
        return database.execute(select, [plain(table)]).fetchall()

    verdicts = {
        outcome or "unjudged": count
        for outcome, count in rows("SELECT verdict, count(*) AS n FROM read_parquet(?) GROUP BY 1 ORDER BY n DESC")
    }
    [(traces, problems, kept, dropped)] = rows(
        "SELECT count(*), count(DISTINCT problem_id), count(*) FILTER (kept), count(*) FILTER (NOT kept) "
        "FROM read_parquet(?)"
    )
    teachers = rows("SELECT teacher, any_value(model), count(*) FROM read_parquet(?) GROUP BY 1 ORDER BY 1")
    reasons = rows(
        "SELECT filter, reason, count(*) AS n FROM read_parquet(?) WHERE filter IS NOT NULL "
        "GROUP BY 1, 2 ORDER BY n DESC, filter, reason"
    )
    order = [row["filter"] for row in json_file(run / "corpus" / "funnel.json").get("rows", ())]
    place = {name: number for number, name in enumerate(order)}
    reasons.sort(key=lambda row: place.get(row[0], len(place)))
    return {
        "totals": {"traces": traces, "problems": problems, "kept": kept, "dropped": dropped}
        | {outcome: verdicts.get(outcome, 0) for outcome in (*OUTCOMES, "unjudged")},
        "teachers": [dict(zip(("teacher", "model", "traces"), row, strict=True)) for row in teachers],
        "verdicts": verdicts,
        "reasons": [dict(zip(("filter", "reason", "traces"), row, strict=True)) for row in reasons],
    }
