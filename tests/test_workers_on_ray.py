"""Verdicts from a Ray cluster are those from this machine, deadlines and crashes included."""

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from tracegen.records import Problem, TracegenError, Verdict
from tracegen.verify import Judge, gold_trace
from tracegen.workers_on_ray import RayWorkers

pytestmark = pytest.mark.skipif(find_spec("ray") is None, reason="ray is not installed")

HOSTILE = """
import os
import time

from tracegen.records import Problem, Verdict

VERSION = "1"


def hostile(problem: Problem, response: str) -> Verdict:
    if response == "sleep":
        time.sleep(60)
    if response == "die":
        os._exit(3)
    if response == "raise":
        raise ValueError("no such number")
    return Verdict("right" if response == problem.answer else "wrong", response, "same")
"""


def cases(verifier: str) -> list[tuple[Problem, str]]:
    sums = [
        (Problem(f"p{n}", f"{n} + 1?", str(n + 1), "math"), f"It is \\boxed{{{n + 1 + n % 3 // 2}}}.")
        for n in range(70)
    ]
    odd = ["It is 7.", "", "\\boxed{", "9^{9^{9^9}}", "\\boxed{\\frac{14}{2}}", "\\boxed{x+1}"]
    sums += [(Problem("q", "3 + 4?", "7", "math"), response) for response in odd]
    return sums + [
        (Problem("h", "?", "4", verifier), response) for response in ("4", "5", "sleep", "die", "raise", "4")
    ]


def judged(on: str, given: list[tuple[Problem, str]]) -> list[list[Verdict]]:
    named = {problem.verifier for problem, _ in given}
    with Judge({}, workers=2, on=on, timeout=3.0, named=named) as judge:
        futures = [judge.submit(problem, gold_trace(problem.id, response)) for problem, response in given]
        return [[replace(verdict, seconds=0.0) for verdict in future.result(timeout=200)] for future in futures]


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_verdicts_are_the_same_on_ray(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(HOSTILE)
    given = cases(f"{tmp_path / 'mine.py'}:hostile")
    local, on_ray = judged("local", given), judged("ray", given)
    assert on_ray == local
    reasons = [verdicts[0].reason for verdicts in local[-6:]]
    assert reasons == ["same", "same", "timeout", "crash", "ValueError: no such number", "same"]


def test_without_a_cluster_the_sentence_says_where_it_was_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    workers = RayWorkers(1, {}, [], None)
    with pytest.raises(TracegenError, match=r"no Ray cluster could be joined at 127.0.0.1:1: .*`ray start --head`"):
        workers.hear("math", Problem("p", "?", "1"), "1", {}, 1.0)
    workers.close()
