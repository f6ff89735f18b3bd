"""SIGKILL at random moments: nothing acknowledged is lost, nothing is paid twice, nothing is counted twice."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
import yaml

from tracegen.ledger import finished, read, segments

PROBLEMS, SAMPLES = 150, 8


@pytest.fixture
def server(tmp_path):
    """A server in a process of its own, and the path of its log."""
    log = tmp_path / "server.jsonl"
    log.touch()
    script = Path(__file__).with_name("fake_server.py")
    command = [sys.executable, str(script), "--port", "0", "--log", str(log), "--latency", "0.05"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    yield int(process.stdout.readline()), log
    process.kill()
    process.wait()


def write_recipe(folder, port):
    problems = [{"id": f"p{n}", "statement": f"What is {n} + 1?", "answer": str(n + 1)} for n in range(PROBLEMS)]
    (folder / "problems.jsonl").write_text("".join(json.dumps(problem) + "\n" for problem in problems))
    teacher = {
        "engine": "openai",
        "model": "fake",
        "options": {"base_url": f"http://127.0.0.1:{port}/v1", "concurrency": 8},
        "sampling": {"n": SAMPLES, "max_tokens": 64},
    }
    recipe = {
        "name": "kill",
        "problems": {"source": "jsonl", "path": str(folder / "problems.jsonl")},
        "prompt": "math",
        "teachers": {"fake": teacher},
        "verifiers": {"exact": {}},
    }
    (folder / "kill.yaml").write_text(yaml.safe_dump(recipe))


def events(log, kind):
    return [row for row in map(json.loads, log.read_text().splitlines()) if row["event"] == kind]


def asked(rows):
    """What identifies a sample on the wire: the prompt and the seed that its key gives it."""
    return [(row["body"]["messages"][-1]["content"], row["body"]["seed"]) for row in rows]


def acknowledged(ledger):
    return {(row["prompt"][-1]["content"], row["sampling"]["seed"]) for row in read(ledger)}


def sweep(folder, server, kills, seed):
    port, log = server
    write_recipe(folder, port)
    ledger = folder / "run" / "traces"
    command = [sys.executable, "-m", "tracegen.cli", "generate", str(folder / "kill.yaml")]
    command += ["--run-dir", str(folder / "run")]
    moments = random.Random(seed)
    for _ in range(kills):
        before, seen = acknowledged(ledger), len(events(log, "request"))
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True)
        while len(events(log, "request")) == seen:
            assert process.poll() is None, "the run ended before it could be killed"
            time.sleep(0.01)
        time.sleep(moments.uniform(0, 0.4))
        assert process.poll() is None, "the run ended before it could be killed"
        os.killpg(process.pid, signal.SIGKILL)
        killed = time.time()
        process.wait()
        launch = events(log, "request")[seen:]
        assert not before & set(asked(launch)), "an acknowledged completion was asked again"
        answered = {row["id"] for row in events(log, "answered") if row["time"] < killed - 1}
        early = asked(row for row in launch if row["id"] in answered)
        assert set(early) <= acknowledged(ledger), "an answer older than a second was not durable"
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL, timeout=120)
    return ledger, log


def check_ledger(ledger, log, kills):
    rows = list(read(ledger))
    assert kills // 2 < len(segments(ledger)) <= kills + 1  # one a launch, but for those killed before any answer
    per_problem = Counter(row["problem_id"] for row in rows if finished(row))
    assert per_problem == {f"p{n}": SAMPLES for n in range(PROBLEMS)}
    assert max(Counter(row["key"] for row in rows if finished(row)).values()) == 1
    twice = Counter(asked(events(log, "request")))
    # In flight are 8, and as many may have been answered and not be durable yet.
    assert sum(count - 1 for count in twice.values()) <= kills * 16, "more was asked twice than could be under way"
    verdicts = (ledger.parent / "verdicts" / "verdicts.jsonl").read_text().splitlines()
    assert Counter(json.loads(line)["key"] for line in verdicts) == Counter(row["key"] for row in rows)


def test_twenty_kills_lose_nothing_and_pay_nothing_twice(tmp_path, server):
    check_ledger(*sweep(tmp_path, server, kills=20, seed=1), kills=20)


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(2, 8))
def test_many_more_kills(tmp_path, server, seed):
    check_ledger(*sweep(tmp_path, server, kills=20, seed=seed), kills=20)
