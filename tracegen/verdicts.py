"""The verdicts of a run: a log beside the ledger, made again whenever the verifiers change.

One line a verdict, several for a trace in the order in which the verifiers ran. A line also holds a hash of the gold
that it was judged by, so that a corrected gold has its traces judged again, and no others.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from tracegen.ledger import repair
from tracegen.records import Problem, Verdict
from tracegen.rundir import fingerprint, rebuilt, up_to_date

FIELDS = {field.name for field in fields(Verdict)}


class Verdicts:
    """Reads what is judged already and appends what is judged next."""

    def __init__(self, folder: Path, verifiers: Mapping[str, Any]) -> None:
        inputs = {"verifiers": verifiers}
        if not up_to_date(folder, inputs):
            with rebuilt(folder, inputs):
                pass
        path = folder / "verdicts.jsonl"
        path.touch()
        repair(path)
        self._judged: dict[tuple[str, str], list[Verdict]] = {}
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                row = json.loads(line)
                gold = row.pop("gold")
                self._judged.setdefault((row["key"], gold), []).append(
                    Verdict(**{n: row[n] for n in row if n in FIELDS})
                )
        self._log = path.open("a", encoding="utf-8")

    def of(self, key: str, problem: Problem) -> list[Verdict]:
        """All verdicts on a trace under its problem's present gold; empty if it is not judged yet."""
        return self._judged.get((key, gold_hash(problem)), [])

    def add(self, problem: Problem, verdicts: Sequence[Verdict]) -> None:
        gold = gold_hash(problem)
        for verdict in verdicts:
            self._log.write(json.dumps(asdict(verdict) | {"gold": gold}) + "\n")
            self._judged.setdefault((verdict.key, gold), []).append(verdict)
        self._log.flush()

    def close(self) -> None:
        self._log.close()


def gold_hash(problem: Problem) -> str:
    """What a verdict depends on in the problem."""
    extra, conventions = dict(problem.extra), dict(problem.conventions)
    judged_by = [problem.verifier, problem.answer, problem.tests, problem.entry_point, extra]
    return fingerprint(judged_by + [conventions] * bool(conventions))[:16]
