"""What a list shows of a trace's text: its first words, or those around what was looked for.

first     the first words, as the index has kept them; of a segment that nobody has looked at yet there are none
around    the words around others, of rows in whose texts these stand
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from tracegen.ledger.ranks import Row
from tracegen.ledger.segments import parsed
from tracegen.view import load
from tracegen.view.pieces import first_words, snippet
from tracegen.view.shelf import Shelf, fetched
from tracegen.view.state import State

Rows = Sequence[Mapping[str, Any]]
Words = dict[int, str | None]
BEFORE, LONG = 60, 400
"""Characters of a text before the words, and of all that is read of it."""


def first(shelf: Shelf, version: State, found: Rows) -> Words:
    """By position."""
    words: Words = {}
    for base, segment, rows in _by_segment(shelf, version, found):
        made = load.words_of(segment.with_suffix(".parquet"), shelf.folder)
        with suppress(FileNotFoundError):  # a live one, sealed a moment ago
            if segment.suffix == ".jsonl":
                words |= {position: first_words(row)["snippet"] for position, row in _lines(segment, rows)}
            elif made.is_file():
                select = f"SELECT row, snippet FROM {load.parquet([made])} WHERE row IN {_numbers(rows)}"
                words |= {base + row["row"]: row["snippet"] for row in fetched(shelf.cursor(), select)}
    return words


def around(shelf: Shelf, version: State, found: Rows, words: str) -> Words:
    """By position, of the rows in whose texts the words stand."""
    excerpts: Words = {}
    for base, segment, rows in _by_segment(shelf, version, found):
        with suppress(FileNotFoundError):
            if segment.suffix == ".jsonl":
                there = ((position, place_of(row, words)) for position, row in _lines(segment, rows))
                excerpts |= {position: snippet(*place, before=BEFORE) for position, place in there if place}
            else:
                sealed = load.parquet([segment], "file_row_number = true")
                parts = f"SELECT file_row_number AS row, {PART} AS part FROM {sealed} WHERE row IN {_numbers(rows)}"
                for row in fetched(shelf.cursor(), parts, {"words": words}):
                    if row["part"]:
                        excerpts[base + row["row"]] = snippet(f"…{row['part']}")
    return excerpts


def place_of(row: Row, words: str) -> tuple[str, int] | None:
    """The text of a row in which words stand, in small letters, and where."""
    for text in (row["text"] or "", row["reasoning"] or ""):
        if (at := text.lower().find(words)) >= 0:
            return text, at
    return None


def _part(column: str) -> str:
    start = f"greatest(1, instr(lower({column}), $words) - {BEFORE})"
    return f"CASE WHEN contains(lower({column}), $words) THEN substr({column}, {start}, {LONG}) END"


PART = f"coalesce({_part('text')}, {_part('reasoning')})"


def _by_segment(shelf: Shelf, version: State, found: Rows) -> Iterator[tuple[int, Path, Rows]]:
    """The position of a segment's first row, its file as it is now, and the rows that are in it."""
    groups: dict[int, list[Mapping[str, Any]]] = defaultdict(list)
    for row in found:
        groups[row["position"] >> 32].append(row)
    for number, rows in groups.items():
        yield number << 32, segment_file(shelf.run, version.segments[number]), rows


def segment_file(run: Path, name: str) -> Path:
    """A segment of the ledger: written still, or sealed."""
    live = run / "traces" / f"{name}.jsonl"
    return live if live.is_file() else live.with_suffix(".parquet")


def _lines(live: Path, found: Rows) -> Iterator[tuple[int, Row]]:
    with live.open("rb") as lines:
        for row in found:
            lines.seek(row["place"])
            there = parsed(lines.readline())
            if there and there["key"] == row["key"]:
                yield row["position"], there


def _numbers(found: Rows) -> str:
    return "(" + ", ".join(str(row["position"] & 0xFFFFFFFF) for row in found) + ")"
