"""Which of a key's rows counts: a failure < an answer cut off < one forced to its end < one that came to its own end.

Between two of the same rank the later one counts.
"""

from enum import IntEnum
from typing import Any

Row = dict[str, Any]
IMPORTED = "imported"
"""The `engine` of a row that another program has paid for."""
MEND = "`tracegen ledger verify RUN --repair` puts the damage aside, and the next launch asks again for what is lost."


class Rank(IntEnum):
    FAILED = 0
    TRUNCATED = 1
    FORCED = 2
    """The thinking was closed by force when its tokens were used up; the answer may be cut off all the same."""
    FINISHED = 3


RANKED_BY = ("key", "error", "finish_reason", "forced", "max_tokens", "prefix_tokens", "completion_tokens")
"""The fields that this module looks at."""


def rank(row: Row) -> Rank:
    if row.get("error") is not None:
        return Rank.FAILED
    if row.get("forced"):
        return Rank.FORCED
    return Rank.TRUNCATED if row.get("finish_reason") == "length" else Rank.FINISHED


def finished(row: Row) -> bool:
    """Whether the model came to its own end: no failure, not cut off, not forced."""
    return rank(row) is Rank.FINISHED


def length(row: Row) -> int:
    """Completion tokens of the whole text, those of earlier requests included."""
    return (row.get("prefix_tokens") or 0) + (row.get("completion_tokens") or 0)
