"""The parts of the index as tables of the database; what is costly to make is kept below the index's folder.

    segments    the ledger's, by number
    live_rows   rows of segments that are still written
    words       status of each row whose text was looked at
    problems    number, id, gold and panel of each problem
    hearings    what was decided, when, under which gold and panel
    drops       which filter dropped a trace, and why
    kept        what is in the corpus

`few`: no more than the first rows of a large run need.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tracegen.evidence import json_file
from tracegen.view import pieces, state

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    Database = duckdb.DuckDBPyConnection

FEW_PROBLEMS = 1_000
FEW_BYTES = 8 << 20
"""Of problems and of the verdict log, what the first rows of a large run need."""
DUCKDB = {"string": "VARCHAR", "int64": "BIGINT", "float64": "DOUBLE", "bool": "BOOLEAN"}
OF_HEARING = dict.fromkeys(("key", "gold", "panel", "outcome", "reason"), "string") | {
    "start": "int64",
    "stop": "int64",
}
HEARINGS = """
    SELECT key, coalesce(gold, '') AS gold, coalesce(panel, '') AS panel, outcome, reason, first AS start, last AS stop
    FROM (
        SELECT *, lag(key, nth - 1) OVER log AS opens, lag(start, nth - 1) OVER log AS first,
            lead(key, total - nth) OVER log AS closes, lead(nth, total - nth) OVER log AS closing,
            lead(stop, total - nth) OVER log AS last
        FROM (SELECT *, coalesce(heard, 1) AS nth, coalesce("of", 1) AS total FROM found)
        WINDOW log AS (ORDER BY start)
    )
    WHERE coalesce(decides, true) AND opens = key AND closes = key AND closing = total
"""
"""Whole hearings: the lines 1 to `of` of one key, one after the other, of which one decides."""


def segments(database: "Database", files: Sequence[Path], folder: Path) -> None:
    """A segment's words are found by its name, size and age: compaction gives an old name to other rows."""
    _empty(database, "segments", {"number": "int64", "name": "string", "words": "string"})
    rows = [[number, path.stem, words_of(path, folder).stem] for number, path in enumerate(files)]
    if rows:
        database.executemany("INSERT INTO segments VALUES (?, ?, ?)", rows)


def words_of(segment: Path, folder: Path) -> Path:
    """Where the words of a sealed segment are kept."""
    size, age, _ = state.stat_of(segment) or (0, 0, 0)
    return folder / "words" / f"{segment.stem}.{size}.{age}.parquet"


def live_rows(database: "Database", live: pieces.Live, names: Sequence[str]) -> None:
    _empty(database, "live_rows", {"position": "int64"} | pieces.OF_ROW)
    for stem, found in live.tables():
        _insert(database, "live_rows", found, f"SELECT ({names.index(stem)}::BIGINT << 32) + row, * FROM found")


def words(database: "Database", files: Sequence[Path], folder: Path) -> None:
    made = [path for path in (words_of(file, folder) for file in files) if path.is_file()]
    both = "SELECT position, status FROM live_rows"
    if made:
        both += f""" UNION ALL SELECT (s.number << 32) + w.row, w.status FROM {parquet(made, "filename = true")} w
            JOIN segments s ON s.words = parse_filename(w.filename, true)"""
    database.execute(f"CREATE OR REPLACE TEMP VIEW words AS {both}")


def make_words(segment: Path, folder: Path) -> bool:
    """Look at every text of a sealed segment, once; whether that was to be done."""
    if (path := words_of(segment, folder)).is_file():
        return False
    path.parent.mkdir(exist_ok=True)
    for old in path.parent.glob(f"{segment.stem}.*"):
        old.unlink()
    _write(path, pieces.words(segment), pieces.OF_WORDS)
    return True


def problems(database: "Database", run: Path, folder: Path, few: bool) -> None:
    """Made again where the file has changed, or the panels of the verifiers."""
    source, made = run / "problems.jsonl", folder / "problems.parquet"
    panels = json_file(run / "verdicts" / "stage.json").get("inputs", {}).get("panels", {})
    made_of, mark = json.dumps([state.stat_of(source), panels]), folder / "problems.json"
    if few:
        made = folder / "few_problems.parquet"
        _write(made, pieces.problems(source, panels, FEW_PROBLEMS), pieces.OF_PROBLEM)
    elif not mark.is_file() or mark.read_text() != made_of:
        _write(made, pieces.problems(source, panels), pieces.OF_PROBLEM)
        mark.write_text(made_of)
    database.execute(f"CREATE OR REPLACE TEMP VIEW problems AS SELECT number, id, gold, panel FROM {parquet([made])}")


def hearings(database: "Database", run: Path, folder: Path, few: bool) -> None:
    """Full blocks of the log are kept; what stands behind them is read each time."""
    log = run / state.LOG
    size, _, inode = state.stat_of(log) or (0, 0, 0)
    folder = folder / "verdicts" / str(inode)
    folder.mkdir(parents=True, exist_ok=True)
    kept = [] if few else _in_a_row(folder, size)
    end = _end(kept[-1]) if kept else 0
    _empty(database, "tail", OF_HEARING)
    while end < size:
        start, most = end, FEW_BYTES if few else pieces.BLOCK
        found, end = _whole(database, log, start, most)
        if few or end == start or size - start <= most:
            _insert(database, "tail", found, "SELECT * FROM found")
            break
        kept.append(folder / f"{start:015}-{end:015}.parquet")
        _write(kept[-1], found.to_batches(), OF_HEARING)
    both = "SELECT * FROM tail" + (f" UNION ALL SELECT * FROM {parquet(kept)}" if kept else "")
    database.execute(f"CREATE OR REPLACE TEMP VIEW hearings AS {both}")


def _whole(database: "Database", log: Path, start: int, size: int) -> "tuple[pa.Table, int]":
    """The whole hearings of a stretch of the log, and the end of it: where a hearing begins that is not whole yet."""
    lines, end = pieces.verdicts(log, start, size)
    database.register("found", lines)
    hearings = database.sql(HEARINGS).to_arrow_table()
    database.unregister("found")
    if lines.num_rows:
        last = lines.slice(lines.num_rows - 1).to_pylist()[0]
        heard, of = last["heard"] or 1, last["of"] or 1
        if heard < of <= lines.num_rows:
            end = lines["start"][lines.num_rows - heard].as_py()
    return hearings, end


def _in_a_row(folder: Path, size: int) -> list[Path]:
    """The blocks that are kept of a log of this size, each beginning where the one before it ends."""
    found: list[Path] = []
    for path in sorted(folder.glob("*-*.parquet")):
        if int(path.stem.partition("-")[0]) == (_end(found[-1]) if found else 0) and _end(path) <= size:
            found.append(path)
    return found


def _end(block: Path) -> int:
    return int(block.stem.partition("-")[2])


def drops(database: "Database", run: Path) -> None:
    """From the small table, or in an old run from the dropped traces themselves."""
    files = state.dropped_files(run)
    if files and files[0].suffix == ".parquet":
        database.execute(f"CREATE OR REPLACE TEMP VIEW drops AS SELECT key, filter, reason FROM {parquet(files)}")
        return
    _empty(database, "told", pieces.OF_DROP)
    for path in files:
        for block in pieces.blocks(path):
            _insert(database, "told", pieces.columns(block, pieces.OF_DROP, path), "SELECT * FROM found")
    database.execute("CREATE OR REPLACE TEMP VIEW drops AS SELECT * FROM told")


def kept(database: "Database", run: Path) -> None:
    import pyarrow.parquet as pq

    files = [path for path in state.corpus_files(run) if "key" in pq.read_schema(path).names]
    _empty(database, "nothing", {"key": "string"})
    database.execute(f"CREATE OR REPLACE TEMP VIEW kept AS SELECT key FROM {parquet(files) if files else 'nothing'}")


def _empty(database: "Database", name: str, types: Mapping[str, str]) -> None:
    columns = ", ".join(f"{column} {DUCKDB[kind]}" for column, kind in types.items())
    database.execute(f"CREATE OR REPLACE TEMP TABLE {name} ({columns})")


def _insert(database: "Database", name: str, found: "pa.Table", select: str) -> None:
    database.register("found", found)
    database.execute(f"INSERT INTO {name} {select}")
    database.unregister("found")


def parquet(files: Sequence[Path], options: str = "") -> str:
    """These files as a table of a query."""
    names = ", ".join("'" + plain(path).replace("'", "''") + "'" for path in files)
    return f"read_parquet([{names}]{options and ', '}{options})"


def plain(path: Path) -> str:
    """A path in which DuckDB sees no pattern."""
    return re.sub(r"([*?\[])", r"[\1]", str(path))


def _write(path: Path, batches: "Iterable[pa.RecordBatch]", types: Mapping[str, str]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    beside = path.with_name(f".{path.name}.new")
    with pq.ParquetWriter(beside, pa.schema(list(types.items())), compression="zstd") as writer:
        for batch in batches:
            writer.write_batch(batch)
    beside.rename(path)
