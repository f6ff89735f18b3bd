"""The wall clock jumps by a day, backwards, between launches and within one: nothing of the run depends on it."""

import os
import random
import subprocess
import time

import pytest
from faults.rig import Run, Server

from tracegen.ledger import read

JUMP = '''
"""Python imports this before anything else: from a moment on, `time.time` is a day behind."""
import os
import time

real, start = time.time, time.monotonic()
day, after = float(os.environ["JUMP"]), float(os.environ["AFTER"])
time.time = lambda: real() + (day if time.monotonic() - start > after else 0)
'''
DAY = 86400.0


@pytest.fixture
def run(tmp_path):
    (tmp_path / "clock").mkdir()
    (tmp_path / "clock" / "sitecustomize.py").write_text(JUMP)
    with Server(tmp_path / "server.jsonl", ["--latency", "0.05", "--jitter", "0.05"]) as server:
        yield Run(tmp_path, server, problems=60, samples=4, concurrency=8)


def launch(run, *, jump, after, kill_after=None):
    """One launch under such a clock; the status, or None where it was killed."""
    told = {"PYTHONPATH": str(run.folder / "clock"), "JUMP": str(jump), "AFTER": str(after)}
    before = len(run.server.look())
    run.starts.append(time.time())
    with (run.folder / "stderr").open("w") as said:
        process = subprocess.Popen(run.command("budget.seconds=600"), stderr=said, env=os.environ | told)
    if kill_after is None:
        return process.wait(240)
    while len(run.server.look()) == before:
        assert process.poll() is None, run.said()
        time.sleep(0.005)
    time.sleep(kill_after)
    run.ends[len(run.starts) - 1] = time.time()
    process.kill()
    process.wait()
    return None


def sweep(run, seed, launches):
    chance = random.Random(seed)
    began = time.monotonic()
    launch(run, jump=0, after=0, kill_after=0.5)
    for _ in range(launches):
        launch(run, jump=chance.choice([-DAY, DAY]), after=chance.uniform(0, 3), kill_after=chance.uniform(0, 0.4))
    # A budget that takes the wall clock at its word would be used up.
    assert launch(run, jump=-DAY, after=chance.uniform(0, 2)) == 0, run.said()
    passed = time.monotonic() - began
    run.check(grace=1.0)
    rows = list(read(run.traces))
    assert all(0 <= row["seconds"] <= passed for row in rows)
    times = [row["time"] for row in rows]
    assert max(times) - min(times) > DAY / 2, "no clock has jumped"


def test_a_jump_of_a_day_changes_nothing(run):
    sweep(run, seed=1, launches=3)


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(2, 8))
def test_many_more_jumps(run, seed):
    sweep(run, seed, launches=12)
