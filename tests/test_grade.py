"""JSON lines in, the same rows with a verdict out."""

import json

import pytest

from tracegen.grade import grade
from tracegen.records import UsageError


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
