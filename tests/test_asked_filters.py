"""A filter that asks a model, from the recipe to the report: kept, counted, asked once, asked again where it failed."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from fake_server import FakeServer, answer

from tracegen import asked_filters
from tracegen.asked import parted
from tracegen.curate import check_filters
from tracegen.ledger import read
from tracegen.recipe import load
from tracegen.records import UsageError

MODEL = {"engine": "openai", "model": "fake", "options": {"base_url": "http://127.0.0.1:9/v1"}}
Call = Callable[..., tuple[int, str, str]]


def write(folder: Path, server: FakeServer, **more: Any) -> Path:
    rows = [{"id": f"p{n}", "statement": f"What is {n} + {n}?", "answer": str(2 * n)} for n in range(6)]
    (folder / "problems.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    options = {"base_url": server.base_url, "concurrency": 4, "max_retries": 0}
    recipe = {
        "name": "rated",
        "problems": {"source": "jsonl", "path": str(folder / "problems.jsonl")},
        "prompt": "math",
        "teachers": {
            "t": {
                "engine": "openai",
                "model": "fake",
                "reasoning": "none",
                "options": options,
                "sampling": {"n": 2, "max_tokens": 64},
                "terms": {"licence": "mit", "may_train": True},
            }
        },
        "filters": {"judge_quality": {"engine": "openai", "model": "fake", "options": options, "min_score": 3}},
        **more,
    }
    path = folder / "rated.yaml"
    path.write_text(yaml.safe_dump(recipe, sort_keys=False))
    return path


def rating(body: dict[str, Any]) -> str | None:
    """The mark, where a request asks for a score."""
    found = re.findall(r"SCORE (\w+): \.\.\.", body["messages"][-1]["content"])
    return found[-1] if found else None


def test_a_run_asks_once_counts_it_and_asks_again_what_failed(tmp_path: Path, call: Call) -> None:
    broken = True

    def reply(body: dict[str, Any]) -> dict[str, Any]:
        if (mark := rating(body)) is None:
            return answer(body)
        problem = int(re.findall(r"What is (\d+) \+", body["messages"][-1]["content"])[-1])
        if broken and problem == 5:
            return {"status": 400, "message": "too long"}
        return {"text": f"Hm.\nSCORE {mark}: {problem}", "prompt_tokens": 100, "completion_tokens": 10}

    with FakeServer(reply) as server:
        recipe, run = write(tmp_path, server), tmp_path / "run"

        def command(verb: str, *overrides: str) -> str:
            status, _, said = call(verb, recipe, *overrides, "--run-dir", run)
            assert status == 0, said
            return said

        def ratings() -> int:
            return sum(rating(body) is not None for body in server.requests())

        command("generate")
        assert ratings() == 0
        assert "2 traces are dropped because a filter's model gave no answer" in command("curate")
        [row] = json.loads((run / "corpus" / "funnel.json").read_text())["rows"]
        assert row["reasons"] == {"low_quality": 6, "unanswered": 2}
        assert ratings() == 12
        dropped = [json.loads(line) for line in (run / "dropped" / "judge_quality.jsonl").read_text().splitlines()]
        assert {row["detail"]["score"] for row in dropped if row["reason"] == "low_quality"} == {0.0, 1.0, 2.0}
        assert all("too long" in row["detail"]["error"] for row in dropped if row["reason"] == "unanswered")

        broken = False
        command("curate")
        [row] = json.loads((run / "corpus" / "funnel.json").read_text())["rows"]
        assert row["reasons"] == {"low_quality": 6}
        assert ratings() == 14
        assert "up to date" in command("curate")
        command("curate", "filters.judge_quality.min_score=5")
        [row] = json.loads((run / "corpus" / "funnel.json").read_text())["rows"]
        assert row["reasons"] == {"low_quality": 10}
        assert ratings() == 14

        rows = list(read(run / "asked" / "filter_judge_quality"))
        assert len(rows) == 14
        assert {row["teacher"] for row in rows} == {"filter:judge_quality"}
        assert "| `filter:judge_quality` | 14 |" in (run / "corpus" / "README.md").read_text()


def test_the_budget_ends_the_asking_and_the_next_launch_goes_on(tmp_path: Path, call: Call) -> None:
    def reply(body: dict[str, Any]) -> dict[str, Any]:
        mark = rating(body)
        said = {"text": f"SCORE {mark}: 5"} if mark else answer(body)
        return {**said, "prompt_tokens": 100, "completion_tokens": 10}

    with FakeServer(reply) as server:
        recipe, run = write(tmp_path, server), tmp_path / "run"
        assert call("generate", recipe, "--run-dir", run)[0] == 0
        spent = 12 * 110
        status, _, said = call("curate", recipe, f"budget.tokens={spent + 300}", "--run-dir", run)
        assert (status, "budget.tokens" in said) == (3, True)
        assert not (run / "corpus").exists()
        first = len(list(read(run / "asked" / "filter_judge_quality")))
        assert call("curate", recipe, "--run-dir", run)[0] == 0
        rows = list(read(run / "asked" / "filter_judge_quality"))
        assert first < 12
        assert len(rows) == len({row["key"] for row in rows}) == 12


def test_the_models_options_are_told_apart_from_the_filters_own() -> None:
    own, asked = parted("filter", "judge_quality", {**MODEL, "min_score": 4, "sampling": {"max_tokens": 9}})
    assert own == {"min_score": 4}
    assert asked is not None
    assert (asked.model, asked.sampling.max_tokens, asked.sampling.temperature) == ("fake", 9, 1.0)
    assert parted("filter", "correct", None) == ({}, None)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({}, "filter 'judge_quality': the field 'model' is missing"),
        ({"model": "m", "engine": "opnai"}, "no engine 'opnai'"),
        ({**MODEL, "options": {"base_ur": "x"}}, "has no option 'base_ur'"),
        ({**MODEL, "min_skore": 3}, "filter 'judge_quality' has no option 'min_skore'"),
        ({**MODEL, "sampling": {"n": 3, "temperature": 1}}, "sampling.n stays 1"),
        ({**MODEL, "repeats": 3, "sampling": {"temperature": 0.0}}, "every one of its `repeats` gives the same answer"),
    ],
)
def test_mistakes_are_found_before_anything_runs(entry: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=re.escape(said)):
        check_filters({"judge_quality": entry})


def test_a_cap_in_dollars_needs_the_price_of_every_model(tmp_path: Path, call: Call) -> None:
    with FakeServer() as server:
        free = {"input": 0.0, "output": 0.0}
        recipe = write(tmp_path, server, budget={"usd": 1.0})
        arguments = ("generate", recipe, f"teachers.t.prices={json.dumps(free)}", "--run-dir", tmp_path / "run")
        status, _, said = call(*arguments)
        assert (status, "filters.judge_quality" in said) == (2, True)
        assert call(*arguments, "filters.judge_quality.prices.input=1")[0] == 0
        prices = asked_filters.prices(load(recipe, ["filters.judge_quality.prices.input=1"]).filters)
        assert prices["filter:judge_quality"].input == 1


def test_another_rubric_rates_anew(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("user: 'Rate {{ response }}. SCORE {{ mark }}: ...'\n")
    entries = [{**MODEL}, {**MODEL, "prompt": str(mine)}, {**MODEL, "model": "other"}]
    found = []
    for entry in entries:
        filters = {"judge_quality": entry}
        lines = asked_filters.lines(filters, folder=tmp_path / "asked", seed=1)
        found.append(json.dumps(asked_filters.inputs(filters, lines), sort_keys=True))
    assert len(set(found)) == 3
