"""A run with a judge model and a vote, from the command line: killed, resumed, reported, never asked twice."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from fake_server import FakeServer, answer

from tracegen.ledger import read

PROBLEMS, SAMPLES, IN_FLIGHT = 20, 4, 4


def reply(body: dict[str, Any]) -> dict[str, Any]:
    """A teacher that boxes a number, and a judge that takes even ones for right."""
    asked = body["messages"][-1]["content"]
    if "VERDICT" not in asked:
        return answer(body)
    mark = re.findall(r"VERDICT (\w+): RIGHT", asked)[-1]
    number = int(re.findall(r"boxed\{(\d+)\}", asked)[-1])
    return {"text": f"Read it.\nVERDICT {mark}: {'WRONG' if number % 2 else 'RIGHT'}", "latency": 0.02}


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer(reply) as server:
        yield server


def write_recipe(folder: Path, server: FakeServer, verifiers: dict[str, Any], gold: str | None) -> None:
    rows = [{"id": f"p{n}", "statement": f"Prove lemma {n}.", "answer": gold} for n in range(PROBLEMS)]
    (folder / "problems.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    options = {"base_url": server.base_url, "concurrency": IN_FLIGHT}
    recipe = {
        "name": "judged",
        "problems": {"source": "jsonl", "path": str(folder / "problems.jsonl")},
        "prompt": "math",
        "teachers": {"t": {"engine": "openai", "model": "fake", "options": options, "sampling": {"n": SAMPLES}}},
        "verifiers": verifiers,
        "filters": {"correct": {}},
    }
    (folder / "judged.yaml").write_text(yaml.safe_dump(recipe, sort_keys=False))


def tracegen(folder: Path, verb: str, *overrides: str) -> subprocess.CompletedProcess[str]:
    where = ["--run-dir", str(folder / "run")] if verb != "check" else []
    command = [sys.executable, "-m", "tracegen.cli", verb, str(folder / "judged.yaml"), *overrides, *where]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def rubrics(server: FakeServer) -> Counter[str]:
    return Counter(json.dumps(body["messages"]) for body in server.requests() if "VERDICT" in str(body["messages"]))


def verdicts(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "run" / "verdicts" / "verdicts.jsonl").read_text().splitlines()]


def test_a_judge_that_is_killed_goes_on_and_asks_nothing_twice(tmp_path: Path, server: FakeServer) -> None:
    options = {"base_url": server.base_url, "concurrency": IN_FLIGHT}
    model = {"only": "unverifiable", "engine": "openai", "model": "fake", "options": options}
    write_recipe(tmp_path, server, {"math": {}, "judge": model}, "Proof. Clear.")
    assert tracegen(tmp_path, "check").returncode == 0
    assert rubrics(server).total() == 0
    command = [sys.executable, "-m", "tracegen.cli", "generate", str(tmp_path / "judged.yaml")]
    command += ["--run-dir", str(tmp_path / "run")]
    ledger = tmp_path / "run" / "asked" / "judge"
    kills = 3
    for kill in range(kills):
        before = {json.dumps(row["prompt"]) for row in read(ledger)}
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True)
        while len(list(read(ledger))) < 20 * (kill + 1):
            assert process.poll() is None, "the run ended before it could be killed"
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert before <= {json.dumps(row["prompt"]) for row in read(ledger)}
    done = tracegen(tmp_path, "generate")
    assert done.returncode == 0, done.stderr
    asked = rubrics(server)
    responses = {row["text"] for row in read(tmp_path / "run" / "traces")}
    assert len(asked) <= 2 * PROBLEMS * SAMPLES
    assert asked.total() - len(asked) <= kills * 4 * IN_FLIGHT
    assert len({row["key"] for row in read(ledger)}) == len(list(read(ledger))) == len(asked)
    deciding = [row for row in verdicts(tmp_path) if row["decides"]]
    assert len(deciding) == PROBLEMS * SAMPLES
    assert {row["verifier"] for row in deciding} == {"judge"}
    assert {row["outcome"] for row in deciding} == {"right", "wrong"}
    assert len(responses) > 1
    before_again = rubrics(server).total()
    assert tracegen(tmp_path, "generate").returncode == 0
    stricter = "verifiers.math.units=strict"
    unjudged = tracegen(tmp_path, "curate", stricter)
    assert f"{PROBLEMS * SAMPLES} traces have no verdict under the present verifiers" in unjudged.stderr
    assert tracegen(tmp_path, "verify", stricter).returncode == 0  # all verdicts are made again
    assert rubrics(server).total() == before_again
    assert tracegen(tmp_path, "curate", stricter).returncode == 0
    funnel = json.loads((tmp_path / "run" / "corpus" / "funnel.json").read_text())
    assert funnel["kept"] == sum(row["outcome"] == "right" for row in deciding)
    assert tracegen(tmp_path, "report").returncode == 0
    page = (tmp_path / "run" / "report.html").read_text()
    assert "judge asked" in page


def test_a_budget_counts_the_judge_and_stops_with_its_own_status(tmp_path: Path, server: FakeServer) -> None:
    model = {"engine": "openai", "model": "fake", "options": {"base_url": server.base_url, "concurrency": 1}}
    prices = {"prices": {"input": 1000.0, "output": 1000.0}}
    write_recipe(tmp_path, server, {"math": {}, "judge": {"only": "unverifiable", **model, **prices}}, "Proof. Clear.")
    blind = tracegen(tmp_path, "generate", "budget.usd=3")
    assert blind.returncode == 2
    assert "teachers.t.prices=" in blind.stderr  # of the teacher nobody knows the price: the cap could not hold
    free = "teachers.t.prices={input: 0}"
    stopped = tracegen(tmp_path, "generate", "budget.usd=3", free)
    assert stopped.returncode == 3, stopped.stderr
    assert "budget.usd is 3" in stopped.stderr
    spent = rubrics(server).total()
    assert 0 < spent < 2 * PROBLEMS * SAMPLES
    again = tracegen(tmp_path, "generate", "budget.usd=3", free)
    assert again.returncode == 3
    assert rubrics(server).total() == spent
    assert tracegen(tmp_path, "generate", "budget.usd=300", free).returncode == 0


def test_a_vote_from_the_command_line(tmp_path: Path, server: FakeServer) -> None:
    write_recipe(tmp_path, server, {"majority": {"min_share": 0.3}}, None)
    checked = tracegen(tmp_path, "check")
    assert (checked.returncode, checked.stdout.splitlines()[1]) == (0, "20 of them have none, and are judged without.")
    done = tracegen(tmp_path, "run")
    assert done.returncode == 0, done.stderr
    rows = verdicts(tmp_path)
    assert len(rows) == PROBLEMS * SAMPLES
    shares = {row["share"] for row in rows if row["outcome"] == "right"}
    assert shares <= {0.5, 0.75, 1.0}
    assert shares
    more = tracegen(tmp_path, "generate", "teachers.t.sampling.n=6")
    assert more.returncode == 0, more.stderr
    assert len(verdicts(tmp_path)) == PROBLEMS * (SAMPLES + 6)


def test_a_file_of_answers_before_a_model(tmp_path: Path, server: FakeServer) -> None:
    lines = [
        {"id": n, "statement": f"Lemma {n}?", "gold": "Clear.", "pred": rf"It is \boxed{{{n}}}."} for n in range(6)
    ]
    command = [sys.executable, "-m", "tracegen.cli", "grade", "--verifier", "judge", "--options", "engine=openai"]
    command += ["--options", "model=fake", "--options", f"options={{base_url: {server.base_url}}}"]
    for _ in range(2):
        text = "".join(json.dumps(line) + "\n" for line in lines)
        done = subprocess.run(command, cwd=tmp_path, input=text, capture_output=True, text=True, check=True, timeout=60)
        found = [json.loads(line) for line in done.stdout.splitlines()]
        assert [row["outcome"] for row in found] == ["right", "wrong"] * 3
    assert rubrics(server).total() == 2 * len(lines)
    assert any("Lemma 5?" in asked for asked in rubrics(server))
