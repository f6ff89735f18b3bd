"""What an index needs of a run's files, as columns: read in blocks by Arrow where a line a time would take minutes.

problems      a row a problem: its number, where its line starts in problems.jsonl, the hash of its gold
hearings      a row a hearing of a stretch of the verdict log: what was decided, where its lines stand
words         a row a row of a sealed segment: the trace's status and its first words
Live          the same, and all other columns, of the segments that are still written; held in memory
"""

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from tracegen.format import split
from tracegen.ledger.ranks import MEND, length, rank
from tracegen.ledger.reading import of_segment
from tracegen.ledger.segments import parsed
from tracegen.records import Problem, UsageError
from tracegen.verdicts import gold_hash

if TYPE_CHECKING:
    import pyarrow as pa

BLOCK = 32 << 20
"""Bytes of a log that are read at once."""
SNIPPET = 200
"""Characters of a trace that a list shows."""
ROWS = 4096
OF_PROBLEM = {
    "number": "int64",
    "id": "string",
    "start": "int64",
    "gold": "string",
    "panel": "string",
    "statement": "string",
}
OF_VERDICT = {
    **dict.fromkeys(("key", "gold", "panel", "outcome", "reason"), "string"),
    **dict.fromkeys(("heard", "of"), "int64"),
    "decides": "bool",
}
OF_DROP = dict.fromkeys(("key", "filter", "reason"), "string")
OF_WORDS = {"row": "int64", "status": "string", "snippet": "string"}
OF_ROW = {
    **dict.fromkeys(("row", "place"), "int64"),
    **dict.fromkeys(("key", "problem_id", "teacher", "model", "finish_reason"), "string"),
    **dict.fromkeys(("sample", "tokens", "prompt_tokens", "rank"), "int64"),
    "seconds": "float64",
    "forced": "bool",
    **dict.fromkeys(("status", "snippet"), "string"),
}
"""Of a live segment; `place` is the byte where the row's line begins."""


def problems(path: Path, panels: Mapping[str, str], limit: int | None = None) -> "Iterator[pa.RecordBatch]":
    """Every problem, or the first so many. `panels`: the hashes of the present ones, by the verifier that one names."""
    if not path.is_file():
        return
    with path.open("rb") as lines:
        numbered = islice(enumerate(_placed(lines, 0)), limit)
        while few := list(islice(numbered, ROWS)):
            yield _batch([_problem(number, at, line, panels, path) for number, (at, line) in few], OF_PROBLEM)


def _problem(number: int, at: int, line: bytes, panels: Mapping[str, str], path: Path) -> dict[str, Any]:
    try:
        problem = Problem(**json.loads(line))
    except (ValueError, TypeError):
        raise UsageError(f"{path}, byte {at} is damaged: not a problem.") from None
    return {
        "number": number,
        "id": clean(problem.id),
        "start": at,
        "gold": gold_hash(problem),
        "panel": panels.get(problem.verifier or "", ""),
        "statement": clean(problem.statement),
    }


def verdicts(path: Path, start: int, size: int = BLOCK) -> "tuple[pa.Table, int]":
    """The lines of a stretch of the log, with the bytes where each starts and stops, and the end of the stretch."""
    import pyarrow as pa

    block = next(blocks(path, start, size), b"")
    ends = [start]
    while (end := block.find(b"\n", ends[-1] - start) + 1) > 0:
        ends.append(start + end)
    found = columns(block, OF_VERDICT, path) if block else _batch([], OF_VERDICT)
    found = found.append_column("start", pa.array(ends[:-1], "int64")).append_column(
        "stop", pa.array(ends[1:], "int64")
    )
    return found, ends[-1]


def blocks(path: Path, start: int = 0, size: int = BLOCK) -> Iterator[bytes]:
    """Whole lines from a byte on, about so many bytes at a time; what a crash tore is left out."""
    with path.open("rb") as file:
        file.seek(start)
        while block := file.read(size):
            block += file.readline()
            if not (whole := block[: block.rfind(b"\n") + 1]):
                return
            yield whole


def columns(block: bytes, types: Mapping[str, str], path: Path) -> "pa.Table":
    """Some fields of JSON lines; a field that a line lacks is null."""
    import pyarrow as pa
    from pyarrow import json as arrow_json

    schema = pa.schema(list(types.items()))
    parse = arrow_json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore")
    try:
        return arrow_json.read_json(io.BytesIO(block), parse_options=parse).select(list(types))
    except pa.ArrowInvalid:  # half of a surrogate pair, as a model may write it, or damage
        try:
            rows = [json.loads(line) for line in block.splitlines()]
        except ValueError:
            raise UsageError(f"{path} is damaged: a line is not JSON.") from None
        return pa.Table.from_batches([_batch([{name: clean(row.get(name)) for name in types} for row in rows], types)])


def words(segment: Path) -> "Iterator[pa.RecordBatch]":
    """Status and first words of each row of a sealed segment, in order."""
    rows = enumerate(of_segment(segment, ["text", "reasoning", "finish_reason", "error"]))
    while few := [{"row": number} | first_words(row) for number, row in islice(rows, ROWS)]:
        yield _batch(few, OF_WORDS)


def first_words(row: Mapping[str, Any]) -> dict[str, str | None]:
    """Status and first words of what a row holds."""
    if row["error"] is not None or row["text"] is None:  # a failure, or a text that was put away
        return {"status": None, "snippet": None}
    parts = split(row["text"], reasoning=row["reasoning"], finish_reason=row["finish_reason"])
    return {"status": parts.status, "snippet": snippet(parts.response or parts.reasoning)}


def snippet(text: str, around: int = 0, before: int = 0) -> str:
    """A few words on one line: the first, or those around a place."""
    start = max(0, around - before)
    piece = text[start : start + 2 * SNIPPET]
    words = " ".join(piece.split())
    more = len(words) > SNIPPET or start + len(piece) < len(text)
    return str(clean("…" * bool(start) + words[:SNIPPET] + "…" * more))


class Live:
    """What the segments hold that are still written; of each, only what is new is read."""

    def __init__(self) -> None:
        self._read: dict[str, tuple[int, int]] = {}
        """By segment: rows and bytes that are read."""
        self._rows: dict[str, list[pa.RecordBatch]] = {}

    def update(self, files: Sequence[Path], limit: int | None = None) -> None:
        """Read on in these segments, or their first so many rows; forget all others."""
        for gone in self._read.keys() - {path.stem for path in files}:
            del self._read[gone], self._rows[gone]
        for path in files:
            self._read_on(path, limit)

    def tables(self) -> "Iterator[tuple[str, pa.Table]]":
        """The rows of each segment."""
        import pyarrow as pa

        for stem, batches in self._rows.items():
            if batches:
                yield stem, pa.Table.from_batches(batches)

    def _read_on(self, path: Path, limit: int | None) -> None:
        number, at = self._read.get(path.stem, (0, 0))
        batches = self._rows.setdefault(path.stem, [])
        if path.stat().st_size < at:  # a torn line was cut off, or another ledger lies here
            number, at = 0, 0
            batches.clear()
        with path.open("rb") as lines:
            lines.seek(at)
            placed = islice(_placed(lines, at), limit)
            while few := list(islice(placed, ROWS)):
                rows = [_row(number + n, place, line, path) for n, (place, line) in enumerate(few)]
                batches.append(_batch(rows, OF_ROW))
                number, at = number + len(few), few[-1][0] + len(few[-1][1])
        self._read[path.stem] = number, at


def _row(number: int, place: int, line: bytes, path: Path) -> dict[str, Any]:
    row = parsed(line)
    if row is None:
        raise UsageError(f"{path}, byte {place} is damaged: not a row. {MEND}")
    ranked = {"tokens": length(row), "rank": int(rank(row)), "forced": bool(row.get("forced"))}
    return {name: clean(row.get(name)) for name in OF_ROW} | {"row": number, "place": place} | ranked | first_words(row)


def _placed(lines: BinaryIO, at: int) -> Iterator[tuple[int, bytes]]:
    """Whole lines, each with its first byte."""
    for line in lines:
        if not line.endswith(b"\n"):
            return
        yield at, line
        at += len(line)


def _batch(rows: list[dict[str, Any]], types: Mapping[str, str]) -> "pa.RecordBatch":
    import pyarrow as pa

    return pa.RecordBatch.from_pylist(rows, schema=pa.schema(list(types.items())))


def clean(value: Any) -> Any:
    """A text as a column holds it: half of a surrogate pair is a question mark, as in a sealed segment."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
