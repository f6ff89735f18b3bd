"""The verdicts of a run: a log beside the ledger, to which hearings are only added.

One line a verdict, several for a trace in the order in which its verifiers were heard (`heard`: 1, 2 ... of `of`), of
which one `decides`; a hearing torn by a crash is none. A line also holds hashes of what was judged, and by whom:
`panel`, the verifiers with all that shapes their verdicts, and `gold`, so that a changed verifier or a corrected gold
has its traces judged again and no others, and `judged`, the response itself, with the other traces of the problem where
a verifier compares them, so that an answer that was continued, or a vote with new voters, is judged again. What another
panel heard is history, and counts again when that panel comes back. Of several hearings the last one counts.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from sys import intern
from typing import Any, NamedTuple

from tracegen.ledger import repair
from tracegen.panel import decide
from tracegen.records import Problem, Trace, UsageError, Verdict
from tracegen.rundir import fingerprint, mark, up_to_date

FILE = "verdicts.jsonl"
FIELDS = {field.name for field in fields(Verdict)}
NOT_FINAL = frozenset({"unanswered", "infrastructure"})
"""Reasons of errors that say nothing of the trace: the next launch hears it again."""


Key = tuple[str, str, str]
"""A trace's key, and the hashes of the gold and of the panel."""


@dataclass(slots=True)
class Hearing:
    """All verdicts of one hearing, and the hash of what was judged."""

    judged: str
    verdicts: list[Verdict]


class Place(NamedTuple):
    """Where a hearing stands in the log, and what tells whether it is wanted."""

    start: int
    end: int
    judged: str
    final: bool
    """Some verdict decides, and none is one that the next launch would make again."""


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
        path.touch()
        repair(path)
        self._places = {
            key: Place(start, end, heard.judged, _final(heard.verdicts)) for key, heard, start, end in _whole(path)
        }
        self._log = path.open("a+b", buffering=0)
        self._end = path.stat().st_size

    def of(self, trace: Trace, problem: Problem, siblings: Sequence[Trace] = ()) -> list[Verdict]:
        """All verdicts of the present panel on a trace as it is, under its problem's present gold; empty without."""
        if (place := self._place(trace, problem, siblings)) is None:
            return []
        lines = os.pread(self._log.fileno(), place.end - place.start, place.start).splitlines()
        return [_verdict(json.loads(line)) for line in lines]

    def due(self, trace: Trace, problem: Problem, siblings: Sequence[Trace] = ()) -> bool:
        """Whether a trace is to be judged: it never was, or an error kept its verifiers from it."""
        place = self._place(trace, problem, siblings)
        return place is None or not place.final

    def known(self, problem: Problem) -> Callable[[str], bool]:
        """Whether a key has a final hearing under this problem's gold and panel, whatever its text was then."""
        gold, panel = gold_hash(problem), self._panel(problem)
        return lambda key: (place := self._places.get((key, gold, panel))) is not None and place.final

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
        self._places[trace.key, gold, panel] = Place(self._end, self._end + len(lines), judged, _final(verdicts))
        self._end += len(lines)

    def close(self) -> None:
        self._log.close()

    def _write_whole(self, lines: bytes) -> None:
        """All of it or nothing: on a full disk a file takes a part, and what follows would be joined to that."""
        left = memoryview(lines)
        try:
            while left:
                left = left[self._log.write(left) :]
        except OSError:
            self._log.truncate(self._end)
            raise

    def _place(self, trace: Trace, problem: Problem, siblings: Sequence[Trace]) -> Place | None:
        place = self._places.get((trace.key, gold_hash(problem), self._panel(problem)))
        current = place is not None and place.judged in ("", _judged_hash(trace, siblings))
        return place if current else None

    def _panel(self, problem: Problem) -> str:
        return self._panels[problem.verifier or ""]


def present(folder: Path, problems: Mapping[str, Problem]) -> Callable[[str, str], list[Verdict]]:
    """What counts in a run that is at rest: the verdicts on a trace, by its key and the id of its problem.

    The panels are those of the last launch.
    """
    found = hearings(folder / FILE)
    stage = folder / "stage.json"
    panels = json.loads(stage.read_text(encoding="utf-8"))["inputs"].get("panels", {}) if stage.is_file() else {}
    under = {name: (gold_hash(problem), panels.get(problem.verifier or "", "")) for name, problem in problems.items()}

    def of(key: str, problem: str) -> list[Verdict]:
        hearing = found.get((key, *under.get(problem, ("", ""))))
        return hearing.verdicts if hearing else []

    return of


def hearings(path: Path) -> dict[Key, Hearing]:
    """The last hearing of every trace (by key) under every gold and by every panel (by hash)."""
    return {key: hearing for key, hearing, _, _ in _whole(path)} if path.is_file() else {}


def _whole(path: Path) -> Iterator[tuple[Key, Hearing, int, int]]:
    """Every hearing, with its first byte in the log and the one behind its last.

    What a crash tore apart is passed over: the last line, and a hearing that lacks some of its verdicts.
    """
    hearing, of, decided = Hearing("", []), None, False
    start = end = 0
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.endswith(b"\n"):
                break
            try:
                row = json.loads(line)
            except ValueError:
                raise UsageError(f"{path}, line {number} is damaged: not JSON.") from None
            key = row["key"], intern(row["gold"]), intern(row.get("panel", ""))  # shared by many
            if row.get("heard", 1) == 1 or key != of:
                hearing, of, decided, start = Hearing(row.get("judged", ""), []), key, False, end
            end += len(line)
            hearing.verdicts.append(_verdict(row))
            decided |= row.get("decides", True)
            if decided and len(hearing.verdicts) == row.get("of", len(hearing.verdicts)):
                yield key, hearing, start, end


def _verdict(row: Mapping[str, Any]) -> Verdict:
    return Verdict(**{name: row[name] for name in row if name in FIELDS})


def _final(verdicts: Sequence[Verdict]) -> bool:
    return decide(verdicts) is not None and not any(verdict.reason in NOT_FINAL for verdict in verdicts)


def gold_hash(problem: Problem) -> str:
    """What a verdict depends on in the problem."""
    extra, conventions = dict(problem.extra), dict(problem.conventions)
    judged_by = [problem.verifier, problem.answer, problem.tests, problem.entry_point, extra]
    return fingerprint(judged_by + [conventions] * bool(conventions))[:16]


def _judged_hash(trace: Trace, siblings: Sequence[Trace]) -> str:
    seen = sorted([other.key, other.teacher, other.response, other.status] for other in siblings)
    return fingerprint([trace.response, trace.status, seen])[:16]
