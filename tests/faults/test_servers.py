"""Servers that die, hang, storm and stammer: every problem gets its samples, and nothing is paid for twice."""

import random
import threading
import time

import pytest
from faults.rig import Run, Server

SEEDS = [1, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(2, 8))]
LATENCY = ["--latency", "0.05", "--jitter", "0.1"]
FAULTS = ["--errors", "0.05", "--resets", "0.03", "--malformed", "0.03", "--truncate", "0.05"]


def test_errors_resets_and_broken_answers_cost_no_sample(tmp_path):
    with Server(tmp_path / "server.jsonl", [*LATENCY, *FAULTS]) as server:
        run = Run(tmp_path, server, problems=100, samples=4, concurrency=16)
        run.finish()
        run.check(grace=0)
        statuses = {exchange.status for exchange in server.look()}
        assert {200, 500, None} <= statuses, "the server did not fail as it was told to"


@pytest.mark.parametrize("status", [429, 503])
def test_a_storm_uses_up_nobodys_tries(tmp_path, status):
    """With a single retry a request outlives a storm of thousands of refusals, and the run is not much longer."""
    storm = ["--storm", "0.3:4", "--storm-status", str(status)]
    with Server(tmp_path / "server.jsonl", [*LATENCY, *storm]) as server:
        run = Run(tmp_path, server, problems=100, samples=2, concurrency=32, options={"max_retries": 1})
        run.finish()
        run.check(grace=0)
        refused = sum(exchange.status == status for exchange in server.look())
        assert 0 < refused < 32 * 4 * 10, "a storm is waited out, not answered with another"


@pytest.mark.parametrize("seed", SEEDS)
def test_a_server_that_is_restarted_is_waited_for(tmp_path, seed):
    moments = random.Random(seed)
    with Server(tmp_path / "server.jsonl", LATENCY) as server:
        run = Run(tmp_path, server, problems=60, samples=4, concurrency=8)
        process = run.launch(answers=moments.randrange(1, 150))
        time.sleep(moments.uniform(0, 0.1))
        server.kill()
        time.sleep(moments.uniform(0.2, 4))
        server.start()
        assert process.wait(60) == 0, run.said()
        run.check(grace=0)


def test_a_server_that_never_answers_is_given_up_after_its_timeout(tmp_path):
    """Three answers in a hundred never come; each such try ends after `timeout`, and the next one is answered."""
    with Server(tmp_path / "server.jsonl", [*LATENCY, "--hang", "0.03"]) as server:
        run = Run(tmp_path, server, problems=60, samples=2, concurrency=8, options={"timeout": 1.0})
        run.finish()
        run.check(grace=0)
        assert any(exchange.answered is None for exchange in server.look()), "no answer was withheld"


def test_a_server_that_is_gone_for_good_ends_the_run_with_one_sentence(tmp_path):
    with Server(tmp_path / "server.jsonl", LATENCY) as server:
        run = Run(tmp_path, server, problems=60, samples=4, concurrency=8, options={"max_retries": 1, "patience": 3.0})
        process = run.launch(answers=20)
        threading.Timer(0.1, server.kill).start()
        assert process.wait(60) == 1
        assert "Traceback" not in run.said()
        assert server.base_url in run.said()
        kept = run.acknowledged()
        assert len(kept) >= 20
        server.start()
        run.finish()
        run.check(grace=0)
