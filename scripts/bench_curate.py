"""Seconds and peak memory of curating synthetic runs of two sizes, and how both grow from the one to the other.

    python scripts/bench_curate.py FOLDER [--traces 20000 200000] [--benchmarks-dir DIR] [--on ray] [--without FILTER]

Makes, once each, below FOLDER, a run of so many traces of about 400 words: 10 samples of each problem, two thirds of
them right, 1 in 10 a near-duplicate of an earlier trace (2 % of its words replaced), as its ledger and its verdicts
would lie there. Then `tracegen curate` in a fresh process: all filters of the shelf but those that ask a model, each
with what makes it work (near-duplicates, pass rate, caps). Memory is the peak of that process, as the kernel counts it;
seconds of CPU are what to compare where others use the machine.
"""

import argparse
import json
import os
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import yaml

from tracegen import prepare, recipe, rundir
from tracegen.generate import parse, record
from tracegen.ledger import Ledger, Row
from tracegen.records import Completion, Verdict
from tracegen.verdicts import Verdicts

SAMPLES = 10
WORDS = 400
FILTERS: dict[str, Any] = {
    "pii": {},
    "licence": {},
    "decontaminate": {},
    "wellformed": {},
    "length": {"max_tokens": 4000},
    "repetition": {},
    "language": {},
    "refusal": {},
    "correct": {},
    "difficulty": {"max_pass_rate": 0.9},
    "dedup": {"near": 0.7},
    "diversity": {"per_problem": 4},
    "choose": {"keep": 3},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--traces", type=int, nargs="+", default=[20_000, 200_000])
    parser.add_argument("--benchmarks-dir", type=Path)
    parser.add_argument("--on", choices=["local", "ray"], default="local")
    parser.add_argument("--without", nargs="*", default=[], choices=list(FILTERS))
    given = parser.parse_args()
    filters = {name: options for name, options in FILTERS.items() if name not in given.without}
    figures = []
    for traces in given.traces:
        run = made(given.folder, traces)
        seconds, busy, gigabytes = curated(run, filters, given)
        funnel = json.loads((run / "corpus" / "funnel.json").read_text())
        drops = ", ".join(f"{row['filter']} {row['before'] - row['after']}" for row in funnel["rows"])
        print(f"{traces} traces: {seconds:.1f} s ({busy:.1f} s of CPU), {gigabytes * 1000:.0f} MB")
        print(f"  {funnel['kept']} kept; dropped: {drops}", flush=True)
        figures.append((traces, seconds, busy, gigabytes))
    for few, many in pairwise(figures):
        traces, seconds, busy, memory = (large / small for small, large in zip(few, many, strict=True))
        print(f"{traces:.1f} times the traces: {seconds:.1f} the time ({busy:.1f} of CPU), {memory:.1f} the memory")


def curated(run: Path, filters: dict[str, Any], given: argparse.Namespace) -> tuple[float, float, float]:
    """Seconds, seconds of CPU and gigabytes of `tracegen curate` in a process of its own, nothing being up to date."""
    for folder in ("corpus", "dropped"):
        (run / folder / "stage.json").unlink(missing_ok=True)
    overrides = [f"filters={json.dumps(filters)}", f"curating.on={given.on}"]
    if given.benchmarks_dir:
        overrides.append(f"benchmarks_dir={given.benchmarks_dir.resolve()}")
    start = time.monotonic()
    command = ["tracegen", "curate", str(run.parent / f"{run.name}.yaml"), "--run-dir", str(run), *overrides]
    child = os.posix_spawn(sys.executable, [sys.executable, "-m", "tracegen.cli", *command[1:]], dict(os.environ))
    _, status, used = os.wait4(child, 0)
    if status:
        sys.exit(f"{' '.join(command)} failed.")
    return time.monotonic() - start, used.ru_utime + used.ru_stime, used.ru_maxrss / 1e6


def made(folder: Path, traces: int) -> Path:
    """A run of so many traces, generated and judged; made before, it is taken as it is."""
    name = f"synthetic-{traces}"
    run, problems = folder / name, folder / f"{name}.jsonl"
    if (run / "made").is_file():
        return run
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = words()
    chance = random.Random(traces)
    with problems.open("w") as file:
        for number in range(traces // SAMPLES):
            story = " ".join(chance.choices(vocabulary, range(len(vocabulary), 0, -1), k=20))
            statement = f"{story.capitalize()}: {number} and {number % 89} more. How many are there in all?"
            licence = chance.choice(["mit", "apache-2.0", "cc-by-4.0"])
            row = {"id": f"p{number}", "statement": statement, "answer": str(number + number % 89), "licence": licence}
            file.write(json.dumps(row | {"source": f"source-{number % 5}", "verifier": "exact"}) + "\n")
    teacher = {"engine": "replay", "model": "none", "options": {"path": str(problems)}}
    tree = {
        "name": name,
        "problems": {"source": "jsonl", "path": str(problems)},
        "prompt": "math",
        "teachers": {"ours": teacher | {"sampling": {"n": SAMPLES, "max_tokens": 2048}}},
        "verifiers": {"exact": {}},
        "evaluate": {"benchmarks": {"heldout": {}}},
    }
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(tree))
    with rundir.owned(run):
        prepared = prepare.prepare(recipe.load(folder / f"{name}.yaml"), run)
        verdicts = Verdicts(run / "verdicts", prepared.judge.panels(prepared.problems.values()))
        with Ledger(run / "traces") as ledger, closing(verdicts), closing(prepared):
            for row in ledger.commit(rows(prepared, vocabulary)):
                trace, problem = parse(row), prepared.problems[row["problem_id"]]
                right = trace.response.endswith(f"{{{problem.answer}}}")
                said = Verdict("right" if right else "wrong", key=trace.key, verifier="exact", version="1")
                verdicts.add(trace, problem, [said])
    (run / "made").touch()
    return run


def words() -> list[str]:
    """The words of our own pages, the most frequent first: a filter of languages takes their sentences for English."""
    pages = (Path(__file__).parent.parent / "docs").glob("*.md")
    found = Counter(word for page in pages for word in re.findall(r"\b[a-z]{2,}\b", page.read_text(encoding="utf-8")))
    return sorted(found, key=lambda word: (-found[word], word))


def rows(run: prepare.Run, vocabulary: list[str]) -> Iterator[Row]:
    """Finished answers of the run's teacher."""
    chance = random.Random(2)
    # Zipf's law, without its few most frequent words.
    cumulative = list(accumulate(1 / (10 + rank) for rank in range(len(vocabulary))))
    [asker] = run.teachers.values()
    earlier: list[list[str]] = []
    for problem in run.problems.values():
        request_of = asker.requests(problem)
        for sample in range(SAMPLES):
            if earlier and chance.random() < 0.1:
                text = [
                    word if chance.random() > 0.02 else chance.choice(vocabulary) for word in chance.choice(earlier)
                ]
            else:
                text = chance.choices(vocabulary, cum_weights=cumulative, k=chance.randint(WORDS - 60, WORDS + 60))
                earlier = [*earlier[-999:], text]
            answer = problem.answer if chance.random() < 2 / 3 else "0"
            whole = f"<think>\n{' '.join(text)}\n</think>\n\nSo it is \\boxed{{{answer}}}"
            completion = Completion(whole, finish_reason="stop", prompt_tokens=60, completion_tokens=len(text) + 20)
            yield record(request_of(sample), completion, asker, seconds=1.0, started=0.0)


if __name__ == "__main__":
    main()
