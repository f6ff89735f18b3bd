"""The verdicts of a run: a log beside the ledger, to which hearings are only added.

One line a verdict, several for a trace in the order in which its verifiers were heard (`heard`: 1, 2 ... of `of`), of
which one `decides`; a hearing torn by a crash is none. A line also holds hashes of what was judged, and by whom:
`panel`, the verifiers with all that shapes their verdicts, and `gold`, so that a changed verifier or a corrected gold
has its traces judged again and no others, and `judged`, the response itself, with the other traces of the problem where
a verifier compares them, so that an answer that was continued, or a vote with new voters, is judged again. What another
panel heard is history, and counts again when that panel comes back. Of several hearings the last one counts.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from tracegen.ledger import repair
from tracegen.panel import decide
from tracegen.records import Problem, Trace, UsageError, Verdict
from tracegen.rundir import fingerprint, mark, up_to_date

FILE = "verdicts.jsonl"
FIELDS = {field.name for field in fields(Verdict)}
NOT_FINAL = frozenset({"unanswered", "infrastructure"})
"""Reasons of errors that say nothing of the trace: the next launch hears it again."""


@dataclass(slots=True)
class Hearing:
    """All verdicts of one hearing, and the hash of what was judged."""

    judged: str
    verdicts: list[Verdict] = field(default_factory=list)
    decided: bool = False
    whole: bool = False


class Verdicts:
    """Reads what is judged already and appends what is judged next.

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
        self._hearings = hearings(path)
        self._log = path.open("a", encoding="utf-8")

    def of(self, trace: Trace, problem: Problem, siblings: Sequence[Trace] = ()) -> list[Verdict]:
        """All verdicts of the present panel on a trace as it is, under its problem's present gold; empty without."""
        hearing = self._hearings.get((trace.key, gold_hash(problem), self._panel(problem)))
        current = hearing is not None and hearing.judged in ("", _judged_hash(trace, siblings))
        return hearing.verdicts if hearing and current else []

    def due(self, trace: Trace, problem: Problem, siblings: Sequence[Trace] = ()) -> bool:
        """Whether a trace is to be judged: it never was, or an error kept its verifiers from it."""
        verdicts = self.of(trace, problem, siblings)
        return decide(verdicts) is None or any(verdict.reason in NOT_FINAL for verdict in verdicts)

    def add(self, trace: Trace, problem: Problem, verdicts: Sequence[Verdict], siblings: Sequence[Trace] = ()) -> None:
        """Write down a whole hearing."""
        gold, panel, judged = gold_hash(problem), self._panel(problem), _judged_hash(trace, siblings)
        hearing = {"gold": gold, "panel": panel, "judged": judged, "of": len(verdicts)}
        deciding = decide(verdicts)
        rows = [
            asdict(verdict) | hearing | {"heard": heard, "decides": verdict is deciding}
            for heard, verdict in enumerate(verdicts, 1)
        ]
        self._log.write("".join(json.dumps(row) + "\n" for row in rows))
        self._log.flush()
        self._hearings[trace.key, gold, panel] = Hearing(judged, list(verdicts))

    def close(self) -> None:
        self._log.close()

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


def hearings(path: Path) -> dict[tuple[str, str, str], Hearing]:
    """The last hearing of every trace (by key) under every gold and by every panel (by hash).

    What a crash tore apart is passed over: the last line, and a hearing that lacks some of its verdicts.
    """
    found: dict[tuple[str, str, str], Hearing] = {}
    if not path.is_file():
        return found
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if not line.endswith("\n"):
                break
            try:
                row = json.loads(line)
            except ValueError:
                raise UsageError(f"{path}, line {number} is damaged: not JSON.") from None
            key = row["key"], row["gold"], row.get("panel", "")
            if row.get("heard") == 1 or key not in found:
                found[key] = Hearing(row.get("judged", ""))
            hearing = found[key]
            hearing.verdicts.append(Verdict(**{name: row[name] for name in row if name in FIELDS}))
            hearing.decided |= row.get("decides", True)
            hearing.whole = hearing.decided and len(hearing.verdicts) == row.get("of", len(hearing.verdicts))
    return {key: hearing for key, hearing in found.items() if hearing.whole}


def gold_hash(problem: Problem) -> str:
    """What a verdict depends on in the problem."""
    extra, conventions = dict(problem.extra), dict(problem.conventions)
    judged_by = [problem.verifier, problem.answer, problem.tests, problem.entry_point, extra]
    return fingerprint(judged_by + [conventions] * bool(conventions))[:16]


def _judged_hash(trace: Trace, siblings: Sequence[Trace]) -> str:
    seen = sorted([other.key, other.teacher, other.response, other.status] for other in siblings)
    return fingerprint([trace.response, trace.status, seen])[:16]
