"""`tracegen estimate`: a random part is asked once, belongs to the run, and says what the whole will take."""

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tracegen.ledger import read
from tracegen.pilot import pilot
from tracegen.prepare import prepare
from tracegen.recipe import load
from tracegen.records import UsageError
from tracegen.run import generate

ENGINE = '''
import random
import time

from tracegen.records import Completion


def scripted(requests, *, model, hard=0.5, fail=0.0):
    """Some problems are hard: rarely right, and three times as long."""
    for request in requests:
        if request is None:
            time.sleep(0.001)
            continue
        with open("asked", "a") as log:
            log.write(f"{request.teacher} {request.problem_id} {request.sample}\\n")
        about, its = random.Random(request.problem_id), random.Random(request.key)
        difficult = about.random() < hard
        tokens = min(request.sampling["max_tokens"], int(its.lognormvariate(6.5 if difficult else 5.4, 0.5)))
        right = its.random() < (0.15 if difficult else 0.9)
        if its.random() < fail:
            yield request, Completion(error="the server was busy")
        else:
            answer = request.messages[-1]["content"].split()[1] if right else "no"
            yield request, Completion(answer, None, "stop", 40, tokens)
'''


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    """A recipe on disk, with problems and an engine beside it; changed by keyword."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(ENGINE)
    (tmp_path / "say.yaml").write_text("user: 'Say {{ problem.answer }} please'")
    words = [f"w{number}" for number in range(120)]
    (tmp_path / "p.jsonl").write_text(
        "".join(json.dumps({"id": word, "statement": f"Say {word}.", "answer": word}) + "\n" for word in words)
    )

    def write(teachers=None, **changes):
        tree = {
            "name": "t",
            "problems": {"source": "jsonl", "path": "p.jsonl"},
            "prompt": "say.yaml",
            "teachers": teachers or {"t": teacher()},
            "verifiers": {"exact": {}},
        }
        (tmp_path / "t.yaml").write_text(yaml.safe_dump(tree | changes))
        return tmp_path / "t.yaml"

    return write


def teacher(n=4, **more):
    sampling = {"n": n, "max_tokens": 4000}
    return {"engine": "mine.py:scripted", "model": "m", "reasoning": "none", "sampling": sampling} | more


def opened(path):
    Path("run").mkdir(exist_ok=True)
    return prepare(load(path), Path("run"))


def asked():
    log = Path("asked")
    lines = log.read_text().splitlines() if log.exists() else []
    log.write_text("")
    return lines


def totals():
    rows = list(read(Path("run") / "traces"))
    return len(rows), sum(row["prompt_tokens"] + row["completion_tokens"] for row in rows)


def test_a_pilot_is_asked_once_and_is_part_of_the_run(recipe):
    run = opened(recipe())
    found = pilot(run, 32)
    first = asked()
    assert len(first) == len(set(first)) == 32
    assert len({line.split()[1] for line in first}) == 32, "spread over problems"
    assert pilot(run, 32).parts[0].projection.tokens == found.parts[0].projection.tokens
    assert asked() == []
    generate(run)
    rest = asked()
    assert len(rest) == 480 - 32
    assert not set(first) & set(rest)
    assert totals()[0] == 480


def test_the_whole_is_projected_with_its_price(recipe):
    run = opened(recipe({"t": teacher(prices={"input": 1, "output": 100})}, budget={"usd": 5, "tokens": 10**9}))
    found = pilot(run, 40)
    assert found.used["usd"] == pytest.approx(run.meter().usd)
    (part,) = found.parts
    assert part.price.source == "the recipe"
    assert part.projection.planned == (480, 480, 480)
    # The budget would stop the run itself.
    generate(opened(recipe({"t": teacher(prices={"input": 1, "output": 100})})))
    _, tokens = totals()
    assert part.projection.tokens.low < tokens < part.projection.tokens.high
    usd = (480 * 40 + (tokens - 480 * 40) * 100) / 1e6
    assert part.projection.usd.low < usd < part.projection.usd.high
    assert found.reach["tokens"].low > 1
    assert found.reach["usd"].value == pytest.approx(5 / part.projection.usd.value)


def test_a_schedule_is_projected_by_what_the_pilot_got_right(recipe):
    schedule = {"stop_after": 2, "up_to": 12}
    run = opened(recipe(schedule=schedule))
    (part,) = pilot(run, 60).parts
    assert part.problems == 30, "two samples a problem show how much problems differ"
    generate(run)
    samples, tokens = totals()
    assert samples < 0.8 * 120 * 12
    assert part.projection.planned.low < samples < part.projection.planned.high
    assert part.projection.planned.value == pytest.approx(samples, rel=0.3)
    assert part.projection.tokens.low < tokens < part.projection.tokens.high
    assert part.projection.tokens.value == pytest.approx(tokens, rel=0.35)


def test_a_teacher_behind_another_is_tried_on_what_that_one_left(recipe):
    teachers = {
        "strong": teacher(n=2, after="cheap", options={"hard": 0.0}, model="s"),
        "cheap": teacher(n=2, options={"hard": 0.6}),
    }
    run = opened(recipe(teachers))
    found = {part.teacher: part for part in pilot(run, 64).parts}
    said = {name: {} for name in found}
    for row in read(Path("run") / "traces"):
        said[row["teacher"]].setdefault(row["problem_id"], []).append(row["text"])
    assert (len(said["cheap"]), len(said["strong"])) == (16, 16)
    left = {name for name, texts in said["cheap"].items() if set(texts) == {"no"}}
    assert left
    assert left <= said["strong"].keys()
    generate(run)
    asked_of_strong = sum(row["teacher"] == "strong" for row in read(Path("run") / "traces"))
    planned = found["strong"].projection.planned
    # What the cheap one leaves is projected with some error of its own.
    assert 0.4 * asked_of_strong < planned.value < 1.8 * asked_of_strong
    assert asked_of_strong < 120


def test_what_failed_is_no_answer_and_too_few_answers_are_said(recipe):
    run = opened(recipe({"t": teacher(options={"fail": 0.9})}))
    found = pilot(run, 8)
    assert found.parts[0].projection is None
    assert (found.whole, found.reach) == (None, {})
    with pytest.raises(UsageError, match="at least one sample, not 0"):
        pilot(run, 0)


def test_no_price_is_no_zero(recipe):
    run = opened(recipe({"a": teacher(prices={"output": 10}), "b": teacher(model="other")}, budget={"usd": 100}))
    found = pilot(run, 40)
    by_name = {part.teacher: part for part in found.parts}
    assert by_name["b"].price is None
    assert by_name["b"].projection.usd is None
    assert found.whole.usd is None
    assert found.reach["usd"].value == pytest.approx(100 / by_name["a"].projection.usd.value)


def estimate(*arguments):
    command = [sys.executable, "-m", "tracegen.cli", "estimate", "t.yaml", "--run-dir", "run", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=100)


def test_the_command_prints_a_table_or_json(recipe):
    recipe({"t": teacher(prices={"output": 10})}, budget={"usd": 0.5})
    said = estimate("--samples", "20")
    assert said.returncode == 0, said.stderr
    for words in ("verified", "tried on 20 problems", "$10 out per million tokens, from the recipe", "budget.usd pays"):
        assert words in said.stdout
    found = json.loads(estimate("--samples", "20", "--json").stdout)
    (part,) = found["teachers"]
    assert part["projection"]["planned"]["value"] == 480
    assert part["projection"]["usd"]["low"] < part["projection"]["usd"]["value"] < part["projection"]["usd"]["high"]
    assert 0 < found["budget"]["usd"]["value"] < 1
    assert len(asked()) == 20


def test_a_budget_stops_the_pilot_as_it_stops_a_run(recipe):
    recipe(budget={"tokens": 5000})
    said = estimate("--samples", "64")
    assert said.returncode == 3
    assert "stopped by the budget: budget.tokens is 5000" in said.stderr
    assert sum(row["completion_tokens"] + 40 for row in read(Path("run") / "traces")) <= 5000 + 4000


def test_the_part_is_random_and_the_seeds(recipe):
    random.seed(1)
    pilot(opened(recipe()), 16)
    first = asked()
    assert [line.split()[1] for line in first] != sorted(line.split()[1] for line in first)[:16]
    assert {line.split()[1] for line in first} != {f"w{number}" for number in range(16)}
