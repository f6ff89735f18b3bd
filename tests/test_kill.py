"""SIGKILL at random moments: nothing acknowledged is lost, nothing is paid twice, nothing is counted twice."""

import random
import time

import pytest
from faults.rig import Run, Server

GRACE = 1.0
"""Seconds that an answer may be on its way to the disk; an idle machine needs far less (`scripts/bench_kill.py`)."""


def sweep(folder, kills, concurrency, seed):
    with Server(folder / "server.jsonl", ["--latency", "0.05"]) as server:
        run = Run(folder, server, problems=150, samples=8, concurrency=concurrency)
        moments = random.Random(seed)
        for _ in range(kills):
            before = run.acknowledged()
            process = run.launch()
            time.sleep(moments.uniform(0, 0.4))
            assert process.poll() is None, "the run ended before it could be killed"
            run.kill(process)
            assert before <= run.acknowledged()
        run.finish()
        run.check(grace=GRACE)
        # An answer that was on its way may be asked again, and no more of them than can be in flight.
        assert len(run.paid_twice()) <= kills * 2 * concurrency


def test_kills_lose_nothing_and_pay_nothing_twice(tmp_path):
    sweep(tmp_path, kills=8, concurrency=8, seed=1)


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(2, 8))
@pytest.mark.parametrize("concurrency", [8, 256])
def test_many_more_kills(tmp_path, seed, concurrency):
    sweep(tmp_path, kills=20, concurrency=concurrency, seed=seed)
