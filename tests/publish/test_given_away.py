"""From a run's answers to the folders that are published: a leaked question, and what no gate has seen."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet
import pytest
import yaml

from tracegen import shipped
from tracegen.corpus import shards_of

LEAKED = json.loads(shipped.find("data", "heldout.jsonl").read_text().splitlines()[0])
PROBLEMS = [
    {"id": "leaked", "statement": LEAKED["statement"], "answer": LEAKED["answer"], "verifier": "math"},
    {"id": "clean", "statement": "Of nine kites three lose their tails; which share flies on?", "answer": "2/3"},
]


@pytest.fixture
def curated(tmp_path: Path, call: Callable[..., tuple[int, str, str]]) -> Callable[..., tuple[Path, str]]:
    """Curate a run of both problems, a wrong answer to each and a right one, with these filters in this order."""

    def curated(*filters: str) -> tuple[Path, str]:
        (tmp_path / "p.jsonl").write_text("".join(json.dumps(problem) + "\n" for problem in PROBLEMS))
        answers = [
            {
                "problem_id": problem["id"],
                "sample": sample,
                "text": f"<think>\nWay {sample}.\n</think>\n\n\\boxed{{{answer}}}",
                "finish_reason": "stop",
                "completion_tokens": 9,
            }
            for problem in PROBLEMS
            for sample, answer in enumerate(("7777", problem["answer"]))
        ]
        (tmp_path / "answers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in answers))
        teacher = {"engine": "replay", "model": "recorded", "options": {"path": str(tmp_path / "answers.jsonl")}}
        tree = {
            "name": "small",
            "problems": {"source": "jsonl", "path": str(tmp_path / "p.jsonl")},
            "prompt": "math",
            "teachers": {"recorded": teacher | {"sampling": {"n": 2, "max_tokens": 32}}},
            "filters": {name: {"against": ["heldout"]} if name == "decontaminate" else {} for name in filters},
        }
        (tmp_path / "small.yaml").write_text(yaml.safe_dump(tree, sort_keys=False))
        for command in ("generate", "curate"):
            status, _, said = call(command, tmp_path / "small.yaml", "--run-dir", tmp_path / "run")
            assert status == 0, said
        return tmp_path / "run" / "corpus", said

    return curated


def rows(corpus: Path, config: str) -> list[dict[str, Any]]:
    return parquet.read_table(shards_of(corpus, config)).to_pylist()


@pytest.mark.parametrize(
    "filters", [("decontaminate", "correct"), ("correct", "decontaminate"), ("licence", "correct", "decontaminate")]
)
def test_a_question_of_a_benchmark_is_in_no_config(
    curated: Callable[..., tuple[Path, str]], filters: tuple[str, ...]
) -> None:
    corpus, _ = curated(*filters)
    withheld = {"leaked": [True, True], "clean": [False, False]}
    everything, problems = rows(corpus, "all"), rows(corpus, "problems")
    found = {name: [row["withheld"] for row in everything if row["problem_id"] == name] for name in withheld}
    assert found == withheld
    assert {row["problem_id"]: row["withheld"] for row in problems} == {"leaked": True, "clean": False}
    assert [row["problem_id"] for row in rows(corpus, "curated")] == ["clean"]
    given = json.dumps([everything, problems, rows(corpus, "curated")])
    assert LEAKED["statement"] not in given
    assert PROBLEMS[1]["statement"] in given
    assert sum(row["filter"] is not None for row in everything) == 3
