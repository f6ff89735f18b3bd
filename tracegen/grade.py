"""Judges answers that come from elsewhere: JSON lines `{"gold": ..., "pred": ...}` in, the same rows with verdicts out.

For `code` a row is `{"program", "tests", "entry_point"?}`, for `stdio` `{"program", "cases", "compare"?}`. `pred` and
`program` may be bare or a whole response, thinking included. Every other key of a row is kept, and reaches the verifier
as the problem's `extra`, or as its `statement`. A line that cannot be judged becomes `{"line": n, "error": ...}` (n
counts from 1) and stops nothing; blank lines are skipped. Rows come out in the order in which they went in, a bounded
window ahead.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from tracegen.format import split
from tracegen.records import Problem, Trace, UsageError, Verdict
from tracegen.rundir import owned
from tracegen.verifiers.stdio import known
from tracegen.verify import Judge, decide, in_order

ASKED = Path("asked")
"""Where the answers of a model that a verifier asks are kept, so that the same lines cost nothing a second time."""


def grade(
    lines: Iterable[str],
    *,
    verifier: str = "math",
    workers: int = 2,
    options: Mapping[str, Any] | None = None,
    timeout: float = 10.0,
) -> Iterator[dict[str, Any]]:
    """The rows with `outcome`, `answer`, `reason`, `place` ...; UsageError for a bad verifier or option.

    A verifier that asks a model holds ASKED while it does: a second process is refused.
    """
    judge = Judge({verifier: options or {}}, workers=workers, timeout=timeout, asked=ASKED)
    with owned(ASKED) if judge.asks else nullcontext(), judge:
        for row, verdicts in in_order(_submitted(judge, lines, verifier)):
            yield row | _findings(decide(verdicts))


def _submitted(
    judge: Judge, lines: Iterable[str], verifier: str
) -> Iterator[tuple[dict[str, Any], Future[list[Verdict]]]]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = _row(line)
            case = _CASES.get(verifier, _answered)(str(number), row)
        except (ValueError, UsageError) as error:
            nothing: Future[list[Verdict]] = Future()
            nothing.set_result([])
            yield {"line": number, "error": str(error)}, nothing
        else:
            yield row, judge.submit(*case)


def _row(line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not JSON: {error}") from error
    if not isinstance(row, dict):
        raise ValueError(f"a row is a JSON object, this is {type(row).__name__}")
    if _deeper(row, NESTED):
        raise ValueError(f"the row is nested more than {NESTED} deep")
    return row


NESTED = 100
"""Lists and objects inside each other; some thousand are too many for what carries a row to another process."""


def _deeper(row: Any, most: int) -> bool:
    level = [row]
    for _ in range(most + 1):
        level = [
            inner
            for value in level
            for inner in (value.values() if isinstance(value, dict) else value)
            if isinstance(inner, dict | list)
        ]
    return bool(level)


def _answered(key: str, row: Mapping[str, Any]) -> tuple[Problem, Trace]:
    """An answer beside the gold one."""
    _need(row, "gold", "pred")
    if isinstance(row["gold"], bool) or not isinstance(row["gold"], str | int | float | None):
        raise ValueError(f"'gold' must be text, a number or null, this is {type(row['gold']).__name__}")
    gold = None if row["gold"] is None else str(row["gold"])
    statement = row.get("statement")
    problem = Problem(
        key, statement if isinstance(statement, str) else "", answer=gold, extra=_rest(row, "gold", "pred")
    )
    return problem, _trace(key, _text(row, "pred"))


def _asserted(key: str, row: Mapping[str, Any]) -> tuple[Problem, Trace]:
    """A program beside its assertions."""
    _need(row, "program", "tests")
    entry_point = None if row.get("entry_point") is None else _text(row, "entry_point")
    extra = _rest(row, "program", "tests", "entry_point")
    return Problem(key, "", tests=row["tests"], entry_point=entry_point, extra=extra), _trace(
        key, _text(row, "program")
    )


def _fed(key: str, row: Mapping[str, Any]) -> tuple[Problem, Trace]:
    """A program beside what it reads and prints."""
    _need(row, "program", "cases")
    conventions = {} if row.get("compare") is None else {"compare": _text(row, "compare")}
    for compare in conventions.values():
        known(compare)
    extra = _rest(row, "program", "cases", "compare")
    problem = Problem(key, "", tests=row["cases"], conventions=conventions, extra=extra)
    return problem, _trace(key, _text(row, "program"))


_CASES = {"code": _asserted, "stdio": _fed}
"""What the rows of a verifier hold, where that is not an answer and its gold."""


def _need(row: Mapping[str, Any], *names: str) -> None:
    if missing := [name for name in names if name not in row]:
        raise ValueError(f"the row has no {missing[0]!r}; it needs {' and '.join(map(repr, names))}")


def _text(row: Mapping[str, Any], name: str) -> str:
    if not isinstance(row[name], str):
        raise ValueError(f"{name!r} must be text, this is {type(row[name]).__name__}")
    return str(row[name])


def _rest(row: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in names}


def _trace(key: str, text: str) -> Trace:
    parts = split(text)
    # A program that only continues a signature begins with its indentation.
    response = parts.response if parts.reasoning or parts.response != text.strip() else text
    return Trace(key, key, "", 0, (), parts.reasoning, response, parts.status, "stop", 0)


def _findings(verdict: Verdict | None) -> dict[str, Any]:
    if verdict is None:
        return {}
    names = ("outcome", "answer", "reason", "place", *(("detail",) if verdict.detail else ()), "verifier", "seconds")
    return {name: getattr(verdict, name) for name in names}
