"""Problems from a table of the Hugging Face Hub, or from a local folder that `datasets` can read.

The columns that hold statement, answer and id are named by the recipe; other columns are left out, since some tables
carry whole model outputs in them.
"""

from collections.abc import Iterator

from tracegen import rows
from tracegen.records import Problem, UsageError


def hub(
    *,
    path: str,
    name: str | None = None,
    split: str = "train",
    revision: str | None = None,
    statement: str = "problem",
    answer: str | None = "answer",
    id: str | None = None,
    verifier: str | None = None,
    domain: str | None = None,
    licence: str | None = None,
    limit: int | None = None,
) -> Iterator[Problem]:
    """Problems from a table of the Hub, by the names of its columns.

    `statement`, `answer` and `id` are columns; without `id`, it is the row's number (`<path>-<split>-<row>`). A row
    without an answer is a problem without one. `verifier`, `domain` and `licence` hold for every row.
    Raises UsageError for a table or column that is not there, TracegenError where the Hub cannot be reached.
    """
    seen: set[str] = set()
    for number, (where, row) in enumerate(rows.first(rows.hub(path, name, split, revision=revision), limit)):
        key = rows.require(row, id, where) if id else f"{path}-{split}-{number}"
        if key in seen:
            raise UsageError(f"{where} has the same id {key!r} as an earlier row; leave `id` out to number the rows.")
        seen.add(key)
        yield Problem(
            id=key,
            statement=rows.require(row, statement, where),
            answer=rows.optional(row, answer, where) if answer else None,
            verifier=verifier,
            source=path,
            domain=domain,
            licence=licence,
        )
