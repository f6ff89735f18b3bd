"""Only right is kept; what nobody could judge is not called wrong."""

import pytest

from tracegen.filters.correct import correct
from tracegen.records import Trace, Verdict


@pytest.mark.parametrize(
    ("verdict", "reason"),
    [
        (Verdict("right"), None),
        (Verdict("wrong"), "wrong"),
        (Verdict("unverifiable"), "unverifiable"),
        (Verdict("error"), "error"),
        (None, "unjudged"),
    ],
)
def test_outcomes(verdict: Verdict | None, reason: str | None) -> None:
    trace = Trace("k", "p", "t", 0, (), "r", "a", "complete", "stop", 9, verdict)
    assert list(correct([trace])) == [(trace, reason)]
