"""The index says of every trace what the rest of the house says of it, whatever came in which order."""

import json
import random
from collections import Counter
from dataclasses import replace

import pytest
from seen_runs import indexed, samples

from tracegen import evidence
from tracegen.ledger.compact import compact
from tracegen.view import index, pieces, state


def told(run, problems):
    """What the house says, from the files."""
    return Counter(
        (seen.problem, seen.teacher, seen.tokens, seen.status, seen.outcome, seen.reason, seen.forced)
        for seen in evidence.traces(run, problems)
    )


def said(rows):
    fields = ("problem_id", "teacher", "tokens", "status")
    return Counter(
        (*(row[name] for name in fields), row["verdict"] or "not judged", row["verdict_reason"] or "", row["forced"])
        for row in rows
    )


def test_it_says_what_the_report_says(made):
    rows, _ = indexed(made.folder)
    assert said(rows) == told(made.folder, made.problems)
    assert {row["status"] for row in rows} == {"complete", "truncated", "no_reasoning", "malformed"}
    order = list(made.problems)
    plan = [(order.index(row["problem_id"]), row["teacher"], row["sample"]) for row in rows]
    assert plan == sorted(plan)
    for row in rows:
        judged = [other["verdict"] for other in rows if other["problem_id"] == row["problem_id"] and other["verdict"]]
        assert row["pass_rate"] == pytest.approx(judged.count("right") / len(judged))


def test_the_hearing_that_counts_is_the_last_under_the_present_gold_and_panel(made):
    made.judge(lambda trace: [("judge", "unverifiable"), ("math", "wrong")], panel="p2")
    made.judge(lambda trace: [("math", "right"), ("judge", "error")] if trace.sample else [("math", "error")], "p1")
    rows, _ = indexed(made.folder)
    assert said(rows) == told(made.folder, made.problems)
    name = next(iter(made.problems))
    made.problems[name] = replace(made.problems[name], answer="corrected")
    made.write_problems()
    rows, _ = indexed(made.folder)
    assert said(rows) == told(made.folder, made.problems)
    assert {row["verdict"] for row in rows if row["problem_id"] == name} == {None}


def test_a_hearing_that_a_crash_tore_is_none(made):
    log = made.folder / "verdicts" / "verdicts.jsonl"
    made.judge(lambda trace: [("math", "error"), ("judge", "right")], panel="p2")
    lines = log.read_bytes().splitlines(keepends=True)
    for torn in (lines[:-1], [*lines[:-1], lines[-1][:20]], lines[:-3]):
        log.write_bytes(b"".join(torn))
        assert said(indexed(made.folder)[0]) == told(made.folder, made.problems)


def test_a_log_in_many_blocks_is_the_same_log(made, monkeypatch):
    made.judge(lambda trace: [("a", "unverifiable"), ("b", "wrong"), ("c", "right")], panel="p2")
    monkeypatch.setattr(pieces, "BLOCK", 1000)
    rows, _ = indexed(made.folder)
    assert said(rows) == told(made.folder, made.problems)
    assert len(list((state.place(made.folder) / "verdicts").glob("*/*.parquet"))) > 10


def test_what_is_new_is_taken_up_and_what_is_old_is_kept(made):
    _, before = indexed(made.folder)
    words = {path: path.stat().st_mtime_ns for path in (state.place(made.folder) / "words").glob("*")}
    assert len(words) == 2
    made.answer(samples(made, random.Random(9)), sealed=True)
    made.judge(lambda trace: [("math", "right")])
    rows, after = indexed(made.folder)
    assert said(rows) == told(made.folder, made.problems)
    assert after.number > before.number
    assert words.items() <= {path: path.stat().st_mtime_ns for path in words if path.exists()}.items()
    again = indexed(made.folder)[1]
    assert again == after


def test_compaction_changes_places_and_nothing_else(made):
    rows, _ = indexed(made.folder)
    for _ in compact(made.folder / "traces"):
        pass
    packed, version = indexed(made.folder)
    assert said(packed) == said(rows)
    assert len(version.segments) < 3


def test_an_old_run_has_its_drops_in_whole_traces(made):
    keys = [row["key"] for row in indexed(made.folder)[0]]
    (made.folder / "dropped").mkdir()
    lines = [{"key": key, "reasoning": "\ud800", "filter": "correct", "reason": "wrong"} for key in keys[:5]]
    (made.folder / "dropped" / "correct.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    rows, _ = indexed(made.folder)
    assert [row["kept"] for row in rows] == [False] * 5 + [None] * (len(rows) - 5)
    assert {(row["filter"], row["reason"]) for row in rows[:5]} == {("correct", "wrong")}


def test_of_a_large_run_the_first_rows_come_first(made, monkeypatch):
    monkeypatch.setattr(index, "LARGE", 0)
    monkeypatch.setattr(index, "FEW_ROWS", 10)
    found = index.Index(made.folder, state.place(made.folder))
    versions = [(found.state.rows, found.state.all_rows, found.state.whole) for _ in found.update()]
    (few, *first), *_, (rows, *last) = versions
    assert 0 < few <= 10 < rows
    assert (first, last) == ([False, False], [True, True])


def test_an_index_that_needs_more_memory_gets_it(made, monkeypatch):
    monkeypatch.setattr(index, "MEGABYTES", 1)
    rows, _ = indexed(made.folder)
    assert said(rows) == told(made.folder, made.problems)


def test_damage_is_told(made):
    live = max((made.folder / "traces").glob("*.jsonl"))
    live.write_text("{nonsense}\n")
    with pytest.raises(index.TracegenError, match=r"0003\.jsonl, byte 0 is damaged: not a row\..*--repair"):
        list(index.Index(made.folder, state.place(made.folder)).update())


def test_a_problem_that_is_none_is_told(made):
    path = made.folder / "problems.jsonl"
    path.write_text(path.read_text() + '{"id": "x"}\n')
    with pytest.raises(index.TracegenError, match=r"problems\.jsonl, byte \d+ is damaged: not a problem\."):
        list(index.Index(made.folder, state.place(made.folder)).update())


def test_an_empty_run_has_an_empty_index(tmp_path):
    run = tmp_path / "empty"
    (run / "traces").mkdir(parents=True)
    rows, version = indexed(run)
    assert (rows, version.summary["totals"]["traces"]) == ([], 0)
