"""What a corpus holds, counted by DuckDB over its Parquet files: only the columns that are counted are read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

LINES = 20
"""Lines of one breakdown; groups too small for it are summed up in the last one."""
GROUPS = {"teacher": "teacher", "source": "source", "domain": "domain", "licence of the problem": "licence"}


class Group(NamedTuple):
    """One line of a breakdown."""

    label: str | None
    traces: int
    problems: int
    tokens: int


class Tally(NamedTuple):
    """The traces of one problem."""

    traces: int = 0
    judged: int = 0
    right: int = 0
    kept: int = 0
    given: int = 0
    """Those whose texts are not withheld."""


@dataclass(frozen=True, slots=True)
class Census:
    """The curated rows in numbers."""

    rows: int
    problems: int
    tokens: int
    shortest: int | None
    median: int | None
    longest: int | None
    verdicts: Mapping[tuple[str, str, str], int]
    """Traces by (verifier, version, outcome)."""
    breakdowns: Mapping[str, Sequence[Group]]
    lengths: Sequence[tuple[int, int, int]]
    """Traces by tokens: from, to, how many; each step twice as wide as the one before."""
    withheld: Mapping[str, int]
    """Rows of `all` and of `problems` whose texts are withheld."""

    @property
    def right(self) -> int:
        return sum(count for (_, _, outcome), count in self.verdicts.items() if outcome == "right")


def census(corpus: Path) -> Census:
    """Count `data/curated`, and what is withheld of the others."""
    with _open(corpus, "curated") as rows:
        totals = rows.execute(
            "select count(*), count(distinct problem_id), coalesce(sum(tokens), 0)::bigint, min(tokens), "
            "round(median(tokens))::bigint, max(tokens) from rows"
        ).fetchall()[0]
        verdicts = rows.execute(
            "select verifier, verifier_version, verdict, count(*) from rows where verdict is not null "
            "group by all order by all"
        ).fetchall()
        lengths = rows.execute(
            "select floor(log2(greatest(tokens, 1)))::int as step, count(*) from rows group by step order by step"
        ).fetchall()
        breakdowns = {title: _breakdown(rows, column) for title, column in GROUPS.items()}
    count, problems, tokens, shortest, middle, longest = totals
    heard = {(verifier, version, outcome): number for verifier, version, outcome, number in verdicts}
    withheld = {config: _withheld(corpus, config) for config in ("all", "problems")}
    return Census(count, problems, tokens, shortest, middle, longest, heard, breakdowns, _steps(lengths), withheld)


def _withheld(corpus: Path, config: str) -> int:
    with _open(corpus, config) as rows:
        return int(rows.execute("select count(*) from rows where withheld").fetchall()[0][0])


def _steps(counts: Sequence[tuple[int, int]]) -> list[tuple[int, int, int]]:
    """Powers of two in a row, those that nothing fell into included."""
    found = dict(counts)
    return [(2**n, 2 ** (n + 1) - 1, found.get(n, 0)) for n in range(min(found), max(found) + 1)] if found else []


def tallies(corpus: Path) -> dict[str, Tally]:
    """The traces of `data/all` by problem."""
    with _open(corpus, "all") as rows:
        found = rows.execute(
            "select problem_id, count(*), count(*) filter (verdict in ('right', 'wrong')), "
            "count(*) filter (verdict = 'right'), count(*) filter (filter is null), count(*) filter (not withheld) "
            "from rows group by problem_id"
        )
        return {problem: Tally(*counts) for problem, *counts in found.fetchall()}


def _breakdown(rows: Any, column: str) -> list[Group]:
    """The largest groups first; what would be more than LINES is counted as one."""
    found = rows.execute(
        f"""
        with ranked as (
            select {column} as label, row_number() over (order by count(*) desc, {column} nulls first) as place,
                count(*) over () as groups
            from rows group by {column}
        )
        select first(label), count(*), count(distinct problem_id), sum(tokens)::bigint, max(groups),
            least(place, {LINES}) as line
        from rows join ranked on rows.{column} is not distinct from ranked.label group by line order by line
        """
    ).fetchall()
    return [
        Group(f"{groups - LINES + 1} others" if line == LINES < groups else label, *counts)
        for label, *counts, groups, line in found
    ]


def _open(corpus: Path, config: str) -> Any:
    """A connection with the config's files as `rows`."""
    import duckdb

    connection = duckdb.connect(config={"threads": 2})
    files = [str(path) for path in sorted((corpus / "data" / config).glob("train-*.parquet"))]
    connection.read_parquet(files).create_view("rows")
    return connection
