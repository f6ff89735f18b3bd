"""AIME 2025: the 30 problems of the American Invitational Mathematics Examination I and II of 2025 (MAA).

Read from the Hub's `math-ai/aime25` or from `<benchmarks_dir>/aime25/test*.jsonl`.
Thirty problems want many samples: `aime25: {n: 16}`.
"""

from collections.abc import Iterator

from tracegen.benchmarks._contests import contest
from tracegen.records import Problem


def aime25(*, limit: int | None = None, benchmarks_dir: str | None = None) -> Iterator[Problem]:
    """The 30 problems of AIME 2025, whose answers are integers from 0 to 999."""
    return contest("aime25", "math-ai/aime25", "test", limit, benchmarks_dir)
