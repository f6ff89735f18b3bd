"""Synthesis over several launches: what was asked is not asked again, after failures, budgets, kills and interrupts."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from fake_server import FakeServer
from writer import Teacher, dropped, problems_of

from tracegen import recipe as recipes
from tracegen.ledger import read
from tracegen.records import BudgetReached, Problem


def times_asked(requests: Iterable[dict[str, Any]]) -> Counter[str]:
    """How often each prompt was asked with each seed."""
    return Counter(json.dumps([body["messages"], body["seed"]]) for body in requests)


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "tracegen.cli", *map(str, arguments)]


def generate(folder: Path) -> list[str]:
    return command("generate", folder / "made.yaml", "--run-dir", folder / "run")


def call(arguments: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=200, **options)


def test_the_same_again_asks_nothing_and_gives_the_same(make: Any, tmp_path: Path) -> None:
    with FakeServer(Teacher()) as server:
        made = make(server, limit=8)
        first = problems_of(made, tmp_path / "run")
        asked = len(server.requests())
        assert len(first) == 8
        assert problems_of(made, tmp_path / "run") == first
        # A folder without the stage, but with the ledger: all is worked out again, and nobody is asked.
        (tmp_path / "run" / "source" / "stage.json").unlink()
        assert list(problems_of(made, tmp_path / "run").items()) == list(first.items())
        assert len(server.requests()) == asked
        # A server that answers in another order gives the same problems in the same order.
        server.reply = slow = Teacher()
        slow.latency = 0.05
        assert list(problems_of(made, tmp_path / "other").items()) == list(first.items())
        # A higher limit begins with the same problems.
        more = problems_of(make(server, limit=12), tmp_path / "run")
        assert list(more.items())[:8] == list(first.items())


def test_what_failed_is_asked_again_and_nothing_else(make: Any, tmp_path: Path) -> None:
    teacher = Teacher()

    def failing(body: dict[str, Any]) -> dict[str, Any]:
        return {"status": 400, "message": "odd"} if body["seed"] % 5 == 0 else teacher(body)

    with FakeServer(failing) as server:
        made = make(server, limit=30)
        before = problems_of(made, tmp_path / "run")
        unanswered = [row for row in dropped(tmp_path / "run") if row["reason"] == "unanswered"]
        assert unanswered
        assert all("odd" in row["extra"]["error"] for row in unanswered)
        first = len(server.requests())
        failed = sum(body["seed"] % 5 == 0 for body in server.requests())
        server.reply = teacher
        after = problems_of(made, tmp_path / "run")
        assert len(before) < len(after)
        again = server.requests()[first:]
        assert sum(body["seed"] % 5 == 0 for body in again) >= failed
        assert set(times_asked(body for body in server.requests() if body["seed"] % 5).values()) == {1}
        there = len(server.requests())
        assert problems_of(made, tmp_path / "run") == after
        assert len(server.requests()) == there


def test_the_budget_ends_it_and_a_higher_one_goes_on(make: Any, tmp_path: Path) -> None:
    prices = {"input": 10.0, "output": 10.0}
    with FakeServer(Teacher()) as server:
        with pytest.raises(BudgetReached, match=r"budget\.tokens is 2000"):
            problems_of(make(server, budget={"tokens": 2000}, prices=prices), tmp_path / "run")
        paid = len(list(read(tmp_path / "run" / "asked" / "source")))
        assert 0 < paid == len(server.requests())
        problems_of(make(server, budget={"tokens": 2_000_000}, prices=prices), tmp_path / "run")
        assert set(times_asked(server.requests()).values()) == {1}


def test_a_run_that_is_killed_goes_on_and_asks_nothing_twice(make: Any, tmp_path: Path) -> None:
    teacher = Teacher(latency=0.05)
    with FakeServer(teacher) as server:
        make(server, how={"numbers": 3}, limit=25)
        ledger, run = tmp_path / "run" / "asked" / "source", tmp_path / "run"
        before: set[str] = set()
        for kill in range(3):
            process = subprocess.Popen(generate(tmp_path), stderr=subprocess.DEVNULL, start_new_session=True)
            deadline = time.monotonic() + 60
            while len(list(read(ledger))) < 15 * (kill + 1):
                assert process.poll() is None, "the run ended before it could be killed"
                assert time.monotonic() < deadline
                time.sleep(0.01)
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            stored = {row["key"] for row in read(ledger)}
            assert before <= stored
            before = stored
        assert (run / "recipe.yaml").is_file()
        done = call(generate(tmp_path))
        assert done.returncode == 0, done.stderr
        keys = Counter(row["key"] for row in read(ledger))
        assert set(keys.values()) == {1}
        kept = (run / "problems.jsonl").read_text().splitlines()
        assert len(kept) == 25
        # An uninterrupted run elsewhere makes the same.
        made = recipes.load(tmp_path / "made.yaml")
        assert [Problem(**json.loads(line)) for line in kept] == list(problems_of(made, tmp_path / "whole").values())
        asked = len(server.requests())
        for arguments in (("verify", tmp_path / "made.yaml", "--run-dir", run), ("check", run)):
            again = call(command(*arguments))
            assert again.returncode == 0, again.stderr
        assert len(server.requests()) == asked


def test_interrupted_once_it_waits_for_what_is_paid_for_and_twice_it_ends(make: Any, tmp_path: Path) -> None:
    run = tmp_path / "run"

    def interrupted(server: FakeServer, twice: bool) -> tuple[int, str, int]:
        seen = len(server.requests())
        process = subprocess.Popen(generate(tmp_path), stderr=subprocess.PIPE, text=True, start_new_session=True)
        while len(server.requests()) < seen + 4:
            assert process.poll() is None
            time.sleep(0.01)
        time.sleep(0.5)  # all that is going to be in flight is
        process.send_signal(signal.SIGINT)
        if twice:
            time.sleep(0.5)
            process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=40)
        return process.returncode, said, len(server.requests()) - seen

    teacher = Teacher(latency=4.0)
    with FakeServer(teacher) as server:
        make(server, how={"numbers": 1}, limit=4)
        status, said, asked = interrupted(server, twice=False)
        assert status == 130
        assert "in flight are waited for" in said
        assert f"tracegen run {run}" in said
        stored = len(list(read(run / "asked" / "source")))
        assert stored == asked
        teacher.latency = 60.0
        status, _, _ = interrupted(server, twice=True)
        assert status == 130
        assert len(list(read(run / "asked" / "source"))) == stored
        teacher.latency = 0.0
        assert call(generate(tmp_path)).returncode == 0


def test_check_asks_nobody(make: Any, tmp_path: Path) -> None:
    with FakeServer(Teacher()) as server:
        make(server)
        done = call(command("check", tmp_path / "made.yaml"), cwd=tmp_path)
        assert done.returncode == 2
        assert "made by asking a model; `tracegen generate` makes them" in done.stderr
        assert server.requests() == []
