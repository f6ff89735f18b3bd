"""Problems from a file of JSON lines.

A line is `{"id", "statement", "answer", "verifier"?, "tests"?, "entry_point"?, "source"?, "domain"?, "licence"?}`; only
`statement` is needed. Every other key goes to the problem's `extra`. Without an `id`, the statement's hash is the id.
"""

from collections.abc import Iterator

from tracegen import rows
from tracegen.records import Problem


def jsonl(*, path: str, limit: int | None = None) -> Iterator[Problem]:
    """Problems from a file of JSON lines.

    `path` is looked for from the working directory, then among the files that come with tracegen (`data/...`).
    Raises UsageError with file and line for a line that is no problem, for an id that stands twice, for an empty file.
    """
    return rows.jsonl(path, limit)
