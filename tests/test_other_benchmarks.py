"""Benchmarks that a recipe does not name: from a folder, from the Hub once, or unchecked, without waiting for each."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import benchmark_rows
import pytest

from tracegen import other_benchmarks, problems, registry
from tracegen.other_benchmarks import load
from tracegen.recipe import Recipe
from tracegen.records import UsageError


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TRACEGEN_CACHE", str(tmp_path / "cache"))
    known = other_benchmarks._hub_answers
    known.cache_clear()
    yield
    known.cache_clear()


def recipe(
    against: Any = "all", *, benchmarks_dir: Path | None = None, filters: Any = None, **benchmarks: Any
) -> Recipe:
    return Recipe.model_validate(
        {
            "name": "t",
            "problems": {"source": "jsonl"},
            "prompt": "math",
            "teachers": {"t": {"model": "m"}},
            "filters": {"decontaminate": {"against": against}} if filters is None else filters,
            "evaluate": {"benchmarks": benchmarks},
            "benchmarks_dir": benchmarks_dir and str(benchmarks_dir),
        }
    )


def folder(tmp_path: Path, **files: dict[str, Any]) -> Path:
    for name, row in files.items():
        (tmp_path / "own" / name).mkdir(parents=True)
        (tmp_path / "own" / name / "test.jsonl").write_text(json.dumps(row) + "\n")
    return tmp_path / "own"


def test_a_folder_gives_what_it_has_and_the_rest_is_named(tmp_path: Path) -> None:
    own = folder(tmp_path, gsm8k=benchmark_rows.GSM8K, math500=benchmark_rows.MATH, humaneval=benchmark_rows.HUMANEVAL)
    unchecked: dict[str, str] = {}
    found = load(recipe(benchmarks_dir=own, math500={}), unchecked)
    assert list(found) == ["gsm8k", "heldout", "humaneval"]
    assert found["gsm8k"][0].statement == benchmark_rows.GSM8K["question"]
    assert all(problem.tests is None for problem in found["humaneval"])
    assert set(unchecked) == set(registry.names("benchmark")) - {"gym", "jsonl", "math500", *found}
    assert "benchmarks_dir has no" in unchecked["aime24"]


def test_a_damaged_file_stops_no_run_that_did_not_ask_for_it(tmp_path: Path) -> None:
    unchecked: dict[str, str] = {}
    found = load(recipe(benchmarks_dir=folder(tmp_path, gsm8k={"question": "?"})), unchecked)
    assert list(found) == ["heldout"]
    assert "answer" in unchecked["gsm8k"]


def test_without_a_hub_all_is_unchecked_at_once() -> None:
    unchecked: dict[str, str] = {}
    start = time.monotonic()
    assert list(load(recipe(), unchecked)) == ["heldout"]
    assert time.monotonic() - start < 5
    assert all("the Hub does not answer" in why for why in unchecked.values())
    assert {"gsm8k", "math500", "gpqa_diamond"} <= set(unchecked)
    assert "livecodebench" not in unchecked, "too large to be fetched unasked"


def test_a_silent_name_server_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    class Silent:
        def head(self, url: str, timeout: float) -> None:
            time.sleep(2)
            raise TimeoutError

    monkeypatch.setattr("huggingface_hub.utils.get_session", Silent)
    start = time.monotonic()
    load(recipe(), unchecked := {})
    assert time.monotonic() - start < 1.9
    assert "gsm8k" in unchecked


def test_what_the_hub_gives_is_loaded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def hub(path: str, *about: Any, **more: Any) -> Iterator[tuple[str, dict[str, Any]]]:
        asked.append(path)
        if path != "openai/gsm8k":
            raise UsageError(f"{path} is gated.")
        yield "row 0", benchmark_rows.GSM8K

    monkeypatch.setattr("tracegen.rows.hub", hub)
    monkeypatch.setattr(other_benchmarks, "_hub_answers", lambda: True)
    unchecked: dict[str, str] = {}
    first = load(recipe(), unchecked)
    assert "openai/gsm8k" in asked
    assert unchecked["gpqa_diamond"] == "Idavidrein/gpqa is gated."
    asked.clear()
    assert load(recipe(), {}) == first
    assert "openai/gsm8k" not in asked
    assert [problem.statement for problem in first["gsm8k"]] == [benchmark_rows.GSM8K["question"]]
    monkeypatch.setattr(other_benchmarks, "_hub_answers", lambda: False)
    assert load(recipe(), {})["gsm8k"] == first["gsm8k"]


def test_against_says_which(tmp_path: Path) -> None:
    own = folder(tmp_path, gsm8k=benchmark_rows.GSM8K, math500=benchmark_rows.MATH)
    assert load(recipe("recipe", benchmarks_dir=own), {}) == {}
    assert load(recipe(filters={}, benchmarks_dir=own), {}) == {}
    assert list(load(recipe(filters={"decontaminate": {}}, benchmarks_dir=own), {})) == ["gsm8k", "heldout", "math500"]
    unchecked: dict[str, str] = {}
    assert list(load(recipe(["math500", "livecodebench"], benchmarks_dir=own), unchecked)) == ["math500"]
    assert list(unchecked) == ["livecodebench"]


def test_a_name_that_the_recipe_uses_otherwise_hides_nothing(tmp_path: Path) -> None:
    own = folder(tmp_path, gsm8k=benchmark_rows.GSM8K)
    found = load(recipe(["gsm8k"], benchmarks_dir=own, gsm8k={"benchmark": "jsonl", "path": "mine.jsonl"}), {})
    assert list(found) == ["tracegen's gsm8k"]


def test_a_source_that_asks_is_compared_with_all_of_them_and_the_recipes_own(tmp_path: Path) -> None:
    own = folder(tmp_path, gsm8k=benchmark_rows.GSM8K)
    (tmp_path / "mine.jsonl").write_text('{"id": "m", "statement": "How long is my garden?", "answer": "7"}\n')
    mine = {"benchmark": "jsonl", "path": str(tmp_path / "mine.jsonl")}
    found, unchecked = problems._benchmarks(recipe(filters={}, benchmarks_dir=own, gsm8k=mine))
    assert list(found) == ["gsm8k", "tracegen's gsm8k", "heldout"]
    assert found["gsm8k"][0].statement == "How long is my garden?"
    assert "aime24" in unchecked
