"""HumanEval: 164 Python functions to complete (Chen et al. 2021, arXiv:2107.03374), MIT.

From the Hub's `openai/openai_humaneval`, or from `<benchmarks_dir>/humaneval/*.jsonl` with the same fields. The tests
are the source of `check(candidate)`. The answer is the prompt with its canonical solution; the prompt itself stands in
`extra`, for programs that only continue it.
"""

from collections.abc import Iterator

from tracegen import rows
from tracegen.records import Problem

PROMPT = "code"


def humaneval(*, limit: int | None = None, benchmarks_dir: str | None = None) -> Iterator[Problem]:
    """Python functions from their signature and docstring."""
    table = rows.benchmark("humaneval/*.jsonl", "openai/openai_humaneval", None, "test", benchmarks_dir)
    for where, row in rows.first(table, limit):
        prompt = rows.require(row, "prompt", where)
        yield Problem(
            id=rows.require(row, "task_id", where),
            statement=f"Complete this Python function:\n\n```python\n{prompt.strip()}\n```",
            answer=prompt + rows.require(row, "canonical_solution", where),
            verifier="code",
            tests=rows.require(row, "test", where),
            entry_point=rows.require(row, "entry_point", where),
            source="openai/openai_humaneval",
            domain="code",
            licence="mit",
            extra={"prompt": prompt},
        )
