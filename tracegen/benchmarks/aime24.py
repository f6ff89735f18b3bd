"""AIME 2024: the 30 problems of the American Invitational Mathematics Examination I and II of 2024 (MAA).

Read from the Hub's `HuggingFaceH4/aime_2024` or from `<benchmarks_dir>/aime24/test*.jsonl`.
Thirty problems want many samples: `aime24: {n: 16}`.
"""

from collections.abc import Iterator

from tracegen.benchmarks._contests import contest
from tracegen.records import Problem


def aime24(*, limit: int | None = None, benchmarks_dir: str | None = None) -> Iterator[Problem]:
    """The 30 problems of AIME 2024, whose answers are integers from 0 to 999."""
    return contest("aime24", "HuggingFaceH4/aime_2024", "train", limit, benchmarks_dir)
