"""Minerva's OCWCourses: 272 problems of MIT's open courses in science (Lewkowycz et al. 2022, arXiv:2206.14858).

From the Hub's `math-ai/minervamath` (fields `question`, `answer`), or from `<benchmarks_dir>/minerva_math/test*.jsonl`
(fields `problem`, `solution`: the answer stands in the last box of the solution).
Conventions: the answers are measured values, rounded to two or three digits, so numbers may differ by 1 %, which is the
threshold of the paper's own comparison, and their units and per cent signs stand outside the box and do not count.
The courses' texts are CC BY-NC-SA 4.0.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tracegen import rows
from tracegen.records import Problem, UsageError

TOLERANCE = 0.01


def minerva_math(*, limit: int | None = None, benchmarks_dir: str | None = None) -> Iterator[Problem]:
    """University science: 272 problems of MIT's open courses, numbers within 1 %."""
    table = rows.benchmark("minerva_math/test*.jsonl", "math-ai/minervamath", None, "test", benchmarks_dir)
    for number, (where, row) in enumerate(rows.first(table, limit)):
        yield Problem(
            id=f"minerva-{row.get('idx', number)}",
            statement=rows.either(row, ("problem", "question"), where),
            answer=_answer(row, where),
            verifier="math",
            conventions={"tolerance": TOLERANCE, "percent": "ignore"},
            source="math-ai/minervamath",
            domain="science",
            licence="cc-by-nc-sa-4.0",
            extra={"course": row["type"]} if "type" in row else {},
        )


def _answer(row: Mapping[str, Any], where: str) -> str:
    if "answer" in row:
        return rows.require(row, "answer", where)
    if (answer := last_box(rows.require(row, "solution", where))) is None:
        raise UsageError(f"{where}: `solution` has no complete \\boxed{{...}}.")
    return answer


def last_box(text: str) -> str | None:
    """What stands in the last complete `\\boxed{...}`, braces balanced."""
    found, opened = None, list(re.finditer(r"\\boxed\s*\{", text))
    while opened and found is None:
        start, depth = opened.pop().end(), 1
        for mark in re.finditer(r"\\.|[{}]", text[start:], re.DOTALL):
            depth += {"{": 1, "}": -1}.get(mark[0], 0)
            if not depth:
                found = text[start : start + mark.start()].strip()
                break
    return found
