"""Compaction keeps what counts and what was paid, at whatever moment it is killed."""

import random

import pytest
from test_ledger import killed, row, write

from tracegen.ledger import Ledger, best, read, segments
from tracegen.ledger.compact import compact
from tracegen.ledger.segments import present

PAID = ["key", "teacher", "prompt_tokens", "completion_tokens", "seconds", "error"]


def paid(folder):
    return list(read(folder, PAID))


def test_texts_that_no_longer_count_go_and_usage_stays(tmp_path):
    write(tmp_path, [row("a", error="down", finish=None), row("b", "cut", finish="length", completion_tokens=90)])
    write(tmp_path, [row("a", "fine"), row("b", "longer", finish="length", max_tokens=200, completion_tokens=150)])
    write(tmp_path, [row("b", "ended", forced=True, max_tokens=200), row("c", error="down", finish=None)])
    before, spent, counted = list(best(tmp_path)), paid(tmp_path), len(present(tmp_path))
    assert counted == 3
    assert list(compact(tmp_path)) == [(3, 3)]
    assert [path.name for path in present(tmp_path)] == ["0003.parquet"]
    assert list(best(tmp_path)) == before
    assert paid(tmp_path) == spent
    texts = {(one["key"], one["text"]) for one in read(tmp_path)}
    assert texts == {("a", None), ("b", None), ("a", "fine"), ("b", "longer"), ("b", "ended"), ("c", "text")}
    with Ledger(tmp_path) as ledger:
        assert ledger.partial("b")["text"] == "longer"
        assert [ledger.has(key, 200) for key in "abc"] == [True, True, False]
        assert not ledger.has("b", 201)
        list(ledger.commit([row("b", "whole", max_tokens=300)]))
    assert [path.name for path in present(tmp_path)] == ["0003.parquet", "0004.jsonl"]
    assert {one["key"]: one["text"] for one in best(tmp_path)}["b"] == "whole"


@pytest.mark.parametrize("tokens", [40_000, 1 << 50])
def test_a_text_to_go_on_from_stays_however_long_it_is(tmp_path, tokens):
    write(tmp_path, [row("a", "cut", finish="length", completion_tokens=tokens)])
    write(tmp_path, [row("a", "forced", finish="stop", forced=True, max_tokens=200, completion_tokens=3)])
    list(compact(tmp_path))
    assert [one["text"] for one in read(tmp_path)] == ["cut", "forced"]


def test_twice_is_as_once(tmp_path):
    write(tmp_path, [row("a", finish="length"), row("b")])
    write(tmp_path, [row("a", max_tokens=200)])
    list(compact(tmp_path))
    (path,) = present(tmp_path)
    stamp, rows = path.stat().st_mtime_ns, list(read(tmp_path))
    list(compact(tmp_path))
    assert (path.stat().st_mtime_ns, list(read(tmp_path))) == (stamp, rows)


def test_a_text_that_is_overtaken_later_goes_from_a_sealed_segment(tmp_path):
    write(tmp_path, [row("a", "cut", finish="length")])
    list(compact(tmp_path))
    write(tmp_path, [row("a", "whole", max_tokens=200)])
    list(compact(tmp_path))
    assert [one["text"] for one in read(tmp_path)] == [None, "whole"]


def test_segments_are_filled_and_not_more(tmp_path, monkeypatch):
    for number in range(12):
        write(tmp_path, [row(f"{number}-{one}", "x" * 500) for one in range(4)])
    monkeypatch.setattr("tracegen.ledger.compact.SEGMENT_BYTES", 10_000)
    rows = list(read(tmp_path))
    list(compact(tmp_path))
    assert [path.name for path in present(tmp_path)] == ["0003.parquet", "0006.parquet", "0009.parquet", "0012.parquet"]
    assert list(read(tmp_path)) == rows


COMPACTING = """
import sys
from pathlib import Path
from tracegen.ledger import compact
compact.SEGMENT_BYTES = int(sys.argv[2])
print("ready", flush=True)
for _ in compact.compact(Path(sys.argv[1])):
    pass
"""


def sweep(folder, kills, seed):
    """Kill compaction again and again, with launches in between that finish some of what was cut off."""
    moments = random.Random(seed)
    keys = [f"{number:032x}" for number in range(1200)]
    for start in range(0, 1200, 200):
        write(folder, [row(key, f"{key} " * 60, finish="length") for key in keys[start : start + 200]])
    for kill in range(kills):
        write(folder, [row(key, "whole", max_tokens=200) for key in moments.sample(keys, 40)])
        before, spent = list(best(folder)), paid(folder)
        size = moments.choice([60_000, 400_000, 1 << 26])
        killed(COMPACTING, folder, size, after=moments.uniform(0, 0.5))
        assert list(best(folder)) == before, f"kill {kill}"
        assert paid(folder) == spent, f"kill {kill}"
    before = list(best(folder))
    list(compact(folder))
    assert list(best(folder)) == before
    assert {path.suffix for path in present(folder)} == {".parquet"}
    assert present(folder) == segments(folder)
    assert not list(folder.glob(".*.new"))


def test_kills_neither_lose_nor_double_a_row(tmp_path):
    sweep(tmp_path, kills=5, seed=1)


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(2, 8))
def test_many_more_kills(tmp_path, seed):
    sweep(tmp_path, kills=20, seed=seed)
