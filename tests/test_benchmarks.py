"""Benchmarks: the same problems from a local folder as from the Hub, and a sentence where neither is there."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from benchmark_rows import GSM8K, LIVE, LIVE_FUNCTION, MATH, MBPP, ON_THE_HUB, filled, put
from fake_hub import FakeHub
from fake_hub_store import Repo

from tracegen import recipe, registry
from tracegen.benchmarks.gpqa_diamond import gpqa_diamond
from tracegen.benchmarks.gsm8k import gsm8k
from tracegen.benchmarks.heldout import heldout
from tracegen.benchmarks.jsonl import jsonl
from tracegen.benchmarks.math500 import math500
from tracegen.records import Problem, Unavailable
from tracegen.verify import Judge, gold_trace

BENCHMARKS = Path(__file__).parents[2] / "shared" / "benchmarks"


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


@pytest.fixture
def folder(tmp_path: Path) -> str:
    return filled(tmp_path / "benchmarks")


NAMES = [name for name in registry.names("benchmark") if name not in ("heldout", "jsonl", "gym")]


@pytest.mark.parametrize("name", NAMES)
def test_every_benchmark_loads_from_a_folder(name: str, folder: str) -> None:
    problems = list(registry.bind("benchmark", name, {}, benchmarks_dir=folder)())
    assert problems
    for problem in problems:
        assert problem.id
        assert problem.verifier in registry.names("verifier")
        assert problem.answer or problem.tests
        assert problem.source
        json.dumps([dict(problem.conventions), dict(problem.extra), problem.tests])
    assert list(registry.bind("benchmark", name, {"limit": 1}, benchmarks_dir=folder)()) == problems[:1]


@pytest.mark.parametrize("name", NAMES)
def test_a_benchmark_declares_only_conventions_that_its_verifier_has(name: str, folder: str) -> None:
    for problem in registry.bind("benchmark", name, {}, benchmarks_dir=folder)():
        if problem.conventions:
            registry.bind("verifier", str(problem.verifier), dict(problem.conventions))


def test_every_gold_is_accepted_by_its_verifier_and_another_is_not(folder: str) -> None:
    with Judge({}, workers=2, named=["math", "choice"]) as judge:
        for name in set(NAMES) - {"humaneval", "mbpp", "livecodebench"}:
            for problem in registry.bind("benchmark", name, {}, benchmarks_dir=folder)():
                other = "B" if problem.answer == "A" else "A" if problem.verifier == "choice" else "12345"
                right, wrong = (
                    judge.submit(problem, gold_trace("k", f"So it is \\boxed{{{answer.replace('$', '')}}}."))
                    for answer in (str(problem.answer), other)
                )
                assert (right.result()[0].outcome, wrong.result()[0].outcome) == ("right", "wrong"), problem
        (problem,) = gpqa_diamond(benchmarks_dir=folder)
        assert judge.submit(problem, gold_trace("k", "The answer is neon.")).result()[0].outcome == "right"


LOAD = """
import json, sys
from dataclasses import asdict
from datasets import config
from tracegen import registry
from tracegen.records import Unavailable
config.USE_PARQUET_EXPORT = False  # else it looks for a second server, the viewer's
for name in sys.argv[1:]:
    try:
        print(json.dumps([name, [asdict(p) for p in registry.bind("benchmark", name)()]]))
    except Unavailable as error:
        print(json.dumps([name, str(error)]))
"""


def test_the_hub_and_the_folder_give_the_same_problems(folder: str, tmp_path: Path) -> None:
    with FakeHub() as hub:
        for repo, part, split, rows in ON_THE_HUB.values():
            store(hub, repo, {part: {split: rows}})
        splits: dict[str, list[dict[str, Any]]] = {
            "prompt": [],
            "train": [],
            "test": [MBPP],
            "validation": [],
        }
        extra = {name: [MBPP | {"task_id": 600 + n}] for n, name in enumerate(splits) if name != "test"}
        store(hub, "google-research-datasets/mbpp", {"sanitized": splits | extra})
        made = hub.repos["datasets", "livecodebench/code_generation_lite"] = Repo("datasets", "livecodebench", False)
        made.commit("made", {"test6.jsonl": lines([LIVE, LIVE_FUNCTION])})
        asked = [*ON_THE_HUB, "mbpp", "livecodebench", "gpqa_diamond"]
        ran = subprocess.run(
            [sys.executable, "-c", LOAD, *asked],
            env={**os.environ, **hub.environment(tmp_path / "home")},
            capture_output=True,
            text=True,
            timeout=240,
        )
    assert ran.returncode == 0, ran.stderr
    found = dict(json.loads(line) for line in ran.stdout.splitlines())
    assert list(found) == asked
    for name in [*ON_THE_HUB, "livecodebench"]:
        local = registry.bind("benchmark", name, {}, benchmarks_dir=folder)()
        assert [Problem(**row) for row in found[name]] == list(local), name
    assert {row["id"] for row in found["mbpp"]} == {"mbpp-12", "mbpp-600", "mbpp-601", "mbpp-603"}
    assert "Idavidrein/gpqa" in found["gpqa_diamond"]
    assert "or name a folder that holds gpqa_diamond/*.jsonl as benchmarks_dir" in found["gpqa_diamond"]


def lines(rows: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def store(hub: FakeHub, repo: str, parts: dict[str, dict[str, list[dict[str, Any]]]]) -> None:
    """A data set of the Hub with these parts and splits, as JSON lines."""
    files = {f"{part}/{split}.jsonl": lines(rows) for part, splits in parts.items() for split, rows in splits.items()}
    configs = [
        {
            "config_name": part,
            "data_files": [{"split": split, "path": f"{part}/{split}.jsonl"} for split in splits],
        }
        for part, splits in parts.items()
    ]
    card = f"---\n{yaml.safe_dump({'configs': configs})}---\n".encode()
    hub.repos["datasets", repo] = Repo("datasets", repo, False)
    hub.dataset(repo).commit("made", {"README.md": card, **files})


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_file_is_said_with_both_ways(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Unavailable, match=r"has no .*jsonl; put it there, or .* from the Hub") as missing:
        list(registry.bind("benchmark", name, {}, benchmarks_dir=str(tmp_path))())
    assert missing.value.exit_status == 2

    def unreachable(*_: Any, **__: Any) -> None:
        raise ConnectionError("no route to the Hub")

    monkeypatch.setattr("datasets.load_dataset", unreachable)
    monkeypatch.setattr("huggingface_hub.hf_hub_download", unreachable)
    with pytest.raises(Unavailable, match=r"from the Hub .*; or name a folder that holds .* as benchmarks_dir") as away:
        list(registry.bind("benchmark", name, {})())
    assert away.value.exit_status == 1


def test_an_empty_benchmark_is_refused(tmp_path: Path) -> None:
    put(tmp_path, "gsm8k/test.jsonl")
    with pytest.raises(Unavailable, match="is empty"):
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


COUNTS = {
    **{"gsm8k": 1319, "math500": 500, "aime24": 30, "aime25": 30, "amc23": 40, "minerva_math": 272},
    **{"olympiadbench": 300, "humaneval": 164, "mbpp": 427, "livecodebench": 3},
}


@pytest.mark.skipif(not BENCHMARKS.is_dir(), reason="no benchmark files beside the checkout")
@pytest.mark.parametrize("name", COUNTS)
def test_the_real_files_parse(name: str) -> None:
    problems = list(registry.bind("benchmark", name, {}, benchmarks_dir=str(BENCHMARKS))())
    assert len(problems) == len({problem.id for problem in problems}) == COUNTS[name]
    assert all(problem.answer or problem.tests for problem in problems)


def test_the_documentation_names_every_benchmark_and_its_example_holds() -> None:
    text = (Path(__file__).parents[1] / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    table = text.split("## What there is", 1)[1].split("##", 1)[0]
    assert set(
        re.findall(r"`(\w+)`", " ".join(line.split("|")[1] for line in table.splitlines() if "| `" in line))
    ) == {*registry.names("benchmark")}
    for name, (repo, _, _, _) in ON_THE_HUB.items():
        assert re.search(rf"^\| `{name}` .*`{repo}`", table, re.MULTILINE), name
    example = yaml.safe_load(text.split("```yaml\n", 1)[1].split("```", 1)[0])
    stage = recipe.Evaluate.model_validate(example["evaluate"])
    for name, entry in stage.benchmarks.items():
        registry.bind("benchmark", entry.benchmark or name, entry.options)
    assert stage.sampling_of("aime24").n == 16
    assert stage.sampling_of("aime24").max_tokens == 16384
    assert stage.sampling_of("gsm8k") == stage.sampling


def test_every_benchmark_is_found_by_name() -> None:
    assert {*COUNTS, "gpqa_diamond", "gym", "heldout", "jsonl"} <= set(registry.names("benchmark"))
    assert all(registry.summary("benchmark", name).endswith(".") for name in registry.names("benchmark"))
