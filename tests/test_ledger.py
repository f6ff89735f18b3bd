"""The ledger: durable before looked at, repaired after a crash, at most one finished row a key."""

import errno
import hashlib
import json
import os
import subprocess
import sys
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracegen import sample as sampling_stage
from tracegen.ledger import Ledger, best, read, sample_key, sample_keys, segments
from tracegen.records import TracegenError, UsageError


def row(key, text="text", *, finish="stop", error=None, max_tokens=100, **more):
    base = {"key": key, "problem_id": "p", "teacher": "t", "sample": 0, "model": "m", "revision": None, "prompt": []}
    asked = {"sampling": {}, "max_tokens": max_tokens, "prompt_tokens": 1, "completion_tokens": 1, "seconds": 0.0}
    return base | asked | {"text": text, "reasoning": None, "finish_reason": finish, "error": error, "time": 0.0} | more


def write(folder, rows):
    with Ledger(folder) as ledger:
        return [found["key"] for found in ledger.commit(rows)]


def killed(program, *arguments, after):
    """Run a program that says when it is ready, and kill it so many seconds later."""
    command = [sys.executable, "-c", program, *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"ready\n"
        time.sleep(after)
        process.kill()


def test_rows_come_back_as_written(tmp_path):
    rows = [row("a", "ä\u2028\n</think>"), row("b", "\ud800 half a pair")]
    assert write(tmp_path, rows) == ["a", "b"]
    assert list(read(tmp_path)) == rows


@settings(deadline=None)
@given(st.lists(st.text(), max_size=5))
def test_any_text_survives(tmp_path_factory, texts):
    folder = tmp_path_factory.mktemp("ledger")
    rows = [row(str(number), text) for number, text in enumerate(texts)]
    write(folder, rows)
    assert list(read(folder)) == rows


def test_each_launch_writes_a_segment_of_its_own(tmp_path):
    write(tmp_path, [row("a")])
    write(tmp_path, [row("b")])
    write(tmp_path, [])
    assert [path.name for path in segments(tmp_path)] == ["0001.jsonl", "0002.jsonl"]


def test_a_torn_last_line_is_cut_off_and_its_sample_asked_again(tmp_path):
    write(tmp_path, [row("a"), row("b")])
    segment = segments(tmp_path)[0]
    whole = segment.read_bytes()
    for lost in range(1, len(json.dumps(row("b"))) + 1):
        segment.write_bytes(whole[:-lost])
        with Ledger(tmp_path) as ledger:
            assert ledger.found.torn == len(whole) // 2 - lost
            assert ledger.has("a", 100)
            assert not ledger.has("b", 100)
        assert [found["key"] for found in read(tmp_path)] == ["a"]


def test_damage_elsewhere_is_named_with_its_line(tmp_path):
    write(tmp_path, [row("a"), row("b")])
    segment = segments(tmp_path)[0]
    segment.write_bytes(b"\0" * 10 + segment.read_bytes()[10:])
    with pytest.raises(UsageError, match=r"0001\.jsonl, line 1 is damaged"):
        Ledger(tmp_path)


def test_a_finished_key_is_never_written_twice(tmp_path):
    assert write(tmp_path, [row("a", "first"), row("a", "second")]) == ["a"]
    assert write(tmp_path, [row("a", "third")]) == []
    assert len(list(read(tmp_path))) == 1


def test_best_prefers_finished_to_truncated_to_failed(tmp_path):
    write(tmp_path, [row("a", error="down", finish=None), row("b", "cut", finish="length")])
    write(tmp_path, [row("a", "fine"), row("b", "longer", finish="length", max_tokens=200)])
    write(tmp_path, [row("b", error="down", finish=None, max_tokens=300)])
    assert {found["key"]: found["text"] for found in best(tmp_path)} == {"a": "fine", "b": "longer"}


def test_a_larger_budget_reopens_only_what_was_cut_off(tmp_path):
    write(tmp_path, [row("done"), row("cut", finish="length"), row("failed", error="down", finish=None)])
    with Ledger(tmp_path) as ledger:
        assert [ledger.has(key, 100) for key in ("done", "cut", "failed")] == [True, True, False]
        assert [ledger.has(key, 101) for key in ("done", "cut", "failed")] == [True, False, False]


def test_a_forced_answer_counts_at_its_own_budget_and_the_partial_under_it_stays(tmp_path):
    write(tmp_path, [row("a", "<think>so far", finish="length", completion_tokens=100)])
    with Ledger(tmp_path) as ledger:
        assert not ledger.has("a", 100, forced=True)
    write(tmp_path, [row("a", "<think>so far</think> 4", forced=True, prefix_tokens=100, completion_tokens=5)])
    with Ledger(tmp_path) as ledger:
        assert ledger.has("a", 100)
        assert ledger.has("a", 100, forced=True)
        assert not ledger.has("a", 101)
        assert ledger.partial("a")["text"] == "<think>so far"
    assert [found["forced"] for found in best(tmp_path)] == [True]
    write(tmp_path, [row("a", "<think>so far and on</think> 5", max_tokens=200)])
    with Ledger(tmp_path) as ledger:
        assert ledger.has("a", 10**9, forced=True)
        assert ledger.partial("a") is None
    assert [found["text"] for found in best(tmp_path)] == ["<think>so far and on</think> 5"]


def test_the_longest_partial_is_gone_on_from_whatever_came_last(tmp_path):
    def cut(text, tokens, **more):
        return row("a", text, finish="length", completion_tokens=tokens, **more)

    write(tmp_path, [cut("first", 50), cut("longest", 30, max_tokens=150, prefix_tokens=50)])
    write(tmp_path, [cut("began anew", 60, max_tokens=200)])
    with Ledger(tmp_path) as ledger:
        assert ledger.partial("a")["text"] == "longest"
        assert list(ledger.commit([cut("own", 20, max_tokens=300, prefix_tokens=80)]))
        assert ledger.partial("a")["text"] == "own"
        assert ledger.partial("b") is None


def test_what_a_start_found_is_said_in_one_sentence(tmp_path):
    write(tmp_path, [row("a"), row("b", finish="length"), row("c", forced=True), row("d", error="down", finish=None)])
    with segments(tmp_path)[0].open("ab") as file:
        file.write(b'{"key": "e", "text": "half a li')
    with Ledger(tmp_path) as ledger:
        said = ledger.found.sentence()
    assert said == (
        "found 4 answers in 1 segment (1 finished, 1 cut off, 1 forced, 1 failed); "
        "cut off 31 bytes of an unfinished line, left by a crash."
    )
    with Ledger(tmp_path / "empty") as ledger:
        assert ledger.found.sentence() == ""


def test_the_same_key_twice_in_one_group_is_stored_as_often_as_it_is_worth(tmp_path):
    rows = [row("a", error="down", finish=None), row("a", "cut", finish="length"), row("a", "again", finish="length")]
    with Ledger(tmp_path) as ledger, ledger.writing() as pen:
        for found in [*rows, row("a", "whole", max_tokens=200), row("a", "too late", max_tokens=200)]:
            pen.put(found)
        pen.flush()
        assert [found["text"] for found in pen.durable()] == ["text", "cut", "whole"]


def test_keys_of_all_samples_are_those_of_each(tmp_path):
    sampling = {"temperature": 0.8, "stop": ["ä", "\n"], "max_tokens": 3, "top_p": None}
    shared = {"model": {"b": 1, "a": "\ud800"}, "messages": [{"role": "user", "content": 'q"ä'}], "seed": 7}
    key_of = sample_keys(**shared, sampling=sampling)
    assert [key_of(n) for n in (0, 11)] == [sample_key(**shared, sampling=sampling, sample=n) for n in (0, 11)]
    identity = shared | {"sampling": {"temperature": 0.8, "stop": ["ä", "\n"]}, "sample": 11}
    whole = json.dumps(identity, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    assert key_of(11) == hashlib.sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def test_nothing_is_handed_on_before_the_fsync_that_covers_its_line(tmp_path, monkeypatch):
    """The disk is held up: rows stand in the file, but none comes out until fsync has returned."""
    released, written = threading.Event(), threading.Event()
    real = os.fsync

    def slow(descriptor):
        if segments(tmp_path) and segments(tmp_path)[0].stat().st_size:
            written.set()
            assert released.wait(10)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", slow)
    handed_on = []

    def consume():
        with Ledger(tmp_path) as ledger:
            handed_on.extend(ledger.commit([row("a"), row("b")]))

    thread = threading.Thread(target=consume)
    thread.start()
    assert written.wait(10)
    assert segments(tmp_path)[0].read_bytes()
    thread.join(0.3)
    assert handed_on == []
    released.set()
    thread.join(10)
    assert [found["key"] for found in handed_on] == ["a", "b"]


def test_every_row_is_parsed_after_an_fsync_that_covers_it(tmp_path, monkeypatch):
    """What fsync has covered is read off the file itself at the moment of each call; parse checks against it."""
    synced, parsed = set(), []
    real_fsync, real_parse = os.fsync, sampling_stage.parse

    def fsync(descriptor):
        covered = {found["key"] for found in read(tmp_path)}
        real_fsync(descriptor)
        synced.update(covered)

    def parse(found):
        parsed.append(found["key"])
        assert found["key"] in synced
        return real_parse(found)

    monkeypatch.setattr(os, "fsync", fsync)
    with Ledger(tmp_path) as ledger:
        for found in ledger.commit(row(str(number)) for number in range(200)):
            parse(found)
    assert sorted(parsed, key=int) == [str(number) for number in range(200)]


def test_a_full_disk_stops_with_one_sentence_and_keeps_what_was_acknowledged(tmp_path, monkeypatch):
    real, calls = os.fsync, iter(range(100))

    def fsync(descriptor):
        if next(calls) >= 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    acknowledged = []
    with Ledger(tmp_path) as ledger, pytest.raises(TracegenError, match="No space left on device"):
        acknowledged.extend(ledger.commit((row(str(number)) for number in range(50)), wait=lambda: True))
    assert acknowledged
    assert {found["key"] for found in read(tmp_path)} >= {found["key"] for found in acknowledged}


def test_a_failed_write_reaches_whoever_waits_for_this_row_before_asking_on(tmp_path, monkeypatch):
    def fsync(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    def conversation():
        yield row("a")
        pytest.fail("the next row was drawn, and whoever waits for the first one would wait for ever")

    monkeypatch.setattr(os, "fsync", fsync)
    with Ledger(tmp_path) as ledger, pytest.raises(TracegenError, match="No space left on device"):
        list(ledger.commit(conversation(), wait=lambda: True))


def test_what_an_interrupted_consumer_was_owed_is_on_disk(tmp_path):
    def engine():
        yield from (row(str(number)) for number in range(10))
        raise KeyboardInterrupt

    with Ledger(tmp_path) as ledger, pytest.raises(KeyboardInterrupt):
        list(ledger.commit(engine()))
    assert len(list(read(tmp_path))) == 10


KEY = {"model": {"revision": "r"}, "messages": [{"role": "user", "content": "q"}], "seed": 1, "sample": 0}


def test_budgets_and_empty_parameters_stay_out_of_the_key():
    key = sample_key(**KEY, sampling={"temperature": 0.8, "max_tokens": 10, "n": 4})
    assert key == sample_key(**KEY, sampling={"temperature": 0.8, "max_tokens": 99, "n": 8, "top_p": None})


def test_a_prompt_with_half_a_surrogate_pair_has_a_key_and_ordinary_keys_stay():
    key = sample_key(**(KEY | {"messages": [{"role": "user", "content": "\ud800"}]}), sampling={})
    assert key != sample_key(**KEY, sampling={})
    assert sample_key(**KEY, sampling={"temperature": 0.8}) == "7b38c559a1446ec98bb939684e67f3a0"


@pytest.mark.parametrize(
    "change",
    [
        {"model": {"revision": "other"}},
        {"messages": [{"role": "user", "content": "q "}]},
        {"seed": 2},
        {"sample": 1},
        {"sampling": {"temperature": 0.7}},
        {"sampling": {"temperature": 0.8, "stop": ["\n"]}},
    ],
)
def test_everything_that_shapes_the_text_is_in_the_key(change):
    base = KEY | {"sampling": {"temperature": 0.8}}
    assert sample_key(**base) != sample_key(**(base | change))
