"""What the page asks for: pages of a list, searches, a trace and a problem in full, what is new."""

import json
import math
import time
from contextlib import closing
from urllib.parse import quote

import pytest
from seen_runs import EVIL, indexed
from starlette.testclient import TestClient

from tracegen import evidence, rundir
from tracegen.ledger.compact import compact
from tracegen.recipe import Teacher
from tracegen.view import live, money, search
from tracegen.view.app import application
from tracegen.view.shelf import Shelf

LIST = {"key", "problem_id", "teacher", "sample", "verdict", "filter", "reason", "kept", "tokens", "status"}


@pytest.fixture
def ask(curated):
    """Asks the application over a run whose index is whole; `ask.rows` is that."""
    made, rows = curated
    with closing(Shelf(made.folder)) as shelf, TestClient(application(shelf)) as client:

        def get(address, status=200):
            answer = client.get(address)
            assert answer.status_code == status, answer.text
            assert answer.headers["content-type"] == "application/json"
            assert answer.content.isascii()
            return answer.json()

        get.rows, get.made, get.client = rows, made, client
        yield get


def walked(ask, address):
    """All rows of a list, page by page, and the total that its first page told."""
    rows, after, total = [], "", None
    while after is not None:
        found = ask(f"{address}&after={after}")
        total = found["total"] if not rows else total
        rows, after = rows + found["rows"], found["next"]
        assert len(found["rows"]) <= 7
    return rows, total


@pytest.mark.parametrize(
    ("filters", "holds"),
    [
        ("", lambda row: True),
        ("verdict=right", lambda row: row["verdict"] == "right"),
        ("verdict=unjudged", lambda row: row["verdict"] is None),
        ("teacher=u", lambda row: row["teacher"] == "u"),
        (f"problem={quote('set/3 ä')}", lambda row: row["problem_id"] == "set/3 ä"),
        ("kept=yes", lambda row: row["kept"] is True),
        ("kept=no", lambda row: row["kept"] is False),
        ("reason=dedup:exact", lambda row: (row["filter"], row["reason"]) == ("dedup", "exact")),
        ("reason=correct", lambda row: row["filter"] == "correct"),
        ("status=truncated", lambda row: row["status"] == "truncated"),
        ("min_tokens=20&max_tokens=60", lambda row: 20 <= row["tokens"] <= 60),
        ("min_pass=0.2&max_pass=0.4", lambda row: 0.2 <= row["pass_rate"] <= 0.4),
        ("verdict=wrong&teacher=t&min_tokens=50", lambda row: (row["verdict"], row["teacher"]) == ("wrong", "t")),
        ("teacher=nobody", lambda row: False),
    ],
)
def test_a_filter_shows_what_it_says(ask, filters, holds):
    rows, total = walked(ask, f"/api/traces?limit=7&{filters}")
    wanted = [row["key"] for row in ask.rows if holds(row) and ("min_tokens=50" not in filters or row["tokens"] >= 50)]
    assert [row["key"] for row in rows] == wanted
    assert total == len(wanted)
    assert all(row.keys() >= LIST for row in rows)


@pytest.mark.parametrize(
    ("sort", "value"),
    [
        ("plan", lambda row: 0),
        ("tokens", lambda row: row["tokens"]),
        ("-tokens", lambda row: -row["tokens"]),
        ("pass", lambda row: row["pass_rate"]),
    ],
)
def test_every_order_has_every_row_once(ask, sort, value):
    rows, _ = walked(ask, f"/api/traces?limit=7&sort={sort}")
    assert [row["key"] for row in rows] == [row["key"] for row in sorted(ask.rows, key=value)]


@pytest.mark.parametrize(
    "words", ["PEARS", "script>alert(1)", "channel of its", "How many are $3$", "set/7", "\u202eGNP"]
)
@pytest.mark.parametrize("hurried", [False, True])
def test_a_search_finds_words_wherever_they_stand(ask, words, hurried, monkeypatch):
    if hurried:
        monkeypatch.setattr(search, "SECONDS", 0.0)

    def has(row):
        whole = ask(f"/api/trace/{row['key']}")
        texts = (whole["reasoning"], whole["response"], whole["problem"]["statement"], row["problem_id"])
        return any(words.lower() in text.lower() for text in texts)

    wanted = [row["key"] for row in ask.rows if has(row)]
    rows, total = walked(ask, f"/api/traces?limit=7&q={quote(words)}")
    assert sorted(row["key"] for row in rows) == sorted(wanted)
    assert total == (None if hurried else len(wanted))
    if not hurried:
        assert [row["key"] for row in rows] == wanted
    if words in ("PEARS", "channel of its"):
        assert all(words.lower() in row["snippet"].lower() for row in rows)


def test_a_search_within_a_filter(ask):
    rows, total = walked(ask, "/api/traces?limit=7&q=hm&verdict=wrong&sort=-tokens")
    assert rows
    assert total == len(rows)
    assert {row["verdict"] for row in rows} == {"wrong"}
    assert [row["tokens"] for row in rows] == sorted((row["tokens"] for row in rows), reverse=True)


def test_a_trace_in_full(ask):
    for row in ask.rows:
        found = ask(f"/api/trace/{row['key']}")
        assert (found["status"], found["tokens"]) == (row["status"], row["tokens"])
        assert found["problem"]["statement"] == ask.made.problems[row["problem_id"]].statement
        assert found["prompt"] == [{"role": "user", "content": found["problem"]["statement"]}]
        assert [verdict["outcome"] for verdict in found["verdicts"]] == [row["verdict"]]
        if found["answer"]:
            start, end = found["answer"]["start"], found["answer"]["end"]
            assert (start, end, found["answer"]["text"]) == (0, 2, found["response"][:2])
    dropped = ask(f"/api/trace/{ask.rows[0]['key']}")
    assert dropped["drop"] == {"filter": "correct", "reason": "wrong", "detail": {"twin": ask.rows[2]["key"]}}
    assert any(EVIL in ask(f"/api/trace/{row['key']}")["reasoning"] for row in ask.rows)


def test_a_problem_with_its_traces(ask):
    name = "set/3 ä"
    found = ask(f"/api/problem/{quote(name, safe='')}")
    assert found["problem"]["answer"] == "3"
    assert [row["key"] for row in found["traces"]] == [row["key"] for row in ask.rows if row["problem_id"] == name]


def test_the_figures_above_the_list(ask):
    while not (found := ask("/api/run"))["index"]["whole"]:
        time.sleep(0.02)
    assert found["name"] == "seen"
    assert found["live"] is False
    assert "sk-abc" not in json.dumps(found)
    totals = found["totals"]
    assert totals["traces"] == len(ask.rows)
    assert (totals["kept"], totals["dropped"]) == (8, 2)
    assert totals["right"] == sum(row["verdict"] == "right" for row in ask.rows)
    assert sum(each["traces"] for each in found["teachers"]) == len(ask.rows)
    assert found["reasons"] == [
        {"filter": "correct", "reason": "wrong", "traces": 1},
        {"filter": "dedup", "reason": "exact", "traces": 1},
    ]
    assert found["index"] == {"rows": len(ask.rows), "all": True, "whole": True, "error": None}


PRICED = "name: seen\nteachers:\n  t: {model: m-t, engine: openai, prices: {input: 1.0, output: 100.0}}\n"


def test_what_it_cost_is_told_by_the_run_by_teacher_and_by_trace(made):
    (made.folder / "recipe.2.yaml").write_text(PRICED + "  u: {model: m-u, engine: openai}\n")
    with closing(Shelf(made.folder)) as shelf, TestClient(application(shelf)) as client:
        while not (run := client.get("/api/run").json())["index"]["whole"]:
            time.sleep(0.02)
        bill = evidence.spent(made.folder, {"t": Teacher(model="m-t", prices={"input": 1.0, "output": 100.0})})
        priced, free = run["teachers"]
        assert (priced["usd"], priced["requests"], priced["failed"]) == (
            pytest.approx(bill["t"].usd),
            bill["t"].requests,
            bill["t"].failed,
        )
        assert (free["usd"], free["output"]) == (None, bill["u"].output)
        assert run["cost"] == {
            "usd": pytest.approx(bill["t"].usd),
            "usd_per_right": None,
            "tokens": bill["t"].tokens + bill["u"].tokens,
            "no_price": ["u"],
        }
        for row in client.get("/api/traces?limit=200").json()["rows"]:
            trace = client.get(f"/api/trace/{row['key']}").json()
            own = row["tokens"] - (50 if trace["forced"] else 0)  # of one that was gone on with, the last request
            assert trace["usd"] == (pytest.approx((7 + 100 * own) / 1e6) if row["teacher"] == "t" else None)
            assert trace["continued"] is trace["forced"]


def test_a_request_that_is_paid_by_the_hour_has_no_price(made):
    (made.folder / "recipe.2.yaml").write_text(PRICED.replace("input: 1.0", "gpu_hour: 2.0"))
    assert money.of_trace(made.folder, {"teacher": "t", "prompt_tokens": 7, "completion_tokens": 9}) is None
    (made.folder / "recipe.2.yaml").write_text(PRICED)
    assert money.of_trace(made.folder, {"teacher": "t", "prompt_tokens": 0, "completion_tokens": 10}) == 0.001


def test_a_note_that_holds_no_number_is_shown_all_the_same(made):
    keys = [row["key"] for row in indexed(made.folder)[0]]
    made.curate({keys[0]: ("mine", "odd")}, keys[1:], {"similarity": math.nan, "of": [math.inf, 1.5]})
    indexed(made.folder)
    with closing(Shelf(made.folder)) as shelf, TestClient(application(shelf)) as client:
        found = client.get(f"/api/trace/{keys[0]}").json()
    assert found["drop"]["detail"] == {"similarity": None, "of": [None, 1.5]}


def test_a_ledger_that_is_packed_while_it_is_read_is_one_sentence(made, monkeypatch):
    indexed(made.folder)
    monkeypatch.setattr(Shelf, "_keep_up", lambda self: None)
    with closing(Shelf(made.folder)) as shelf, TestClient(application(shelf)) as client:
        key = client.get("/api/traces").json()["rows"][-1]["key"]
        for _ in compact(made.folder / "traces"):
            pass
        for address in ("/api/traces?q=apples", f"/api/trace/{key}"):
            answer = client.get(address)
            assert answer.status_code == 503
            assert "changed while they were read; ask again" in answer.json()["error"]
        assert client.get("/api/traces").status_code == 200


@pytest.mark.parametrize(
    ("address", "status", "sentence"),
    [
        ("/api/traces?verdict=maybe", 400, "verdict is 'maybe'; it takes right, wrong,"),
        ("/api/traces?colour=red", 400, "there is no filter 'colour'; there are after, kept,"),
        ("/api/traces?min_tokens=many", 400, "min_tokens is 'many'; it takes a number."),
        ("/api/traces?min_pass=nan", 400, "it takes a number"),
        ("/api/traces?limit=100000", 400, "limit is 100000; it goes from 1 to 200."),
        ("/api/traces?limit=0", 400, "it goes from 1 to 200"),
        ("/api/traces?after=WzEsMl0", 400, "after is no cursor of this list"),
        ("/api/traces?after=%00", 400, "after is no cursor"),
        ("/api/traces?after=WyJwbGFuIiwgIjEgT1IgMSIsIDBd", 400, "after is no cursor"),
        (f"/api/traces?q={'x' * 501}", 400, "q is longer than 500 characters."),
        ("/api/trace/nothing", 404, "there is no trace 'nothing' in this run."),
        ("/api/trace/..%2f..%2frecipe.yaml", 404, "there is no trace"),
        ("/api/problem/nothing", 404, "there is no problem 'nothing' in this run."),
        ("/api/elsewhere", 404, "there is no such page"),
    ],
)
def test_what_there_is_not_is_one_sentence(ask, address, status, sentence):
    assert sentence in ask(address, status)["error"]


def test_values_are_values_and_never_sql(ask):
    for value in ("'; DROP TABLE x; --", "' OR true --", "{traces}", "{problems}", "%", "_", "$words"):
        for name in ("teacher", "problem", "reason", "q"):
            assert ask(f"/api/traces?{name}={quote(value)}")["rows"] == []


def test_what_is_new_while_a_run_goes_on(ask, monkeypatch):
    answer = ask.client.get("/api/live")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.text == "event: rest\ndata: {}\n\n"
    (ask.made.folder / "status.json").write_text(json.dumps({"state": "running", "stage": "generate", "stages": {}}))
    with rundir.owned(ask.made.folder):
        assert live.goes_on(ask.made.folder)
        assert ask("/api/run")["live"] is True
    states = iter([True, True, False])
    monkeypatch.setattr(live, "goes_on", lambda run: next(states))
    *events, end = ask.client.get("/api/live").text.strip().split("\n\n")
    assert end == "event: rest\ndata: {}"
    assert len(events) == 2
    for event in events:
        found = json.loads(event.removeprefix("data: "))
        assert found["figures"]["stage"] == "generate"
        assert found["totals"]["traces"] == len(ask.rows)
        assert 0 < len(found["latest"]) <= live.LATEST
        verdicts = {row["key"]: row["verdict"] for row in ask.rows}
        assert all(row["verdict"] == verdicts[row["key"]] for row in found["latest"])
