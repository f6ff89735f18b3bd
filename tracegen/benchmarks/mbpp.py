"""MBPP, sanitized: 427 basic Python functions with three assertions each (Austin et al. 2021, arXiv:2108.07732),
CC BY 4.0.

From the Hub's `google-research-datasets/mbpp` (its part `sanitized`), or from `<benchmarks_dir>/mbpp_sanitized/*.jsonl`
with the same fields. As the paper does, the statement shows the assertions, which alone name the function.
The paper's splits go by the number of the task: `test` is 11 to 510, `train` 601 to 974.
"""

from collections.abc import Iterator
from typing import Literal

from tracegen import rows
from tracegen.records import Problem, UsageError

PROMPT = "code"
SPLITS = {
    "all": range(1, 1000),
    "prompt": range(1, 11),
    "test": range(11, 511),
    "validation": range(511, 601),
    "train": range(601, 975),
}


def mbpp(
    *,
    split: Literal["all", "prompt", "test", "validation", "train"] = "all",
    limit: int | None = None,
    benchmarks_dir: str | None = None,
) -> Iterator[Problem]:
    """Basic Python functions from a sentence and three assertions."""
    repo, splits = "google-research-datasets/mbpp", "prompt+test+validation+train"
    table = rows.benchmark("mbpp_sanitized/*.jsonl", repo, "sanitized", splits, benchmarks_dir)
    wanted = ((where, row) for where, row in table if int(rows.require(row, "task_id", where)) in SPLITS[split])
    for where, row in rows.first(wanted, limit):
        asserts, imports = row.get("test_list"), row.get("test_imports") or []
        if not isinstance(asserts, list) or not asserts:
            raise UsageError(f"{where}: `test_list` must be a list of assertions, not {rows.kind(asserts)}.")
        shown = "\n".join(asserts)
        yield Problem(
            id=f"mbpp-{row['task_id']}",
            statement=f"{rows.require(row, 'prompt', where).strip()}\n\n"
            f"It must pass these tests:\n\n```python\n{shown}\n```",
            answer=rows.require(row, "code", where),
            verifier="code",
            tests=[*imports, *asserts],
            source=repo,
            domain="code",
            licence="cc-by-4.0",
        )
