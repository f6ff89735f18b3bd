"""The parts of the index become one table: a row a trace, in the order of the plan.

Of a key's answers the best counts, of its hearings the last under the present gold and panel, as everywhere. The work
is DuckDB's, within `MEMORY`; what does not fit goes to a folder beside the index.

A trace's `position` says where its row stands: the number of its segment in the upper half, its row in the lower.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tracegen.view import load

if TYPE_CHECKING:
    import duckdb

ROW_GROUP = 1 << 14
"""Rows of the table that are read at once: a page in the order of the plan needs one such group."""
ANSWER = """
    position, key, problem_id, teacher, model, sample, tokens, prompt_tokens, seconds, finish_reason, forced, rank,
    place
"""
SEALED = """
    SELECT (s.number << 32) + file_row_number AS position, key, problem_id, teacher, model, sample,
        coalesce(prefix_tokens, 0) + coalesce(completion_tokens, 0) AS tokens, prompt_tokens, seconds, finish_reason,
        coalesce(forced, false) AS forced,
        CASE WHEN error IS NOT NULL THEN 0 WHEN forced THEN 2 WHEN finish_reason = 'length' THEN 1 ELSE 3 END AS rank,
        0 AS place
    FROM read_parquet($files, filename = true, file_row_number = true, union_by_name = true) f
    JOIN segments s ON s.name = parse_filename(f.filename, true)
    WHERE $few IS NULL OR file_row_number < $few
"""
BEST = """
    SELECT a.* EXCLUDE (rank), p.number AS problem, p.gold, p.panel
    FROM answers a LEFT JOIN problems p ON p.id = a.problem_id
    WHERE rank > 0 AND position IN (SELECT arg_max(position, (rank << 56) + position) FROM answers GROUP BY key)
"""
HEARD = """
    SELECT l.position, h.outcome, h.reason, h.start, h.stop
    FROM (
        SELECT b.position, max(h.start) AS start
        FROM best b JOIN hearings h ON h.key = b.key AND h.gold = b.gold AND h.panel = b.panel
        GROUP BY b.position
    ) l JOIN hearings h ON h.start = l.start
"""
RATES = """
    SELECT problem_id, avg(CASE outcome WHEN 'right' THEN 1 WHEN 'wrong' THEN 0 END) AS pass_rate
    FROM best b JOIN heard h ON h.position = b.position GROUP BY problem_id
"""
TRACES = """
    SELECT row_number() OVER () - 1 AS pos, * FROM (
        SELECT b.* EXCLUDE (gold, panel), w.status, h.outcome AS verdict, h.reason AS verdict_reason,
            h.start AS heard_from, h.stop AS heard_to, d.filter, d.reason, r.pass_rate,
            CASE WHEN k.key IS NOT NULL THEN true WHEN d.key IS NOT NULL THEN false END AS kept
        FROM best b
        LEFT JOIN heard h ON h.position = b.position
        LEFT JOIN rates r ON r.problem_id = b.problem_id
        LEFT JOIN drops d ON d.key = b.key
        LEFT JOIN kept k ON k.key = b.key
        LEFT JOIN words w ON w.position = b.position
        ORDER BY b.problem NULLS LAST, CASE WHEN b.problem IS NULL THEN b.problem_id END,
            b.teacher, b.sample, b.position
    )
"""


def connect(folder: Path, megabytes: int) -> "duckdb.DuckDBPyConnection":
    """A database in memory that loads nothing from anywhere."""
    import duckdb

    return duckdb.connect(
        config={
            "memory_limit": f"{megabytes}MB",
            "temp_directory": str(folder / "spill"),
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "threads": min(4, os.cpu_count() or 1),
        }
    )


def write(database: "duckdb.DuckDBPyConnection", target: Path, sealed: Sequence[Path], few: int | None = None) -> int:
    """Join what is loaded; how many traces there are. With `few`, no more than so many rows of each sealed segment."""
    answers, given = f"SELECT {ANSWER} FROM live_rows", {}
    if sealed:
        answers += f" UNION ALL SELECT {ANSWER} FROM ({SEALED})"
        given = {"files": [load.plain(path) for path in sealed], "few": few}
    database.execute(f"CREATE OR REPLACE TEMP TABLE answers AS {answers}", given)
    database.execute(f"CREATE OR REPLACE TEMP TABLE best AS {BEST}")
    database.execute("DROP TABLE answers")
    database.execute(f"CREATE OR REPLACE TEMP TABLE heard AS {HEARD}")
    database.execute(f"CREATE OR REPLACE TEMP TABLE rates AS {RATES}")
    beside = target.with_name(f".{target.name}.new")
    quoted = str(beside).replace("'", "''")
    database.execute(f"COPY ({TRACES}) TO '{quoted}' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {ROW_GROUP})")
    beside.rename(target)
    for made in ("best", "heard", "rates"):
        database.execute(f"DROP TABLE {made}")
    return int(one(database, f"SELECT count(*) FROM {load.parquet([target])}"))


def one(database: "duckdb.DuckDBPyConnection", select: str, given: Sequence[Any] = ()) -> Any:
    """The one value that a query has."""
    row = database.execute(select, given).fetchone()
    return row and row[0]
