"""The status decides, and is the reason."""

import pytest

from tracegen.filters.wellformed import wellformed
from tracegen.records import Trace, UsageError

STATUSES = ("complete", "truncated", "no_reasoning", "malformed")
TRACES = [Trace(s, "p", "t", 0, (), "r", "a", s, "stop", 9) for s in STATUSES]


def test_only_complete_is_kept() -> None:
    assert [reason for _, reason in wellformed(TRACES)] == [None, "truncated", "no_reasoning", "malformed"]


def test_allow() -> None:
    allow = ("complete", "no_reasoning")
    assert [reason for _, reason in wellformed(TRACES, allow=allow)] == [None, "truncated", None, "malformed"]


@pytest.mark.parametrize("allow", ["complete", ["complet"]])
def test_a_status_that_does_not_exist(allow: list[str]) -> None:
    with pytest.raises(UsageError, match="it takes a list of complete, truncated, no_reasoning, malformed"):
        list(wellformed([], allow=allow))  # type: ignore[arg-type]
