"""The held-out problems that come with tracegen, disjoint from `data/quickstart.jsonl`."""

from collections.abc import Iterator

from tracegen import rows
from tracegen.records import Problem


def heldout(*, path: str = "data/heldout.jsonl", limit: int | None = None) -> Iterator[Problem]:
    """Held-out problems of the quickstart: arithmetic, word problems, equations."""
    return rows.jsonl(path, limit)
