"""Runs to be looked at, every file of them written as the house writes it, and their indexes."""

import json
import random
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path

import duckdb

from tracegen.generate import parse
from tracegen.ledger import Ledger, best
from tracegen.ledger.store import seal
from tracegen.records import Problem, Verdict
from tracegen.verdicts import Verdicts
from tracegen.view import index, load, state

PROBLEMS = 12
EVIL = "<script>alert(1)</script> \u202egnp.exe \ud800 half"


def problem(number: int) -> Problem:
    name = f"set/{number} ä"
    return Problem(name, f"How many are ${number}$?", str(number), "math", source="mine", licence="mit")


def row(of: Problem, sample: int, text: str, *, teacher: str = "t", **more) -> dict:
    key = sha256(f"{of.id} {teacher} {sample}".encode()).hexdigest()[:32]
    asked = {"key": key, "problem_id": of.id, "teacher": teacher, "sample": sample, "model": f"m-{teacher}"}
    asked |= {"revision": None, "engine": "openai", "prompt": [{"role": "user", "content": of.statement}]}
    came = {"text": text, "reasoning": None, "finish_reason": "stop", "prompt_tokens": 7, "completion_tokens": 10}
    came |= {"prefix_tokens": 0, "forced": False, "error": None, "seconds": 1.0, "started": 1.0, "time": 2.0}
    return asked | {"max_tokens": 100, "sampling": {"temperature": 1.0}} | came | more


class Made:
    """A run in the making; every file is written as the house writes it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.problems = {of.id: of for of in map(problem, range(PROBLEMS))}
        (folder / "recipe.yaml").write_text(
            "name: seen\nteachers: {t: {options: {api_key: sk-abcdefghijklmnopqrst}}}\n"
        )
        self.write_problems()

    def write_problems(self) -> None:
        lines = [json.dumps(asdict(of)) + "\n" for of in self.problems.values()]
        (self.folder / "problems.jsonl").write_text("".join(lines))

    def answer(self, rows, *, sealed: bool = False) -> None:
        """One launch: a segment, sealed or as it is while it is written."""
        with Ledger(self.folder / "traces") as ledger:
            for _ in ledger.commit(rows):
                pass
            segment = max((self.folder / "traces").glob("*.jsonl"))
        if sealed:
            seal(segment)

    def judge(self, outcome, panel: str = "p1") -> None:
        """A hearing of every trace; `outcome` gives its verdicts."""
        log = Verdicts(self.folder / "verdicts", {"math": panel})
        for stored in best(self.folder / "traces"):
            if stored["error"] is None:
                trace = parse(stored)
                verdicts = [
                    Verdict(found, "4", f"because-{found}", span=(0, 2), key=trace.key, verifier=by, version="1")
                    for by, found in outcome(trace)
                ]
                log.add(trace, self.problems[trace.problem_id], verdicts)
        log.close()

    def curate(self, dropped: dict[str, tuple[str, str]], kept: list[str], detail: dict | None = None) -> None:
        """What a curation leaves that anybody asks about."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        data = self.folder / "corpus" / "data" / "curated"
        data.mkdir(parents=True)
        (self.folder / "dropped").mkdir()
        pq.write_table(pa.table({"key": kept}), data / "train-00000-of-00001.parquet")
        rows = [
            {"key": key, "filter": name, "reason": reason, "detail": json.dumps(detail or {"twin": kept[0]})}
            for key, (name, reason) in dropped.items()
        ]
        pq.write_table(pa.Table.from_pylist(rows), self.folder / "dropped" / "reasons.parquet")
        steps = [{"filter": "correct", "before": len(rows) + len(kept), "after": len(kept), "reasons": {}}]
        funnel = {"traces": len(rows) + len(kept), "kept": len(kept), "rows": steps}
        (self.folder / "corpus" / "funnel.json").write_text(json.dumps(funnel))


def samples(made: Made, chance: random.Random, teacher: str = "t", n: int = 4):
    """Answers of every kind, in an order that is not the plan's."""
    of_all = [(of, sample) for of in made.problems.values() for sample in range(n)]
    chance.shuffle(of_all)
    for of, sample in of_all:
        words = " ".join(chance.choices(["apples", "pears", "so", EVIL], k=8))
        text = f"<think>\nHm, {words}\n</think>\n\n\\boxed{{{sample}}} {chance.choice(['', EVIL])}"
        kind = chance.choice(["whole"] * 5 + ["failed", "cut off", "no reasoning", "malformed", "forced", "channel"])
        found = row(of, sample, text, teacher=teacher, completion_tokens=chance.randint(5, 99))
        if kind == "failed":
            found |= {"text": "", "error": "the server answered 500", "finish_reason": None, "completion_tokens": None}
        elif kind == "cut off":
            found |= {"text": "<think>\nHm", "finish_reason": "length"}
        elif kind == "no reasoning":
            found |= {"text": "only \\boxed{1}"}
        elif kind == "malformed":
            found |= {"text": "<think> a <think> b </think> c"}
        elif kind == "forced":
            found |= {"forced": True, "finish_reason": "length", "prefix_tokens": 50}
        elif kind == "channel":
            found |= {"text": "\\boxed{1}", "reasoning": "in a channel of its own"}
        yield found


def indexed(run, folder=None):
    """The rows of the newest index, and its state."""
    folder = folder or state.place(run)
    found = index.Index(run, folder)
    for _ in found.update():
        pass
    assert found.state.whole
    table = duckdb.sql(f"SELECT * FROM {load.parquet([state.table(folder, found.state.number)])} ORDER BY pos")
    return [dict(zip(table.columns, row, strict=True)) for row in table.fetchall()], found.state
