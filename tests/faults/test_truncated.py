"""Answers that were cut off: kept as they are, and gone on with once `max_tokens` is raised, their tokens paid once."""

import time
from collections import Counter

import pytest
from fake_answers import answer
from faults.rig import Run, Server

from tracegen.ledger import best, finished, read

SHORT, LONG = 8, 64
RAISED = f"teachers.fake.sampling.max_tokens={LONG}"


@pytest.fixture
def run(tmp_path):
    with Server(tmp_path / "server.jsonl", ["--vllm", "--latency", "0.02", "--jitter", "0.05"]) as server:
        yield Run(tmp_path, server, problems=40, samples=2, concurrency=8, max_tokens=SHORT)


def words(text):
    return len(text.split(" "))


def check_continued(run):
    """Every sample has the text that it would have had in one go, and every token of it was paid for once."""
    paid = Counter()
    for row in read(run.traces):
        paid[row["key"]] += row["completion_tokens"] or 0
    rows = list(best(run.traces))
    assert len(rows) == run.problems * run.samples
    for row in rows:
        assert finished(row)
        assert row["text"] == answer({"messages": row["prompt"], "seed": row["sampling"]["seed"]})["text"]
        assert paid[row["key"]] == words(row["text"]) == row["completion_tokens"] + row["prefix_tokens"]


def test_a_raised_limit_goes_on_from_what_is_paid_for(run):
    run.finish()
    assert not any(finished(row) for row in read(run.traces))
    asked = len(run.server.look())
    run.finish()
    assert len(run.server.look()) == asked, "with the same limit an answer that was cut off is data"
    run.finish(RAISED)
    check_continued(run)
    asked = len(run.server.look())
    run.finish(RAISED)
    assert len(run.server.look()) == asked


def test_a_kill_while_going_on_pays_nothing_twice(run):
    run.finish()
    process = run.launch(RAISED, answers=20)
    before = run.acknowledged()
    run.kill(process)
    assert before <= run.acknowledged()
    run.finish(RAISED)
    check_continued(run)


def test_only_what_was_cut_off_is_asked_to_go_on(tmp_path):
    flags = ["--vllm", "--latency", "0.02", "--truncate", "0.3"]
    with Server(tmp_path / "server.jsonl", flags) as server:
        run = Run(tmp_path, server, problems=40, samples=2, concurrency=8, max_tokens=SHORT * 4)
        run.finish()
        run.check(grace=0)
        cut = sum(not finished(row) for row in read(run.traces))
        assert 0 < cut < 80
        server.kill()
        server.flags = [*flags[:-2]]
        server.start()
        asked, start = len(server.look()), time.time()
        run.finish(RAISED)
        check_continued(run)
        assert sum(row["time"] > start for row in read(run.traces)) == cut
        assert len(server.look()) - asked < cut + 5, "beside those, only what finds out what the server can do"
