"""Held-out problems from a file of JSON lines, in the format of the source of the same name."""

from collections.abc import Iterator

from tracegen import rows
from tracegen.records import Problem


def jsonl(*, path: str, limit: int | None = None) -> Iterator[Problem]:
    """Held-out problems from a file of JSON lines of your own."""
    return rows.jsonl(path, limit)
