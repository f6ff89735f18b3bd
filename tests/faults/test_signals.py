"""SIGTERM, Ctrl-C once and twice at random moments: how a run ends, what it says, and that nothing is lost by it."""

import os
import random
import re
import signal
import time

import pytest
from faults.rig import Run, Server

LATENCY = 0.4
SEEDS = [1, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(2, 12))]
GRACE = 1.0
"""Seconds that an answer may be on its way to the disk, on a busy machine."""


@pytest.fixture
def run(tmp_path):
    with Server(tmp_path / "server.jsonl", ["--latency", str(LATENCY), "--jitter", "0.2"]) as server:
        yield Run(tmp_path, server, problems=16, samples=4, concurrency=8)


def launched(run, seed):
    """A run with some answers, at a random moment."""
    moments = random.Random(seed)
    process = run.launch(answers=moments.randrange(1, 16))
    time.sleep(moments.uniform(0, LATENCY))
    return process


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_asked_once_to_stop_it_keeps_what_is_in_flight(run, number, seed):
    process = launched(run, seed)
    run.end(process, number)
    assert process.wait(30) == 130
    assert "Once more ends at once" in run.said()
    assert re.search(rf"To go on: tracegen (run|generate) .*{run.folder / 'run'}", run.said())
    answered = {exchange.sample for exchange in run.server.look() if exchange.answered is not None}
    assert {exchange.sample for exchange in run.server.look()} == answered, "the run left before its answers came"
    assert run.acknowledged() == answered
    run.finish()
    assert run.paid_twice() == []
    run.check(grace=0)


@pytest.mark.parametrize("seed", SEEDS)
def test_asked_twice_it_ends_at_once(run, seed):
    process = launched(run, seed)
    before = run.acknowledged()
    os.killpg(process.pid, signal.SIGINT)
    time.sleep(random.Random(-seed).uniform(0.01, 0.3))
    asked = time.monotonic()
    run.end(process, signal.SIGINT)
    assert process.wait(30) == 130
    assert time.monotonic() - asked < 2, "the second Ctrl-C was kept waiting"
    assert before <= run.acknowledged()
    run.finish()
    run.check(grace=GRACE)


def test_a_hasty_user_loses_nothing(run):
    """Ctrl-C five times in half a second, which may hit the very end of the process."""
    process = launched(run, seed=5)
    for _ in range(5):
        if process.poll() is None:
            run.end(process, signal.SIGINT)
        time.sleep(0.1)
    assert process.wait(30) in (130, -signal.SIGINT)
    assert "Traceback" not in run.said()
    run.finish()
    run.check(grace=GRACE)


def test_where_the_leader_is_killed_nobody_stays_behind(run):
    """Its workers end by themselves."""
    process = launched(run, seed=6)
    run.kill_leader(process)
    deadline = time.monotonic() + 10
    while group(process.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert group(process.pid) == []
    run.finish()
    run.check(grace=GRACE)


def group(leader):
    """The living processes of a process group."""
    living = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat") as file:
                state, _, of = file.read().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(of) == leader and state != "Z":
            living.append(int(name))
    return living
