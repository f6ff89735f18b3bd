"""Equal after normalization: the first is kept."""

from tracegen.filters.dedup import dedup
from tracegen.records import Problem, Trace

PROBLEMS = {
    "a": Problem("a", "What is 3 + 4?"),
    "b": Problem("b", "what is  3 + 4?"),
    "c": Problem("c", "What is 3 - 4?"),
}


def reasons(*rows: tuple[str, str, str]) -> list[str | None]:
    traces = [Trace(str(n), *row[:1], "t", n, (), *row[1:], "complete", "stop", 9) for n, row in enumerate(rows)]
    return [reason for _, reason in dedup(traces, problems=PROBLEMS)]


def test_case_white_space_and_compatibility_forms() -> None:
    rows = ("a", "Add them", "7"), ("a", "add\n  them ", "７"), ("b", "ADD THEM", "7"), ("a", "Add them", "8")
    assert reasons(*rows) == [None, "duplicate", "duplicate", None]


def test_another_statement_is_another_trace() -> None:
    assert reasons(("a", "x", "7"), ("c", "x", "7")) == [None, None]


def test_the_border_between_reasoning_and_response_counts() -> None:
    assert reasons(("a", "x y", "z"), ("a", "x", "y z")) == [None, None]
