"""How long a restart takes over a large ledger, and what writing costs whoever samples.

    python scripts/bench_ledger.py FOLDER [--entries 1000000]

Makes, once, a ledger of ENTRIES rows of 2 kB below FOLDER, sealed as a run would have sealed it: 94 % finished, 4 % cut
off, 2 % failed. Then, each in a fresh process:

    resume   `Ledger(...)`, and which samples of a plan (ENTRIES / 4 problems, 4 of each) are left; peak memory
    live     the same of one live segment just before it is full: the most that a restart has to parse
    write    rows through `commit` at a steady pace: CPU of the thread that samples, and of the process, a row
"""

import argparse
import json
import random
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import islice
from math import ceil
from pathlib import Path
from typing import Any

from tracegen.ledger import Ledger, Row, sample_keys, sealed, segments
from tracegen.ledger.store import SEGMENT_BYTES

SAMPLES = 4
MODEL = {"name": "a-teacher/that-thinks-32B", "revision": "8d6f1c4a"}
SAMPLING = {"temperature": 0.6, "top_p": 0.95, "max_tokens": 2048}
POOL = 1 << 22
SEGMENT_ROWS = SEGMENT_BYTES // 2150
"""Of these rows, as many as a segment holds when it is sealed."""
CUT_OFF, FAILED = 0.04, 0.02


def plan(problems: int) -> Iterator[tuple[str, list[dict[str, str]], str, int]]:
    """Problem, messages, key and index of every sample."""
    for number in range(problems):
        statement = (
            f"A farmer has {number} apples and gives {number % 97} of them to each of {number % 13 + 2} friends."
        )
        messages = [
            {"role": "system", "content": "Think step by step, then give the answer."},
            {"role": "user", "content": f"{statement} How many are left? Put the answer in \\boxed{{}}."},
        ]
        key_of = sample_keys(model=MODEL, messages=messages, sampling=SAMPLING, seed=1)
        for sample in range(SAMPLES):
            yield f"farm-{number}", messages, key_of(sample), sample


def rows(problems: int) -> Iterator[Row]:
    """Rows of 2 kB with texts that compress as prose does."""
    chance = random.Random(1)
    words = ["".join(chance.choices("etaoinshrdlu", k=chance.randint(2, 9))) for _ in range(5000)]
    pool = ""
    while len(pool) < POOL:
        pool += " ".join(chance.choices(words, range(len(words), 0, -1), k=100_000)) + " "
    for count, (problem, messages, key, sample) in enumerate(plan(problems)):
        start, kind = chance.randrange(POOL - 2000), chance.random()
        failed, cut = kind < FAILED, kind < FAILED + CUT_OFF
        yield {
            "key": key,
            "problem_id": problem,
            "teacher": "strong",
            "sample": sample,
            "model": "a-teacher/that-thinks-32B",
            "revision": "8d6f1c4a",
            "prompt": messages,
            "max_tokens": 2048,
            "sampling": {"temperature": 0.6, "top_p": 0.95, "seed": int(key[:7], 16)},
            "text": "" if failed else f"<think>\n{pool[start : start + 1450]}\n</think>\n\n\\boxed{{{sample}}}",
            "reasoning": None,
            "finish_reason": None if failed else "length" if cut else "stop",
            "prompt_tokens": 60,
            "completion_tokens": None if failed else 400,
            "prefix_tokens": 0,
            "forced": False,
            "error": "the server closed the connection" if failed else None,
            "seconds": round(count / 500, 3),
            "time": round(1.76e9 + count / 500, 3),
        }


def make(folder: Path, problems: int) -> None:
    """Once: a rename at the end says that it is whole."""
    if folder.exists():
        return
    new = folder.with_name(f"{folder.name}.new")
    new.mkdir(parents=True, exist_ok=True)
    made = rows(problems)
    for number in range(1, 1 + ceil(problems * SAMPLES / SEGMENT_ROWS)):
        sealed.write(new / f"{number:04d}.parquet", islice(made, SEGMENT_ROWS), ())
    new.rename(folder)


def make_live(folder: Path) -> None:
    if folder.exists():
        return
    folder.mkdir()
    size = 0
    with (folder / "0001.jsonl").open("w") as file:
        for row in rows(1 << 30):
            if (size := size + file.write(json.dumps(row) + "\n")) > 0.98 * SEGMENT_BYTES:
                return


def resume(folder: Path, problems: int) -> dict[str, Any]:
    start, cpu = time.perf_counter(), time.process_time()
    with Ledger(folder) as ledger:
        opened = time.perf_counter()
        left = sum(1 for _, _, key, _ in plan(problems) if not ledger.has(key, 4096))
    end = time.perf_counter()
    return {
        "rows": ledger.found.rows,
        "left": left,
        "seconds": round(end - start, 2),
        "of them opening": round(opened - start, 2),
        "cpu": round(time.process_time() - cpu, 2),
        "peak MB": peak_megabytes(),
    }


def peak_megabytes() -> int:
    """Of this program alone: `getrusage` would count what its parent held when it was started."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) // 1024 if found else 0


def write(folder: Path, rate: float, count: int) -> dict[str, Any]:
    """`count` rows at `rate` a second: what they cost beyond making and waiting for them."""
    made = [row for row, _ in zip(rows(count), range(count), strict=False)]
    waited = 0.0
    start = time.perf_counter()

    def paced() -> Iterator[Row]:
        nonlocal waited
        for number, row in enumerate(made):
            before = time.thread_time()
            while (ahead := start + number / rate - time.perf_counter()) > 0:
                time.sleep(ahead)
            waited += time.thread_time() - before
            yield row

    process, thread = time.process_time(), time.thread_time()
    with Ledger(folder) as ledger:
        acknowledged = sum(1 for _ in ledger.commit(paced()))
    seconds = time.perf_counter() - start
    thread, process = time.thread_time() - thread - waited, time.process_time() - process - waited
    return {
        "rows": acknowledged,
        "rows/s": round(acknowledged / seconds),
        "µs of the sampling thread a row": round(1e6 * thread / count, 1),
        "µs of the process a row": round(1e6 * process / count, 1),
    }


def fresh(what: str, folder: Path, problems: int) -> None:
    command = [sys.executable, __file__, str(folder), "--only", what, "--entries", str(problems * SAMPLES)]
    print(f"{what:7}", subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip(), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--only", choices=["resume", "live", "write"])
    given = parser.parse_args()
    problems = given.entries // SAMPLES
    stored, live = given.folder / f"sealed-{given.entries}", given.folder / "live"
    if given.only == "resume":
        print(json.dumps(resume(stored, problems)))
    elif given.only == "live":
        print(json.dumps(resume(live, SEGMENT_BYTES // 8000)))
    elif given.only == "write":
        written = given.folder / f"written-{time.time_ns()}"
        print(json.dumps(write(written, 500, 5000), ensure_ascii=False))
    else:
        given.folder.mkdir(parents=True, exist_ok=True)
        start = time.perf_counter()
        make(stored, problems)
        make_live(live)
        size = sum(path.stat().st_size for path in segments(stored))
        print(f"made {len(segments(stored))} segments, {size / given.entries:.0f} bytes a row,", end=" ")
        print(f"in {time.perf_counter() - start:.0f} s", flush=True)
        for what in ("resume", "live", "write"):
            fresh(what, given.folder, problems)


if __name__ == "__main__":
    main()
