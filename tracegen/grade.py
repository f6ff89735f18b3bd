"""Judges answers that come from elsewhere: JSON lines `{"gold": ..., "pred": ...}` in, the same rows with verdicts out.

`pred` may be a bare answer or a whole response, thinking included. Every other key of a row is kept, and reaches the
verifier as the problem's `extra`. A line that cannot be judged becomes `{"line": n, "error": ...}` (n counts from 1)
and stops nothing; blank lines are skipped. Rows come out in the order in which they went in, a bounded window ahead.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future
from typing import Any

from tracegen.format import split
from tracegen.records import Problem, Trace, Verdict
from tracegen.verify import Judge, decide, in_order


def grade(
    lines: Iterable[str],
    *,
    verifier: str = "math",
    workers: int = 2,
    options: Mapping[str, Any] | None = None,
    timeout: float = 10.0,
) -> Iterator[dict[str, Any]]:
    """The rows with `outcome`, `answer`, `reason`, `place` ...; UsageError for a bad verifier or option."""
    with Judge({verifier: options or {}}, workers=workers, timeout=timeout) as judge:
        for row, verdicts in in_order(_submitted(judge, lines)):
            yield row | _findings(decide(verdicts))


def _submitted(judge: Judge, lines: Iterable[str]) -> Iterator[tuple[dict[str, Any], Future[list[Verdict]]]]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = _row(line)
        except ValueError as error:
            nothing: Future[list[Verdict]] = Future()
            nothing.set_result([])
            yield {"line": number, "error": str(error)}, nothing
        else:
            yield row, judge.submit(*_case(number, row))


def _row(line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not JSON: {error}") from error
    if not isinstance(row, dict):
        raise ValueError(f"a row is a JSON object, this is {type(row).__name__}")
    if missing := [key for key in ("gold", "pred") if key not in row]:
        raise ValueError(f"the row has no {missing[0]!r}; it needs 'gold' and 'pred'")
    if not isinstance(row["pred"], str):
        raise ValueError(f"'pred' must be text, this is {type(row['pred']).__name__}")
    if isinstance(row["gold"], bool) or not isinstance(row["gold"], str | int | float | None):
        raise ValueError(f"'gold' must be text, a number or null, this is {type(row['gold']).__name__}")
    return row


def _case(number: int, row: Mapping[str, Any]) -> tuple[Problem, Trace]:
    key = str(number)
    parts = split(row["pred"])
    gold = None if row["gold"] is None else str(row["gold"])
    extra = {name: value for name, value in row.items() if name not in ("gold", "pred")}
    trace = Trace(key, key, "", 0, (), parts.reasoning, parts.response, parts.status, "stop", 0)
    return Problem(key, "", answer=gold, extra=extra), trace


def _findings(verdict: Verdict | None) -> dict[str, Any]:
    if verdict is None:
        return {}
    return {name: getattr(verdict, name) for name in ("outcome", "answer", "reason", "place", "verifier", "seconds")}
