"""Programs per second of judging code, against the usual checker that forks one process for each program.

    python scripts/bench_code.py FOLDER        (a folder that holds humaneval/HumanEval.jsonl)

The other side is of the shape of HumanEval's own checker, written anew: for every program a `multiprocessing.Manager`
with a list, a `Process` that executes program and test in one namespace under an alarm, `join`, and a look at the
list; threads of one parent drive it. Ours is the sandbox with the same source run as one program, and the code
verifier end to end, in processes. All sides judge the same canonical solutions with the same number of workers, in
turns, so that only the ratios of one run mean anything.
"""

import argparse
import contextlib
import io
import json
import multiprocessing
import os
import signal
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

from tracegen.records import Problem
from tracegen.sandbox import Limits, Sandbox
from tracegen.verifiers.code import code

SECONDS = 10.0
Row = dict[str, Any]


def whole(row: Row) -> str:
    """Program, test and the call of it, as one source."""
    return f"{row['prompt']}{row['canonical_solution']}\n{row['test']}\ncheck({row['entry_point']})\n"


def fork_per_program(row: Row) -> bool:
    """The usual checker's way."""
    found = multiprocessing.Manager().list()
    process = multiprocessing.Process(target=_execute, args=(whole(row), found))
    process.start()
    process.join(SECONDS + 1)
    if process.is_alive():
        process.kill()
    return list(found) == ["passed"]


def _execute(source: str, found: Any) -> None:
    signal.signal(signal.SIGALRM, _too_late)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    before = os.getcwd()
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        os.chdir(folder)
        try:
            exec(source, {})
            found.append("passed")
        except BaseException as error:  # noqa: BLE001
            found.append(f"failed: {error}")
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            os.chdir(before)


def _too_late(*_: object) -> None:
    raise TimeoutError


@cache
def _sandbox() -> Sandbox:
    return Sandbox()


def in_sandbox(row: Row) -> bool:
    """The sandbox alone: one program of ours for one of theirs."""
    ended = _sandbox().run(whole(row), limits=Limits(seconds=SECONDS))
    return ended.status == "exited" and ended.code == 0


def verified(row: Row) -> bool:
    """The code verifier: solution and tests in two guests."""
    problem = Problem(
        id=row["task_id"],
        statement=row["prompt"],
        tests=row["test"],
        entry_point=row["entry_point"],
        extra={"prompt": row["prompt"]},
    )
    return code(problem, f"```python\n{row['prompt']}{row['canonical_solution']}\n```").outcome == "right"


def rate(judge: Callable[[Row], bool], rows: Sequence[Row], pool: ThreadPoolExecutor | ProcessPoolExecutor) -> float:
    """Programs a second; a side that gets one wrong has not earned a figure."""
    started = time.perf_counter()
    passed = sum(pool.map(judge, rows))
    seconds = time.perf_counter() - started
    if passed != len(rows):
        raise SystemExit(f"{judge.__name__} passed {passed} of {len(rows)} canonical solutions")
    return len(rows) / seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--count", type=int, default=164, help="programs a round")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with (arguments.folder / "humaneval" / "HumanEval.jsonl").open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines][: arguments.count]
    # Fresh interpreters for our workers, as the judge has them; forks for the other side, as it is written for.
    multiprocessing.set_start_method("fork")
    context = multiprocessing.get_context("spawn")
    rates: dict[str, list[float]] = {}
    with (
        ThreadPoolExecutor(arguments.workers) as threads,
        ProcessPoolExecutor(arguments.workers, context) as first,
        ProcessPoolExecutor(arguments.workers, context) as second,
    ):
        sides: list[tuple[Callable[[Row], bool], ThreadPoolExecutor | ProcessPoolExecutor]]
        sides = [(fork_per_program, threads), (in_sandbox, first), (verified, second)]
        for judge, pool in sides:
            rate(judge, rows[: 4 * arguments.workers], pool)  # to warm up
        for _ in range(arguments.rounds):
            for judge, pool in sides:
                rates.setdefault(judge.__name__, []).append(rate(judge, rows, pool))
    medians = {name: statistics.median(found) for name, found in rates.items()}
    base = medians["fork_per_program"]
    ratios = {name: round(found / base, 2) for name, found in medians.items()}
    if arguments.json:
        print(json.dumps({"per_second": medians, "ratios": ratios, "rounds": rates}))
        return
    print(f"{len(rows)} programs, {arguments.workers} workers, median of {arguments.rounds} rounds")
    for name, found in medians.items():
        print(f"{name:18} {found:7.1f} programs/s   {ratios[name]:.2f} times")


if __name__ == "__main__":
    main()
