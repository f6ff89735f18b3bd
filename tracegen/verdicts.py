"""The verdicts of a run: a log beside the ledger, made again whenever the verifiers change.

One line a verdict, several for a trace in the order in which its verifiers were heard (`heard`: 1, 2 ...), of which one
`decides`. A line also holds hashes of what was judged: `gold`, so that a corrected gold has its traces judged again and
no others, and `judged`, the response itself, with the other traces of the problem where a verifier compares them, so
that an answer that was continued, or a vote with new voters, is judged again. Of several hearings the last one counts.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from tracegen.ledger import repair
from tracegen.panel import decide
from tracegen.records import Problem, Trace, UsageError, Verdict
from tracegen.rundir import fingerprint, rebuilt, up_to_date

FILE = "verdicts.jsonl"
FIELDS = {field.name for field in fields(Verdict)}
NOT_FINAL = frozenset({"unanswered", "infrastructure"})
"""Reasons of errors that say nothing of the trace: the next launch hears it again."""


@dataclass(slots=True)
class Hearing:
    """All verdicts of one hearing, and the hash of what was judged."""

    judged: str
    verdicts: list[Verdict] = field(default_factory=list)


class Verdicts:
    """Reads what is judged already and appends what is judged next."""

    def __init__(self, folder: Path, verifiers: Mapping[str, Any]) -> None:
        inputs = {"verifiers": verifiers}
        if not up_to_date(folder, inputs):
            with rebuilt(folder, inputs):
                pass
        path = folder / FILE
        path.touch()
        repair(path)
        self._hearings = hearings(path)
        self._log = path.open("a", encoding="utf-8")

    def of(self, trace: Trace, problem: Problem, siblings: Sequence[Trace] = ()) -> list[Verdict]:
        """All verdicts on a trace as it is, under its problem's present gold; empty if it is not judged yet."""
        hearing = self._hearings.get((trace.key, gold_hash(problem)))
        current = hearing is not None and hearing.judged in ("", _judged_hash(trace, siblings))
        return hearing.verdicts if hearing and current else []

    def due(self, trace: Trace, problem: Problem, siblings: Sequence[Trace] = ()) -> bool:
        """Whether a trace is to be judged: it never was, or an error kept its verifiers from it."""
        verdicts = self.of(trace, problem, siblings)
        return decide(verdicts) is None or any(verdict.reason in NOT_FINAL for verdict in verdicts)

    def add(self, trace: Trace, problem: Problem, verdicts: Sequence[Verdict], siblings: Sequence[Trace] = ()) -> None:
        """Write down a whole hearing."""
        gold, judged, deciding = gold_hash(problem), _judged_hash(trace, siblings), decide(verdicts)
        rows = [
            asdict(verdict) | {"gold": gold, "judged": judged, "heard": heard, "decides": verdict is deciding}
            for heard, verdict in enumerate(verdicts, 1)
        ]
        self._log.write("".join(json.dumps(row) + "\n" for row in rows))
        self._log.flush()
        self._hearings[trace.key, gold] = Hearing(judged, list(verdicts))

    def close(self) -> None:
        self._log.close()


def hearings(path: Path) -> dict[tuple[str, str], Hearing]:
    """The last hearing of every trace (by key) under every gold (by hash). A torn last line is passed over."""
    found: dict[tuple[str, str], Hearing] = {}
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
            key = row["key"], row["gold"]
            if row.get("heard") == 1 or key not in found:
                found[key] = Hearing(row.get("judged", ""))
            found[key].verdicts.append(Verdict(**{name: row[name] for name in row if name in FIELDS}))
    return found


def gold_hash(problem: Problem) -> str:
    """What a verdict depends on in the problem."""
    extra, conventions = dict(problem.extra), dict(problem.conventions)
    judged_by = [problem.verifier, problem.answer, problem.tests, problem.entry_point, extra]
    return fingerprint(judged_by + [conventions] * bool(conventions))[:16]


def _judged_hash(trace: Trace, siblings: Sequence[Trace]) -> str:
    seen = sorted([other.key, other.teacher, other.response, other.status] for other in siblings)
    return fingerprint([trace.response, trace.status, seen])[:16]
