"""OlympiadBench: 674 open-ended problems of mathematical olympiads, in English and without figures (He et al. 2024,
arXiv:2402.14008), Apache-2.0.

From the Hub's `Hothan/OlympiadBench` (its part `OE_TO_maths_en_COMP`), or from
`<benchmarks_dir>/olympiadbench/test*.jsonl` with the same fields.
Conventions: `final_answer` may name several values, whose order does not count; `error` is the absolute error that the
authors allow, declared here as a tolerance relative to the answer; `unit` belongs to the answer, so that another unit
is wrong and none is right.
"""

from collections.abc import Iterator, Mapping
from math import isfinite
from typing import Any

from tracegen import rows
from tracegen.records import Problem, UsageError


def olympiadbench(*, limit: int | None = None, benchmarks_dir: str | None = None) -> Iterator[Problem]:
    """Olympiad mathematics: the open-ended English problems of OlympiadBench that need no figure."""
    table = rows.benchmark(
        "olympiadbench/test*.jsonl", "Hothan/OlympiadBench", "OE_TO_maths_en_COMP", "train", benchmarks_dir
    )
    for where, row in rows.first(table, limit):
        answer = _answer(row, where)
        context = rows.text_of(row, "context", where)
        statement = rows.require(row, "question", where)
        yield Problem(
            id=f"olympiadbench-{rows.require(row, 'id', where)}",
            statement=f"{context.strip()}\n\n{statement}" if context and context.strip() else statement,
            answer=answer,
            verifier="math",
            conventions=_tolerance(row, answer),
            source="Hothan/OlympiadBench",
            domain="math",
            licence="apache-2.0",
            extra={name: row[name] for name in ("subfield", "answer_type") if row.get(name)},
        )


def _answer(row: Mapping[str, Any], where: str) -> str:
    """The values of `final_answer`, with their unit where there is one value."""
    values = row.get("final_answer")
    if not isinstance(values, list) or not values or not all(isinstance(value, str) and value for value in values):
        raise UsageError(f"{where}: `final_answer` must be a list of texts, not {rows.kind(values)}.")
    answer = ", ".join(values)
    unit = rows.text_of(row, "unit", where)
    return answer if not unit or row.get("is_multiple_answer") else _with_unit(answer, unit.strip())


def _with_unit(answer: str, unit: str) -> str:
    value = answer.strip().removeprefix("$").removesuffix("$")
    return f"${value}{unit}$" if unit.startswith(("^", "\\")) else f"${value}$ {unit.strip('$')}"


def _tolerance(row: Mapping[str, Any], answer: str) -> dict[str, float]:
    """The allowed error over the answer; nothing where either is no plain number."""
    try:
        tolerance = float(row.get("error") or "") / abs(float(answer.strip("$ ")))
    except (ValueError, ZeroDivisionError):
        return {}
    return {"tolerance": tolerance} if isfinite(tolerance) else {}
