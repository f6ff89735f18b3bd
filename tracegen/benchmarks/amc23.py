"""AMC 2023: 40 problems of the American Mathematics Competition 12 of 2023 (MAA), those whose answer is an integer.

Read from the Hub's `math-ai/amc23` or from `<benchmarks_dir>/amc23/test*.jsonl`.
They are asked without their five choices.
"""

from collections.abc import Iterator

from tracegen.benchmarks._contests import contest
from tracegen.records import Problem


def amc23(*, limit: int | None = None, benchmarks_dir: str | None = None) -> Iterator[Problem]:
    """40 problems of AMC 12 of 2023, asked without choices."""
    return contest("amc23", "math-ai/amc23", "test", limit, benchmarks_dir)
