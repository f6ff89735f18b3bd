"""Damage on disk is named, put aside on demand, and costs no more than what it hit."""

import json
import random

import pytest
from test_ledger import row, write

from tracegen.ledger import Ledger, best, read, sealed, segments
from tracegen.ledger.check import check, repair
from tracegen.ledger.ranks import Rank
from tracegen.ledger.store import seal
from tracegen.records import UsageError


def rows(count, start=0):
    return [row(f"{number:032x}", f"{number} " * 50) for number in range(start, start + count)]


def test_a_sound_ledger_is_sound(tmp_path):
    write(tmp_path, [row("a"), row("b", finish="length")])
    found = check(tmp_path)
    assert (found.sound, found.segments, found.ranks.total(), found.keys) == (True, 1, 2, 2)
    assert (found.torn, found.unsealed, found.finished_twice) == ([], [], [])


def test_a_damaged_line_stops_the_start_with_the_command_that_mends_it(tmp_path):
    write(tmp_path, rows(3))
    segment = segments(tmp_path)[0]
    lines = segment.read_bytes().splitlines(keepends=True)
    segment.write_bytes(lines[0] + b"\0" * 40 + b"\n" + lines[2])
    with pytest.raises(UsageError, match=r"0001\.jsonl, line 2 is damaged: not a row\. `tracegen ledger verify RUN"):
        Ledger(tmp_path)
    assert check(tmp_path).damaged == [f"{segment}, line 2 is not a row."]
    (done,) = repair(tmp_path)
    assert done == f"put 1 damaged lines of 0001.jsonl into {tmp_path / 'damaged' / '0001.1.jsonl'}"
    assert (tmp_path / "damaged" / "0001.1.jsonl").read_bytes() == b"\0" * 40 + b"\n"
    assert segment.read_bytes() == lines[0] + lines[2]
    with Ledger(tmp_path) as ledger:
        assert ledger.found.lost == ()
        assert [ledger.has(one["key"], 1) for one in rows(3)] == [True, False, True]
    assert check(tmp_path).sound
    assert repair(tmp_path) == []


def test_a_row_whose_seed_is_not_its_keys_is_damaged(tmp_path):
    fitting = [one | {"sampling": {"seed": int(one["key"][:7], 16)}} for one in rows(2)]
    write(tmp_path, [fitting[0], fitting[1] | {"key": "f" * 32}])
    (sentence,) = check(tmp_path).damaged
    assert sentence.endswith("line 2: the key does not fit the seed that it was asked with.")
    repair(tmp_path)
    assert list(read(tmp_path)) == fitting[:1]


def test_the_disk_has_lost_the_end_of_a_segment(tmp_path):
    """Cut at any place: what is whole is used, what is gone is asked again, and the loss is said, once."""
    chance = random.Random(1)
    for number in range(12):
        folder = tmp_path / str(number)
        write(folder, rows(20))
        segment = segments(folder)[0]
        whole = segment.read_bytes()
        size = chance.randrange(len(whole))
        segment.write_bytes(whole[:size])
        left = whole[:size].count(b"\n")
        assert check(folder).lost == ["0001.jsonl"]
        with Ledger(folder) as ledger:
            assert ledger.found.rows == left
            assert ledger.found.lost == ("0001.jsonl",)
            assert "the disk has lost answers of 0001.jsonl: they are asked for again" in ledger.found.sentence()
            again = [one for one in rows(20) if not ledger.has(one["key"], 1)]
            assert again == rows(20)[left:]
            list(ledger.commit(again))
        with Ledger(folder) as ledger:
            assert (ledger.found.lost, ledger.found.ranks[Rank.FINISHED]) == ((), 20)


def test_a_segment_that_is_gone_is_missed(tmp_path):
    write(tmp_path, rows(2))
    write(tmp_path, rows(2, start=2))
    seal(segments(tmp_path)[0])
    write(tmp_path, [])
    segments(tmp_path)[0].unlink()
    with Ledger(tmp_path) as ledger:
        assert ledger.found.lost == ("0001.parquet",)


def test_a_sealed_segment_that_was_cut_off_is_put_aside_whole(tmp_path):
    write(tmp_path, rows(20))
    path = seal(segments(tmp_path)[0])
    write(tmp_path, rows(5, start=20))
    kept = path.read_bytes()[: path.stat().st_size // 2]
    path.write_bytes(kept)
    with pytest.raises(UsageError, match=r"0001\.parquet is damaged: .* `tracegen ledger verify RUN --repair`"):
        Ledger(tmp_path)
    with pytest.raises(UsageError, match=r"0001\.parquet is damaged"):
        list(best(tmp_path))
    assert "0001.parquet is damaged" in check(tmp_path).damaged[0]
    (done,) = repair(tmp_path)
    assert done.endswith("; 0 of its rows are readable and stay")
    assert (tmp_path / "damaged" / "0001.1.parquet").read_bytes() == kept
    with Ledger(tmp_path) as ledger:
        assert ledger.found.rows == 5
    assert check(tmp_path).sound


def test_of_a_sealed_segment_with_one_bad_place_only_that_row_group_is_lost(tmp_path, monkeypatch):
    import pyarrow.parquet as pq

    monkeypatch.setattr(sealed, "GROUP_BYTES", 2000)
    write(tmp_path, rows(100))
    path = seal(segments(tmp_path)[0])
    groups = pq.ParquetFile(path).metadata
    column = groups.row_group(1).column(list(sealed.COLUMNS).index("text"))
    data = bytearray(path.read_bytes())
    place = column.data_page_offset + column.total_compressed_size - 5
    data[place] ^= 0xFF
    path.write_bytes(data)
    lost = groups.row_group(1).num_rows
    assert not check(tmp_path).sound
    repair(tmp_path)
    assert check(tmp_path).sound
    assert [one for one in rows(100) if one not in list(read(tmp_path))] == rows(lost, groups.row_group(0).num_rows)


def test_a_torn_line_of_a_dead_writer_is_cut_by_repair(tmp_path):
    (tmp_path / "0001-w1.jsonl").write_bytes(json.dumps(row("a")).encode() + b'\n{"key"')
    found = check(tmp_path)
    assert (found.torn, found.sound) == (["0001-w1.jsonl"], True)
    assert repair(tmp_path) == ["cut 6 bytes of an unfinished line off 0001-w1.jsonl"]
    assert check(tmp_path).torn == []


def test_a_key_that_is_finished_twice_is_named_and_counts_once(tmp_path):
    for writer in ("w1", "w2"):
        (tmp_path / f"0001-{writer}.jsonl").write_text(json.dumps(row("a", writer)) + "\n")
    found = check(tmp_path)
    assert (found.finished_twice, found.sound) == (["a"], True)
    assert [one["text"] for one in best(tmp_path)] == ["w2"]
