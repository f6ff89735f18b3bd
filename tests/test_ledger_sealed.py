"""Sealed segments: rows come back as they went in, and a crash at any moment leaves each of them once."""

import json
import random
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_ledger import killed, row, write

from tracegen.ledger import Ledger, best, read, sealed, segments, store
from tracegen.ledger.ranks import Rank
from tracegen.ledger.segments import present
from tracegen.ledger.store import seal

VALUES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.lists(st.text())


@settings(deadline=None, max_examples=60)
@given(rows=st.lists(st.dictionaries(st.sampled_from([*sealed.COLUMNS, "new", "rest_"]), VALUES), max_size=6))
def test_any_row_comes_back_as_it_went_in(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("sealed") / "0001.parquet"
    rows = [found | {"key": f"k{number}"} for number, found in enumerate(rows)]
    sealed.write(path, rows, [])
    assert list(sealed.rows(path)) == rows


def test_an_ordinary_row_stands_in_columns_alone(tmp_path):
    sealed.write(tmp_path / "0001.parquet", [row("a", prefix_tokens=3, forced=False, engine="e")], [])
    (found,) = next(sealed.batches(tmp_path / "0001.parquet", ["rest", "text", "prompt"])).to_pylist()
    assert found == {"text": "text", "prompt": "[]", "rest": None}


def test_a_sealed_ledger_answers_as_the_live_one_did(tmp_path):
    rows = [
        row("f" * 32, "fine"),
        row("cut", "so far", finish="length", prefix_tokens=2),
        row("forced", "ended", forced=True),
        row("down", error="down", finish=None),
        row("half", "\ud800"),
    ]
    write(tmp_path, rows)
    seal(segments(tmp_path)[0])
    assert [path.name for path in present(tmp_path)] == ["0001.parquet"]
    assert list(read(tmp_path)) == rows
    assert list(read(tmp_path, ["key", "prefix_tokens", "nothing"])) == [
        {"key": found["key"], "prefix_tokens": found.get("prefix_tokens", 0), "nothing": None} for found in rows
    ]
    assert [found["key"] for found in best(tmp_path, keys={"cut", "down"})] == ["cut", "down"]
    assert list(best(tmp_path, keys=())) == []
    with Ledger(tmp_path) as ledger:
        assert ledger.found.ranks == {Rank.FINISHED: 2, Rank.TRUNCATED: 1, Rank.FORCED: 1, Rank.FAILED: 1}
        assert ledger.found.rows == 5
        assert [ledger.has(one["key"], 100) for one in rows] == [True, True, True, False, True]
        assert [ledger.has(one["key"], 101) for one in rows] == [True, False, False, False, True]
        assert ledger.partial("cut") == rows[1]
        assert ledger.partial("forced") is None


def test_a_full_segment_is_sealed_while_the_run_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "SEGMENT_BYTES", 3000)
    rows = [row(f"{number:032x}", "x" * 200, finish="length" if number % 3 else "stop") for number in range(100)]
    with Ledger(tmp_path) as ledger:
        for found in ledger.commit(rows, wait=lambda: True):
            # While its segment is live, being sealed, and sealed.
            earlier = rows[random.randrange(1 + rows.index(found))]
            assert ledger.partial(earlier["key"]) == (earlier if earlier["finish_reason"] == "length" else None)
    kinds = [path.suffix for path in segments(tmp_path)]
    assert kinds[:-1] == [".parquet"] * (len(kinds) - 1)
    assert len(kinds) > 5
    assert list(read(tmp_path)) == rows
    with Ledger(tmp_path) as ledger:
        assert ledger.found.rows == 100
        assert all(ledger.partial(one["key"]) == one for one in rows if one["finish_reason"] == "length")


def test_a_full_segment_that_a_crash_left_is_sealed_by_the_next_start(tmp_path, monkeypatch):
    write(tmp_path, [row(str(number)) for number in range(20)])
    monkeypatch.setattr(store, "SEGMENT_BYTES", 100)
    with Ledger(tmp_path) as ledger:
        assert ledger.found.rows == 20
    assert [path.name for path in present(tmp_path)] == ["0001.parquet"]
    assert [found["key"] for found in read(tmp_path)] == [str(number) for number in range(20)]


def test_after_a_crash_between_the_two_names_each_row_is_counted_once(tmp_path):
    write(tmp_path, [row("a"), row("b")])
    live = segments(tmp_path)[0]
    kept = live.read_bytes()
    seal(live)
    live.write_bytes(kept)
    assert [found["key"] for found in read(tmp_path)] == ["a", "b"]
    write(tmp_path, [row("c")])
    assert [path.name for path in present(tmp_path)] == ["0001.parquet", "0002.jsonl"]
    assert [found["key"] for found in read(tmp_path)] == ["a", "b", "c"]


SEALING = """
import sys
from pathlib import Path
from tracegen.ledger import segments
from tracegen.ledger.store import seal
print("ready", flush=True)
for path in segments(Path(sys.argv[1])):
    seal(path)
"""


def sweep(folder, kills, seed):
    """Kill the sealing of a few segments again and again; every row is there once, each time."""
    rows = [row(f"{number:032x}", f"{number} " * 400) for number in range(1500)]
    for start in range(0, 1500, 300):
        write(folder, rows[start : start + 300])
    moments = random.Random(seed)
    for _ in range(kills):
        killed(SEALING, folder, after=moments.uniform(0, 0.3))
        assert [found["key"] for found in read(folder)] == [found["key"] for found in rows]
        with Ledger(folder) as ledger:
            assert ledger.found.rows == len(rows)
    subprocess.run([sys.executable, "-c", SEALING, str(folder)], check=True, stdout=subprocess.DEVNULL)
    assert list(read(folder)) == rows


def test_kills_while_sealing_neither_lose_nor_double_a_row(tmp_path):
    sweep(tmp_path, kills=4, seed=1)


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(2, 8))
def test_many_more_kills_while_sealing(tmp_path, seed):
    sweep(tmp_path, kills=20, seed=seed)


def test_what_is_sealed_can_be_read_by_others(tmp_path):
    import pyarrow.parquet as pq

    write(tmp_path, [row("a", "said", sampling={"temperature": 0.5})])
    table = pq.read_table(seal(segments(tmp_path)[0]))
    assert table.column_names == [*sealed.COLUMNS, "rest"]
    assert json.loads(table["sampling"][0].as_py()) == {"temperature": 0.5}
