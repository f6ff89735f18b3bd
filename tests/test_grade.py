"""JSON lines in, the same rows with a verdict out."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from fake_server import FakeServer

from tracegen.grade import ASKED, grade
from tracegen.records import UsageError
from tracegen.rundir import owned


def test_rows_keep_their_order_and_bad_lines_stop_nothing() -> None:
    lines = [
        json.dumps({"id": 7, "gold": "42", "pred": r"<think>\boxed{1}</think> so \boxed{42}"}),
        "not json",
        "",
        json.dumps({"gold": 42, "pred": r"\boxed{43}"}),
        json.dumps(["gold", "pred"]),
        json.dumps({"pred": "1"}),
        json.dumps({"gold": "1", "pred": 1}),
        json.dumps({"gold": {"a": 1}, "pred": "1"}),
        json.dumps({"gold": None, "pred": "1"}),
        json.dumps({"gold": "1", "pred": r"<think>\boxed{1}</think> I do not know what to say about that."}),
    ]
    rows = list(grade(lines, verifier="math", workers=1))
    assert [row.get("outcome", row.get("line")) for row in rows] == [
        "right",
        2,
        "wrong",
        5,
        6,
        7,
        8,
        "unverifiable",
        "wrong",
    ]
    seconds = rows[0].pop("seconds")
    assert rows[0] == {
        **json.loads(lines[0]),
        **{"outcome": "right", "answer": "42", "reason": "equal", "place": "box", "verifier": "math"},
    }
    assert 0 < seconds < 10
    assert [row["reason"] for row in rows if "reason" in row] == ["equal", "different", "no_gold", "no_answer"]
    assert "not JSON" in rows[1]["error"]
    assert "no 'gold'" in rows[4]["error"]


def test_options_reach_the_verifier() -> None:
    line = json.dumps({"gold": "A", "pred": "a"})
    assert next(grade([line], verifier="exact", workers=1))["outcome"] == "right"
    assert next(grade([line], verifier="exact", workers=1, options={"ignore_case": False}))["outcome"] == "wrong"


def test_an_unknown_verifier_is_the_users_mistake() -> None:
    with pytest.raises(UsageError, match="no verifier 'maths'"):
        next(grade(["{}"], verifier="maths"))


def test_programs_are_graded_with_their_tests() -> None:
    check = "def check(candidate):\n    assert candidate(2) == 4"
    fenced = "<think>\n```python\ndef f(x): return 0\n```\n</think>\nSo:\n```python\ndef f(x): return x * x\n```"
    rows = [
        {"id": 1, "program": "def f(x): return x * x", "tests": "assert f(2) == 4\nassert f(3) == 9"},
        {"program": fenced, "tests": check, "entry_point": "f"},
        {"program": "    return x * x", "tests": check, "entry_point": "f", "prompt": "def f(x):\n    'Squared.'\n"},
        {"program": "def f(x): return x", "tests": ["assert f(1) == 1", "assert f(2) == 4"], "entry_point": None},
        {"program": "def f(x): return x", "tests": []},
        {"program": "def f(x): return x"},
        {"program": 5, "tests": "assert f(1) == 1"},
        {"program": "def f(x): return x", "tests": "assert f(1) == 1", "entry_point": 5},
    ]
    found = list(grade([json.dumps(row) for row in rows], verifier="code", workers=1))
    outcomes = [row.get("outcome", row.get("line")) for row in found]
    assert outcomes == ["right", "right", "right", "wrong", "unverifiable", 6, 7, 8]
    assert found[0]["id"] == 1
    assert found[0]["answer"] == rows[0]["program"]
    assert "detail" not in found[0]
    assert found[3]["detail"].startswith("assert f(2) == 4")
    assert "no 'tests'; it needs 'program' and 'tests'" in found[5]["error"]


def test_programs_are_graded_by_what_they_print() -> None:
    program, cases = "print(1 / int(input()))", [{"stdin": "3", "stdout": "0.333333333"}]
    rows = [
        {"program": program, "cases": cases, "compare": "float"},
        {"program": program, "cases": cases},
        {"program": program, "cases": [{"stdin": "2", "stdout": " 0.5"}], "compare": "whitespace"},
        {"program": program, "cases": [{"stdin": "2", "stdout": " 0.5"}], "compare": "exact"},
        {"program": program, "cases": cases, "compare": "nearly"},
        {"program": program, "cases": [{"stdin": "0", "stdout": "0"}]},
        {"program": program, "cases": "0"},
    ]
    found = list(grade([json.dumps(row) for row in rows], verifier="stdio", workers=1))
    outcomes = [row.get("outcome", row.get("line")) for row in found]
    assert outcomes == ["right", "wrong", "right", "wrong", 5, "wrong", "unverifiable"]
    assert "compare is 'nearly'" in found[4]["error"]
    assert (found[5]["reason"], found[6]["reason"]) == ("exception", "bad_tests")


def test_two_that_ask_a_model_do_not_write_the_same_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    line = json.dumps({"statement": "Lemma?", "gold": "Clear.", "pred": "Clear."})

    def reply(body: dict[str, Any]) -> dict[str, Any]:
        mark = re.findall(r"VERDICT (\w+): RIGHT", body["messages"][-1]["content"])[-1]
        return {"text": f"Yes.\nVERDICT {mark}: RIGHT"}

    with FakeServer(reply) as server:
        options = {"engine": "openai", "model": "fake", "options": {"base_url": server.base_url}}
        with owned(ASKED):
            with pytest.raises(UsageError, match="asked is in use by process"):
                next(grade([line], verifier="judge", options=options, workers=1))
            assert next(grade([line], verifier="exact", workers=1))["outcome"] == "right"
        (row,) = grade([line], verifier="judge", options=options, workers=1)
        assert row["outcome"] == "right"
        assert len(server.requests()) == 2
