"""docs/dedup.md: its recipe can be used, its SQL runs, and its tables are what the code does."""

import json
import re
from math import ceil, comb
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
import yaml

from tracegen.minhash import PERMUTATIONS, SHINGLE, bands
from tracegen.registry import bind

TEXT = (Path(__file__).parent.parent / "docs" / "dedup.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)
    assert found
    return found[1]


def row(name: str) -> list[str]:
    found = re.search(rf"^\| {name} \|(.*)\|$", TEXT, re.MULTILINE)
    assert found
    return [cell.strip() for cell in found[1].split("|")]


def test_the_recipe_can_be_used() -> None:
    filters = yaml.safe_load(block("yaml"))["filters"]
    assert list(filters) == ["correct", "dedup", "diversity", "choose"]
    for name, options in filters.items():
        assert list(bind("filter", name, options, problems={})(())) == []


def test_the_sql_counts_clusters(tmp_path: Path) -> None:
    dropped = tmp_path / "runs" / "NAME" / "dropped"
    dropped.mkdir(parents=True)
    rows = [("dedup", "a"), ("dedup", "b"), ("dedup", "a"), ("choose", "a")]
    columns = {"filter": [f for f, _ in rows], "detail": [json.dumps({"kept": key}) for _, key in rows]}
    parquet.write_table(pa.table(columns), dropped / "reasons.parquet")
    sql = block("sql").replace("runs/NAME", str(tmp_path / "runs" / "NAME"))
    assert duckdb.sql(sql).fetchall() == [("a", 3), ("b", 2)]


def test_words_replaced_and_the_similarity_that_is_left() -> None:
    for share, left in zip(row("words replaced"), row("similarity"), strict=False):
        same = (1 - float(share.removesuffix(" %")) / 100) ** SHINGLE
        assert float(left) == pytest.approx(same / (2 - same), abs=0.006)


def test_the_slope_is_that_of_the_bands() -> None:
    count, rows = bands(0.7)
    assert f"{count} bands of {rows} hashes" in TEXT
    least = ceil(0.7 * PERMUTATIONS)
    shares = [0.5, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85]
    for share, looked, dropped in zip(shares, row("looked at"), row("dropped"), strict=True):
        equal = [comb(PERMUTATIONS, n) * share**n * (1 - share) ** (PERMUTATIONS - n) for n in range(least, 129)]
        assert float(looked) == pytest.approx(1 - (1 - share**rows) ** count, abs=0.006)
        assert float(dropped) == pytest.approx(sum(equal), abs=0.006)
