"""Answers that are JSON values."""

import sys

import pytest

from tracegen.records import MissingExtra, Problem, Trace
from tracegen.verifiers import json as module
from tracegen.verifiers.json import json

GOLD = '{"name": "Ada", "born": 1815, "tags": ["x", "y"]}'
SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "born": {"type": "integer", "minimum": 1800}},
    "required": ["name"],
    "additionalProperties": False,
}


def judged(response: str, gold: str | None = GOLD, schema: object = None, **options: bool) -> tuple[str, str]:
    extra = {} if schema is None else {"schema": schema}
    verdict = json(Problem("p", "?", answer=gold, extra=extra), response, **options)
    return verdict.outcome, verdict.reason


@pytest.mark.parametrize(
    "response",
    [
        GOLD,
        '{"tags":["x","y"],"born":1815.0,"name":"\\u0041da"}',
        '{"tags":["x","y"],"born":1.815e3,"name":"Ada"}',
        f"Here it is:\n```json\n{GOLD}\n```\nDone.",
        f'```json\n{{"name": "Bob"}}\n```\nNo:\n~~~\n{GOLD}\n~~~',
        f"```python\nprint(1)\n```\n\n<answer>{GOLD}</answer>",
        f"<answer>{GOLD}</answer>",
    ],
)
def test_the_same_value_in_other_words(response: str) -> None:
    assert judged(response) == ("right", "equal")


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        ('{"name": "Ada", "born": 1816, "tags": ["x", "y"]}', "different"),
        ('{"name": "Ada", "born": "1815", "tags": ["x", "y"]}', "different"),
        ('{"name": "Ada", "born": 1815, "tags": ["y", "x"]}', "different"),
        ('{"name": "Ada", "born": 1815}', "different"),
        ('{"name": "Ada", "born": 1815, "tags": ["x", "y"], "more": null}', "different"),
        (GOLD[:-1], "not_json"),
        ('{"name": "Ada", "name": "Ada", "born": 1815, "tags": ["x", "y"]}', "not_json"),
        ('{"born": NaN}', "not_json"),
        (f"My answer is {GOLD}", "not_json"),
        ("[" * 100_000, "not_json"),
        ("1e" + "9" * 30, "not_json"),
        ("9" * 5_000, "not_json"),
        ("[" * 700 + "]" * 700, "different"),
        (f'"{"x" * 1_000_001}"', "too_long"),
        ("", "no_answer"),
        ("```json\n```", "no_answer"),
    ],
)
def test_another_value_or_none(response: str, reason: str) -> None:
    outcome, why = judged(response)
    assert outcome == "wrong"
    assert why == reason or (reason == "different" and response.startswith("[[") and why == "not_json")


@pytest.mark.parametrize(
    ("gold", "response", "outcome"),
    [
        ("1", "1.0", "right"),
        ("1", "true", "wrong"),
        ("0", "-0.0", "right"),
        ("100", "1e2", "right"),
        ("0.1", "0.1000000000000000000000000000000001", "wrong"),
        ("1e400", "10e399", "right"),
        ("null", "false", "wrong"),
        ('"é"', '"e\\u0301"', "wrong"),
        ("1e999999999", "7", "wrong"),
    ],
)
def test_numbers_are_equal_by_value(gold: str, response: str, outcome: str) -> None:
    assert judged(response, gold)[0] == outcome


def test_lists_may_be_read_without_order() -> None:
    assert judged('[{"b": [2, 1]}, 3.0]', '[3, {"b": [1, 2]}]', ordered=False) == ("right", "equal")
    assert judged("[1, 1, 2]", "[1, 2, 2]", ordered=False) == ("wrong", "different")


@pytest.mark.parametrize(
    ("response", "outcome", "reason"),
    [
        ('{"name": "Ada", "born": 1815}', "right", "valid"),
        ('{"name": "Ada"}', "right", "valid"),
        ('{"born": 1815}', "wrong", "invalid"),
        ('{"name": "Ada", "born": 1700}', "wrong", "invalid"),
        ('{"name": 7}', "wrong", "invalid"),
        ("{name: 7}", "wrong", "not_json"),
    ],
)
def test_a_schema_alone_is_a_rule(response: str, outcome: str, reason: str) -> None:
    pytest.importorskip("jsonschema")
    assert judged(response, None, SCHEMA) == (outcome, reason)


def test_a_schema_and_a_gold_must_both_hold() -> None:
    pytest.importorskip("jsonschema")
    assert judged('{"name": "Ada"}', '{"name": "Ada"}', SCHEMA) == ("right", "equal")
    assert judged('{"name": "Bob"}', '{"name": "Ada"}', SCHEMA) == ("wrong", "different")
    assert judged('{"name": "Ada", "x": 1}', '{"name": "Ada", "x": 1}', SCHEMA) == ("wrong", "invalid")


def test_what_is_wrong_with_the_value_is_said() -> None:
    pytest.importorskip("jsonschema")
    verdict = json(Problem("p", "?", extra={"schema": SCHEMA}), '{"name": "Ada", "born": 1700}')
    assert verdict.detail == "$.born: 1700 is less than the minimum of 1800"
    by_option = json(Problem("p", "?"), '{"name": 7}', schema=SCHEMA)
    assert by_option.detail == "$.name: 7 is not of type 'string'"


@pytest.mark.parametrize(
    ("gold", "schema", "reason"),
    [
        (None, None, "no_gold"),
        ("Ada", None, "bad_gold"),
        ("{", None, "bad_gold"),
        (None, {"type": "objekt"}, "bad_schema"),
        (None, "{", "bad_schema"),
    ],
)
def test_golds_that_cannot_be_used(gold: str | None, schema: object, reason: str) -> None:
    pytest.importorskip("jsonschema")
    assert judged("{}", gold, schema) == ("unverifiable", reason)


def test_references_are_not_fetched() -> None:
    pytest.importorskip("jsonschema")
    assert judged("{}", None, {"$ref": "http://127.0.0.1:9/schema.json"}) == ("unverifiable", "bad_schema")


def test_a_truncated_trace_has_no_answer() -> None:
    cut = Trace("k", "p", "t", 0, (), "", GOLD, "truncated", "length", 9)
    assert json(Problem("p", "?", answer=GOLD), GOLD, trace=cut).reason == "truncated"


def test_without_jsonschema_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jsonschema", None)
    module._validator.cache_clear()
    with pytest.raises(MissingExtra, match=r"tracegen\[json\]"):
        judged("{}", None, SCHEMA)
    assert judged("1", "1") == ("right", "equal")
