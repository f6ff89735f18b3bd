"""How soon a large run is seen in the browser, what a filter takes, and what memory.

    python scripts/bench_view.py FOLDER [--traces 1000000]

Makes, once, a run of TRACES traces of 2 kB below FOLDER: four of each problem, in segments sealed as a run would have
sealed them and a live one behind them, with verdicts, drops and a corpus. Then `tracegen view`, as a process of its own
that is asked over HTTP as the page asks:

    cold   nobody has looked at the run before: its index is made while pages are served from what is there
    warm   the same command again

First page: from the start of the process to the rows of the first page (the page itself, /api/run, /api/traces).
Memory: the most that the processes held, of the server and of the one that makes the index.
"""

import argparse
import atexit
import json
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import quote
from urllib.request import urlopen

import pyarrow as pa
import pyarrow.parquet as pq
from bench_ledger import SEGMENT_ROWS, rows

from tracegen.ledger import Row, sealed
from tracegen.records import Problem, Verdict
from tracegen.verdicts import gold_hash
from tracegen.view.query import cursor

SAMPLES = 4
PANEL = "c0ffee"
RARE = "zanzibar"
"""A word of one trace in a hundred thousand."""
PATIENCE = 600.0
FILTERS = (
    "verdict=wrong",
    "verdict=right&kept=no",
    "reason=dedup:near_duplicate",
    "teacher=strong&min_tokens=300&max_tokens=500",
    "min_pass=0.3&max_pass=0.6&sort=-tokens",
    "problem=farm-1234",
    "sort=pass",
    "status=truncated",
)


def make(run: Path, traces: int) -> None:
    """Once: a rename at the end says that it is whole."""
    if run.exists():
        return
    new = run.with_name(f"{run.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    for name in ("traces", "verdicts", "dropped", "corpus/data/curated"):
        (new / name).mkdir(parents=True)
    golds = {}
    with (new / "problems.jsonl").open("w") as file:
        for n in range(traces // SAMPLES):
            problem = Problem(f"farm-{n}", f"A farmer has {n} apples. How many are left?", str(n % SAMPLES), "math")
            golds[problem.id] = gold_hash(problem)
            file.write(json.dumps(asdict(problem)) + "\n")
    (new / "recipe.yaml").write_text("name: large\nproblems: {source: jsonl, path: problems.jsonl}\n")
    (new / "verdicts" / "stage.json").write_text(json.dumps({"hash": "", "inputs": {"panels": {"math": PANEL}}}))
    fates: dict[str, dict[str, str]] = {}
    with (new / "verdicts" / "verdicts.jsonl").open("w") as log:
        made = judged(rows(traces // SAMPLES), golds, log, fates)
        segments = traces // SEGMENT_ROWS
        for number in range(1, 1 + segments):
            sealed.write(new / "traces" / f"{number:04d}.parquet", islice(made, SEGMENT_ROWS), ())
        with (new / "traces" / f"{segments + 1:04d}.jsonl").open("w") as live:
            live.writelines(json.dumps(row) + "\n" for row in made)
    dropped = [{"key": key, "detail": None} | fate for key, fate in fates.items() if fate]
    pq.write_table(pa.Table.from_pylist(dropped), new / "dropped" / "reasons.parquet")
    kept = pa.table({"key": [key for key, fate in fates.items() if not fate]})
    pq.write_table(kept, new / "corpus" / "data" / "curated" / "train-00000-of-00001.parquet")
    new.rename(run)


def judged(made: Iterator[Row], golds: Mapping[str, str], log: TextIO, fates: dict[str, Any]) -> Iterator[Row]:
    """Rows of many lengths; two of five answers are right, of which a tenth is a near-duplicate."""
    chance = random.Random(2)
    for number, row in enumerate(made):
        if row["error"] is None:
            row["completion_tokens"] = chance.randint(50, 2000)
            if number % 100_000 == 0:
                row["text"] = row["text"].replace("</think>", f"{RARE}\n</think>")
            right = chance.random() < 0.4
            outcome, reason = ("right", "equal") if right else ("wrong", "different")
            answer = str(row["sample"])
            verdict = Verdict(outcome, answer, reason, "box", (7, 8), "", None, row["key"], "math", "1")
            hearing = {"gold": golds[row["problem_id"]], "panel": PANEL, "judged": row["key"][:16], "of": 1}
            log.write(json.dumps(asdict(verdict) | hearing | {"heard": 1, "decides": True}) + "\n")
            twin = {"filter": "dedup", "reason": "near_duplicate"} if chance.random() < 0.1 else {}
            fates[row["key"]] = twin if right else {"filter": "correct", "reason": "wrong"}
        yield row


class Viewed:
    """`tracegen view` as a process, asked as the page asks."""

    def __init__(self, run: Path) -> None:
        self.started = time.perf_counter()
        command = [sys.executable, "-m", "tracegen.cli", "view", str(run), "--port", "0"]
        self._process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        atexit.register(self._process.kill)
        assert self._process.stderr is not None
        self._address = re.findall(r"http://\S+/", self._process.stderr.readline())[0]

    def ask(self, address: str) -> tuple[float, Any]:
        """Seconds, and what was answered."""
        started = time.perf_counter()
        with urlopen(self._address + address) as answer:
            body = answer.read()
        found = json.loads(body) if address.startswith("api/") else None
        return time.perf_counter() - started, found

    def first_page(self) -> float:
        """Seconds since the start."""
        for address in ("", "api/run", "api/traces?limit=50"):
            found = self.ask(address)[1]
        assert len(found["rows"]) == 50
        return time.perf_counter() - self.started

    def when(self, what: str) -> float:
        """Seconds since the start until the index says so."""
        while not self.ask("api/run")[1]["index"][what]:
            if time.perf_counter() - self.started > PATIENCE:
                raise TimeoutError(what)
            time.sleep(0.2)
        return time.perf_counter() - self.started

    def megabytes(self) -> dict[str, int]:
        """The most that each process held."""
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        found = {"server": peak(self._process.pid)}
        return found | ({"index": peak(int(children[0]))} if children else {})

    def end(self) -> float:
        """Seconds from Ctrl-C to the end."""
        started = time.perf_counter()
        self._process.send_signal(signal.SIGINT)
        self._process.wait()
        return time.perf_counter() - started


def peak(process: int) -> int:
    try:
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())
    except OSError:
        return 0
    return int(found[1]) // 1024 if found else 0


def questions(viewed: Viewed) -> None:
    """What people ask of a list, each asked twice; the slower counts."""
    for filter_ in FILTERS:
        took = [viewed.ask(f"api/traces?{filter_}") for _ in range(2)]
        print(f"  {filter_:45} {max(took)[0]:.2f} s, {took[0][1]['total']:,} traces", flush=True)
    _, found = viewed.ask("api/traces?limit=200")
    far = found["total"] * 7 // 10
    took, _ = viewed.ask(f"api/traces?after={cursor('plan', far, far)}")
    print(f"  {'a page far down':45} {took:.2f} s")
    for name, address in (("a trace", "trace/"), ("a problem", "problem/")):
        row = found["rows"][100]
        of = quote(row["key" if name == "a trace" else "problem_id"], safe="")
        print(f"  {name:45} {viewed.ask(f'api/{address}{of}')[0]:.2f} s")
    for words in ("the", RARE):
        search(viewed, words)


def search(viewed: Viewed, words: str) -> None:
    """The first page, and all pages to the end of the texts or 200 rows."""
    started, after, rows, first = time.perf_counter(), "", 0, 0.0
    while after is not None and rows < 200:
        took, found = viewed.ask(f"api/traces?q={words}&after={after}")
        first = first or took
        rows, after = rows + len(found["rows"]), found["next"]
    told = f"{first:.2f} s; {rows} rows in {time.perf_counter() - started:.2f} s"
    print(f"  {'search for ' + words:45} {told}{'' if after else ', all texts searched'}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--traces", type=int, default=1_000_000)
    parser.add_argument("--make", action="store_true", help="Only make the run.")
    parser.add_argument("--warm", action="store_true", help="Leave the index as it is.")
    parser.add_argument("--brief", action="store_true", help="Do not wait for status and first words of every trace.")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    run = given.folder / f"run-{given.traces}"
    make(run, given.traces)
    if given.make:
        return
    if not given.warm:
        shutil.rmtree(run / ".view", ignore_errors=True)
        cold = Viewed(run)
        print(f"cold: first page {cold.first_page():.2f} s", flush=True)
        print(f"  every trace, verdict and drop after {cold.when('all'):.1f} s", flush=True)
        questions(cold)
        if not given.brief:
            print(f"  status and first words of each after {cold.when('whole'):.1f} s", flush=True)
        print(f"  MB: {cold.megabytes()}; Ctrl-C: {cold.end():.2f} s", flush=True)
    warm = Viewed(run)
    print(f"warm: first page {warm.first_page():.2f} s", flush=True)
    questions(warm)
    print(f"  MB: {warm.megabytes()}; Ctrl-C: {warm.end():.2f} s")


if __name__ == "__main__":
    main()
