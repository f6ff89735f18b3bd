"""The labelled pairs that we ship: well formed, of both labels everywhere, each said once."""

import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest

FILE = Path(__file__).parents[1] / "data" / "verifier_math.jsonl"


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    return [json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines()]


def test_every_row_has_the_same_fields(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        assert list(row)[:5] == ["id", "category", "gold", "pred", "expected"], row["id"]
        assert set(row) - {"id", "category", "gold", "pred", "expected"} <= {"expected_outcome"}, row["id"]
        assert all(isinstance(row[name], str) for name in ("id", "category", "gold", "pred"))
        assert isinstance(row["expected"], bool)
        assert row["id"].rpartition("-")[0] == row["category"].replace(" ", "-")


def test_there_are_enough_and_none_is_there_twice(rows: list[dict[str, Any]]) -> None:
    assert len(rows) >= 500
    assert len({row["id"] for row in rows}) == len(rows)
    assert max(Counter((row["gold"], row["pred"]) for row in rows).values()) == 1


def test_both_labels_stand_in_every_category(rows: list[dict[str, Any]]) -> None:
    labels: dict[str, Counter[bool]] = defaultdict(Counter)
    for row in rows:
        labels[row["category"]][row["expected"]] += 1
    assert len(labels) >= 30
    assert {category for category, found in labels.items() if min(found[True], found[False]) < 4} == set()
    assert 0.4 <= sum(not row["expected"] for row in rows) / len(rows) <= 0.55


def test_only_a_gold_that_cannot_be_used_is_unverifiable(rows: list[dict[str, Any]]) -> None:
    named = [row for row in rows if "expected_outcome" in row]
    assert len(named) >= 10
    for row in named:
        assert (row["category"], row["expected"], row["expected_outcome"]) == ("gold", False, "unverifiable")


def test_some_are_hostile_by_size(rows: list[dict[str, Any]]) -> None:
    assert sum(len(row["pred"]) >= 10_000 for row in rows) >= 8
    assert max(len(row["pred"]) for row in rows) >= 100_000
