"""A run on Batch endpoints, killed again and again: every sample is answered, and none is paid for twice."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from fake_batches import FakeBatches

from tracegen.ledger import read

pytest.importorskip("aiohttp")
PROBLEMS, SAMPLES = 30, 4


def reply(body: dict[str, Any]) -> dict[str, Any]:
    return {"text": "<think>\nso\n</think>\n\nThe answer is \\boxed{4}.", "completion_tokens": 12}


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    rows = [{"id": f"p{n}", "statement": f"What is {n} - {n - 4}?", "answer": "4"} for n in range(PROBLEMS)]
    (tmp_path / "p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    options = {"batch_size": 17, "batches_in_flight": 3, "gather_seconds": 0.1, "poll_seconds": 0.05}
    teacher = {"engine": "batch_api", "model": "fake", "options": options, "prices": {"input": 1.0, "output": 10.0}}
    teacher["sampling"] = {"n": SAMPLES, "max_tokens": 100}
    tree = {
        "name": "t",
        "problems": {"source": "jsonl", "path": "p.jsonl"},
        "prompt": "math",
        "teachers": {"batched": teacher},
        "verifiers": {"exact": {}},
    }
    (tmp_path / "t.yaml").write_text(yaml.safe_dump(tree))
    return tmp_path


def launch(folder: Path, server: FakeBatches, *arguments: str) -> subprocess.Popen[str]:
    options = f"teachers.batched.options.base_url={server.base_url}"
    command = [sys.executable, "-m", "tracegen.cli", "generate", "t.yaml", options, "--run-dir", "run", *arguments]
    return subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True, env={**os.environ, "NO_COLOR": "1"})


@pytest.mark.parametrize("seed", [1, 2])
def test_kills_at_random_moments(recipe: Path, seed: int) -> None:
    draw = random.Random(seed)
    with FakeBatches(reply, looks=12) as server:
        for _ in range(5):
            before = len(server.log)
            process = launch(recipe, server)
            deadline = time.monotonic() + 60
            while process.poll() is None and len(server.log) == before and time.monotonic() < deadline:
                time.sleep(0.005)
            # So the kills fall among uploads, orders, looks and downloads, not among imports.
            time.sleep(draw.uniform(0, 0.8))
            process.kill()
            process.communicate()
        process = launch(recipe, server)
        said = process.communicate(timeout=100)[1]
        assert process.returncode == 0, said
        assert len(server.asked) == PROBLEMS * SAMPLES
        assert set(server.asked.values()) == {1}
    rows = list(read(recipe / "run" / "traces"))
    assert len({row["key"] for row in rows}) == PROBLEMS * SAMPLES
    assert {(row["error"], row["engine"]) for row in rows} == {(None, "batch_api")}


def test_an_interrupted_run_says_where_its_batches_are_and_costs_half(recipe: Path) -> None:
    with FakeBatches(reply, looks=10**6) as server:
        process = launch(recipe, server)
        deadline = time.monotonic() + 60
        while len(server.batches) < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
        # On a busy machine two signals may arrive as one.
        for pause in (1.0, 10.0, 10.0):
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(pause)
        said = process.communicate(timeout=60)[1]
        assert process.returncode == 130, said
        assert "batch_1, batch_2, batch_3; the same command picks them up" in " ".join(said.split())
        assert {batch["status"] for batch in server.batches.values()} == {"in_progress"}
        server.looks = 1
        for batch in server.batches.values():
            batch["looks"] = 1
        process = launch(recipe, server)
        assert process.communicate(timeout=100)[1].count("was sent earlier and is waited for") == 3
        assert set(server.asked.values()) == {1}
    rows = list(read(recipe / "run" / "traces"))
    assert len(rows) == PROBLEMS * SAMPLES
    from tracegen.bill import Bill
    from tracegen.recipe import Prices

    bill = Bill({"batched": Prices(input=1.0, output=10.0)})
    for row in rows:
        bill.add(row)
    whole = sum(row["prompt_tokens"] + 10 * row["completion_tokens"] for row in rows) / 1e6
    assert bill.teachers["batched"].usd == pytest.approx(whole / 2)
