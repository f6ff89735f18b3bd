"""Mixtures: how many rows of each part an epoch holds, which ones, and that nothing but the seed decides it."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trl")

import pyarrow
import pyarrow.parquet
import tiny
from fake_hub import FakeHub
from fake_hub_store import Repo

from sft.mixture import rows
from tracegen.material import Part
from tracegen.records import TracegenError
from tracegen.student import Student


def corpus(path: Path, name: str, count: int) -> str:
    with path.open("w") as file:
        for n in range(count):
            chat = [{"role": "user", "content": f"{name} {n}?"}, {"role": "assistant", "content": str(n)}]
            file.write(json.dumps({"id": f"{name}-{n}", "messages": chat}) + "\n")
    return str(path)


@pytest.fixture
def own(tmp_path: Path) -> str:
    return corpus(tmp_path / "own.jsonl", "new", 10)


@pytest.fixture
def old(tmp_path: Path) -> str:
    return corpus(tmp_path / "old.jsonl", "past", 8)


def ids(own: str, parts: dict[str, Part] | None, **given: Any) -> list[str]:
    return [row.sample_id for row in rows(own, tiny.tokenizer(), parts, max_length=100, **given)[0]]


def test_without_parts_it_is_the_corpus(own: str) -> None:
    assert ids(own, None) == [f"new-{n}" for n in range(10)]


def test_own_rows_are_all_there_and_old_ones_by_their_weight(own: str, old: str) -> None:
    parts = {"own": Part(weight=2.0), "old": Part(corpus=old, weight=0.6)}
    found = ids(own, parts)
    assert found[:10] == [f"new-{n}" for n in range(10)]
    assert len(found) == 13
    assert set(found[10:]) < {f"old/past-{n}" for n in range(8)}
    assert found == ids(own, parts)
    assert len({tuple(ids(own, parts, seed=seed)) for seed in range(8)}) > 1


def test_a_small_part_is_repeated_evenly(own: str, old: str) -> None:
    counts = Counter(ids(own, {"own": Part(), "old": Part(corpus=old, weight=2.0)})[10:])
    assert sum(counts.values()) == 20
    assert len(counts) == 8
    assert set(counts.values()) == {2, 3}


def test_limit_reads_the_first_rows_alone(own: str, old: str) -> None:
    found = ids(own, {"own": Part(), "old": Part(corpus=old, limit=2)})
    assert set(found[10:]) == {"old/past-0", "old/past-1"}


def test_without_own_the_first_part_sets_the_measure(old: str, tmp_path: Path) -> None:
    other = corpus(tmp_path / "other.jsonl", "other", 4)
    found = ids("nowhere", {"a": Part(corpus=old), "b": Part(corpus=other, weight=0.25)})
    assert [name.partition("/")[0] for name in found] == ["a"] * 8 + ["b"] * 2


def test_report_counts_each_part(own: str, old: str) -> None:
    parts = {"own": Part(), "old": Part(corpus=old, weight=0.5)}
    kept, found = rows(own, tiny.tokenizer(), parts, max_length=100)
    assert (found.read, found.kept, found.rows, len(kept)) == (18, 18, 15, 15)
    assert found.parts == {"own": {"read": 10, "kept": 10, "rows": 10}, "old": {"read": 8, "kept": 8, "rows": 5}}
    assert found.prompt_tokens + found.trained_tokens == sum(len(row.input_ids) for row in kept)


def test_part_of_which_nothing_is_left_is_named(own: str, tmp_path: Path) -> None:
    empty = corpus(tmp_path / "empty.jsonl", "none", 0)
    with pytest.raises(TracegenError, match=r"empty\.jsonl has no rows"):
        ids(own, {"own": Part(), "old": Part(corpus=empty)})


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"own": {"corpus": "x"}}, "give x another name"),
        ({"old": {}}, "`data.old` needs a `corpus`"),
        ({"old": {"corpus": "x", "weight": 0}}, "greater than 0"),
        ({"old": {"corpus": "x", "share": 0.1}}, "Extra inputs"),
    ],
)
def test_parts_that_cannot_be(data: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Student(model="m", data=data)


def test_data_set_of_the_hub_with_configuration_split_and_columns(own: str, tmp_path: Path) -> None:
    def parquet(name: str) -> bytes:
        file = tmp_path / "rows.parquet"
        chat = [{"role": "user", "content": name}, {"role": "assistant", "content": "1"}]
        pyarrow.parquet.write_table(pyarrow.table({"messages": [chat], "uuid": [name], "level": [3]}), file)
        return file.read_bytes()

    card = """---
configs:
- {config_name: default, data_files: [{split: train, path: a.parquet}, {split: test, path: b.parquet}]}
- {config_name: hard, data_files: [{split: train, path: c.parquet}]}
---
"""
    script = """
import json, sys
sys.path.insert(0, sys.argv[1])
import tiny
from sft.mixture import rows
from tracegen.material import Part
parts = {"a": Part(corpus="org/set"), "b": Part(corpus="org/set", split="test"), "c": Part(corpus="org/set:hard")}
found, _ = rows("nowhere", tiny.tokenizer(), parts, max_length=100, columns=["level"])
print(json.dumps([[row.sample_id, row.facts["level"]] for row in found]))
"""
    with FakeHub() as hub:
        repo = hub.repos["datasets", "org/set"] = Repo("datasets", "org/set", private=False)
        repo.commit("made", {"README.md": card.encode(), **{f"{n}.parquet": parquet(n) for n in "abc"}})
        command = [sys.executable, "-c", script, str(Path(tiny.__file__).parent)]
        environment = os.environ | hub.environment(tmp_path / "home")
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [["a/a", 3], ["b/b", 3], ["c/c", 3]]
