"""Benchmarks: the same problems from a local folder as from the Hub, and a sentence where neither is there."""

import json
from pathlib import Path
from typing import Any

import pytest

from tracegen import registry
from tracegen.benchmarks.gsm8k import gsm8k
from tracegen.benchmarks.heldout import heldout
from tracegen.benchmarks.jsonl import jsonl
from tracegen.benchmarks.math500 import math500
from tracegen.records import TracegenError, UsageError

BENCHMARKS = Path(__file__).parents[2] / "shared" / "benchmarks"
GSM8K = {"question": "A box holds 1,000 nails. How many do 2 hold?", "answer": "2 * 1,000\n#### 2,000"}
MATH = {
    "problem": "Find $x$ with $2x = 1$.",
    "solution": "Halve both sides.",
    "answer": "\\frac{1}{2}",
    "subject": "Algebra",
    "level": 1,
    "unique_id": "test/algebra/1.json",
}


def put(folder: Path, name: str, *rows: dict[str, Any]) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_gsm8k_reads_its_test_split(tmp_path: Path) -> None:
    put(tmp_path, "gsm8k/test.jsonl", GSM8K)
    put(tmp_path, "gsm8k/train.jsonl", GSM8K, GSM8K)
    (problem,) = gsm8k(benchmarks_dir=str(tmp_path))
    assert (problem.id, problem.answer, problem.verifier) == ("gsm8k-test-0", "2000", "math")


def test_math500_keeps_subject_and_level(tmp_path: Path) -> None:
    put(tmp_path, "math500/test.jsonl", MATH, {**MATH, "unique_id": "test/algebra/2.json"})
    first, second = math500(benchmarks_dir=str(tmp_path))
    assert (first.id, first.answer) == ("test/algebra/1.json", "\\frac{1}{2}")
    assert first.extra == {"subject": "Algebra", "level": 1}
    assert second.id == "test/algebra/2.json"
    assert list(math500(limit=1, benchmarks_dir=str(tmp_path))) == [first]


@pytest.mark.parametrize(("benchmark", "row"), [(gsm8k, GSM8K), (math500, MATH)])
def test_the_hub_and_the_folder_give_the_same_problems(
    benchmark: Any, row: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, f"{benchmark.__name__}/test.jsonl", row)
    monkeypatch.setattr("datasets.load_dataset", lambda *_, **__: [row])
    assert list(benchmark()) == list(benchmark(benchmarks_dir=str(tmp_path)))


@pytest.mark.parametrize("benchmark", [gsm8k, math500])
def test_a_missing_file_is_said_with_both_ways(benchmark: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"there is no .*test.*jsonl; put it there, or .* from the Hub"):
        list(benchmark(benchmarks_dir=str(tmp_path)))

    def unreachable(*_: Any, **__: Any) -> None:
        raise ConnectionError("no route to the Hub")

    monkeypatch.setattr("datasets.load_dataset", unreachable)
    with pytest.raises(TracegenError, match=r"from the Hub .*; or name a folder that holds .* as benchmarks_dir"):
        list(benchmark())


def test_an_empty_benchmark_is_refused(tmp_path: Path) -> None:
    put(tmp_path, "gsm8k/test.jsonl")
    with pytest.raises(UsageError, match="is empty"):
        list(gsm8k(benchmarks_dir=str(tmp_path)))


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    put(tmp_path, "mine.jsonl", {"id": "a", "statement": "1 + 1?", "answer": "2"}, {"id": "b", "statement": "1 + 2?"})
    path = str(tmp_path / "mine.jsonl")
    assert [problem.id for problem in jsonl(path=path)] == ["a", "b"]
    assert list(heldout(path=path, limit=1)) == list(jsonl(path=path, limit=1))


def test_the_held_out_problems_are_found_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    problems = list(heldout())
    assert len(problems) >= 150
    assert all(problem.answer for problem in problems)


@pytest.mark.skipif(not BENCHMARKS.is_dir(), reason="no benchmark files beside the checkout")
def test_the_real_files_parse() -> None:
    assert len(list(gsm8k(benchmarks_dir=str(BENCHMARKS)))) == 1319
    assert len({problem.id for problem in math500(benchmarks_dir=str(BENCHMARKS))}) == 500


def test_every_benchmark_is_found_by_name() -> None:
    assert {"gsm8k", "heldout", "jsonl", "math500"} <= set(registry.names("benchmark"))
    assert all(registry.summary("benchmark", name).endswith(".") for name in registry.names("benchmark"))
