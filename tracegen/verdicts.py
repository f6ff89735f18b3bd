"""The verdicts of a run: a log beside the ledger, to which hearings are only added.

One line a verdict, several for a trace in the order in which its verifiers were heard (`heard`: 1, 2 ... of `of`), of
which one `decides`; a hearing torn by a crash is none. A line also holds hashes of what was judged, and by whom:
`panel`, the verifiers with all that shapes their verdicts, and `gold`, so that a changed verifier or a corrected gold
has its traces judged again and no others, and `judged`, the response itself, with the other traces of the problem where
a verifier compares them, so that an answer that was continued, or a vote with new voters, is judged again. What another
panel heard is history, and counts again when that panel comes back. Of several hearings the last one counts.
"""

import json
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from tracegen.ledger import repair
from tracegen.packed import Packed, hashed
from tracegen.panel import decide
from tracegen.records import Problem, Trace, UsageError, Verdict
from tracegen.rundir import fingerprint, mark, up_to_date

FILE = "verdicts.jsonl"
FIELDS = {field.name for field in fields(Verdict)}
NOT_FINAL = frozenset({"unanswered", "infrastructure"})
"""Reasons of errors that say nothing of the trace: the next launch hears it again."""
Row = dict[str, Any]
"""A verdict as it stands in the log."""


class _Log:
    """Where in the file each hearing stands, by a trace's key and the hashes of the gold and of the panel."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        weakref.finalize(self, self._file.close)
        self._places = Packed()
        """The first byte, and in the last bit whether the hearing is final."""
        for key, start, final in _whole(path):
            self.enter(key, start, final)

    def enter(self, key: int, start: int, final: bool) -> None:
        """A hearing that stands in the file; it counts instead of an earlier one."""
        self._places[key] = start << 1 | final

    def final(self, key: int) -> bool:
        """Whether there is a hearing that the next launch would not hold again."""
        return bool((self._places.get(key) or 0) & 1)

    def rows(self, key: int) -> list[Row]:
        """The verdicts of the hearing, as they were written; empty without one."""
        place = self._places.get(key)
        return [] if place is None else self._read(place >> 1)

    def _read(self, start: int) -> list[Row]:
        self._file.seek(start)
        rows: list[Row] = [json.loads(self._file.readline())]
        while len(rows) != rows[0].get("of") and (line := self._file.readline()).endswith(b"\n"):
            row = json.loads(line)
            if row.get("heard", 1) == 1:
                break
            rows.append(row)
        return rows


class Verdicts:
    """Reads what is judged already and appends what is judged next; holds places, not verdicts.

    `panels`: the hashes of the present panels by the verifier that a problem names, as `Judge.panels` gives them.
    """

    def __init__(self, folder: Path, panels: Mapping[str, str]) -> None:
        inputs = {"panels": panels}
        if not up_to_date(folder, inputs):
            folder.mkdir(parents=True, exist_ok=True)
            mark(folder, inputs)  # for `present`
        self._panels = panels
        path = folder / FILE
        path.open("ab").close()  # makes it, and leaves one that is there as it was
        repair(path)
        self._log = _Log(path)
        self._writing = path.open("ab", buffering=0)
        self._end = path.stat().st_size

    def of(self, trace: Trace, problem: Problem, siblings: Sequence[Trace] = ()) -> list[Verdict]:
        """All verdicts of the present panel on a trace as it is, under its problem's present gold; empty without."""
        rows = self._log.rows(self._key(trace.key, problem))
        current = rows and rows[0].get("judged", "") in ("", _judged_hash(trace, siblings))
        return [_verdict(row) for row in rows] if current else []

    def due(self, trace: Trace, problem: Problem, siblings: Sequence[Trace] = ()) -> bool:
        """Whether a trace is to be judged: it never was, or an error kept its verifiers from it."""
        return not self._log.final(self._key(trace.key, problem)) or not self.of(trace, problem, siblings)

    def known(self, problem: Problem) -> Callable[[str], bool]:
        """Whether a key has a final hearing under this problem's gold and panel, whatever its text was then."""
        gold, panel = gold_hash(problem), self._panel(problem)
        return lambda key: self._log.final(hashed(key, gold, panel))

    def add(self, trace: Trace, problem: Problem, verdicts: Sequence[Verdict], siblings: Sequence[Trace] = ()) -> None:
        """Write down a whole hearing."""
        gold, panel, judged = gold_hash(problem), self._panel(problem), _judged_hash(trace, siblings)
        hearing = {"gold": gold, "panel": panel, "judged": judged, "of": len(verdicts)}
        deciding = decide(verdicts)
        rows = [
            {name: getattr(verdict, name) for name in Verdict.__slots__}
            | hearing
            | {"heard": heard, "decides": verdict is deciding}
            for heard, verdict in enumerate(verdicts, 1)
        ]
        lines = "".join(json.dumps(row) + "\n" for row in rows).encode()
        self._write_whole(lines)
        self._log.enter(hashed(trace.key, gold, panel), self._end, _final(rows))
        self._end += len(lines)

    def close(self) -> None:
        self._writing.close()

    def _write_whole(self, lines: bytes) -> None:
        """All of it or nothing: on a full disk a file takes a part, and what follows would be joined to that."""
        left = memoryview(lines)
        try:
            while left:
                left = left[self._writing.write(left) :]
        except OSError:
            self._writing.truncate(self._end)
            raise

    def _key(self, key: str, problem: Problem) -> int:
        return hashed(key, gold_hash(problem), self._panel(problem))

    def _panel(self, problem: Problem) -> str:
        return self._panels[problem.verifier or ""]


def present(folder: Path, problems: Mapping[str, Problem]) -> Callable[[str, str], list[Verdict]]:
    """What counts in a run that is at rest: the verdicts on a trace, by its key and the id of its problem.

    The panels are those of the last launch.
    """
    if not (folder / FILE).is_file():
        return lambda key, problem: []
    log = _Log(folder / FILE)
    stage = folder / "stage.json"
    panels = json.loads(stage.read_text(encoding="utf-8"))["inputs"].get("panels", {}) if stage.is_file() else {}
    under = {name: (gold_hash(problem), panels.get(problem.verifier or "", "")) for name, problem in problems.items()}
    return lambda key, problem: [_verdict(row) for row in log.rows(hashed(key, *under.get(problem, ("", ""))))]


def _whole(path: Path) -> Iterator[tuple[int, int, bool]]:
    """Of every hearing its key, its first byte in the log, and whether it is final.

    What a crash tore apart is passed over: the last line, and a hearing that lacks some of its verdicts.
    """
    hearing, of = list[Row](), -1
    start = end = 0
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.endswith(b"\n"):
                break
            try:
                row = json.loads(line)
            except ValueError:
                raise UsageError(f"{path}, line {number} is damaged: not JSON.") from None
            key = hashed(row["key"], row["gold"], row.get("panel", ""))
            if row.get("heard", 1) == 1 or key != of:
                hearing, of, start = [], key, end
            end += len(line)
            hearing.append(row)
            if len(hearing) == row.get("of", len(hearing)) and any(said.get("decides", True) for said in hearing):
                yield key, start, _final(hearing)


def _final(hearing: Sequence[Row]) -> bool:
    return not any(row.get("reason") in NOT_FINAL for row in hearing)


def _verdict(row: Mapping[str, Any]) -> Verdict:
    return Verdict(**{name: row[name] for name in row if name in FIELDS})


def gold_hash(problem: Problem) -> str:
    """What a verdict depends on in the problem."""
    extra, conventions = dict(problem.extra), dict(problem.conventions)
    judged_by = [problem.verifier, problem.answer, problem.tests, problem.entry_point, extra]
    return fingerprint(judged_by + [conventions] * bool(conventions))[:16]


def _judged_hash(trace: Trace, siblings: Sequence[Trace]) -> str:
    seen = sorted([other.key, other.teacher, other.response, other.status] for other in siblings)
    return fingerprint([trace.response, trace.status, seen])[:16]
