"""The pass rate counts what was judged, and nothing else."""

import pytest

from tracegen.filters.difficulty import difficulty
from tracegen.records import Trace, UsageError, Verdict

OUTCOMES = {"r": "right", "w": "wrong", "u": "unverifiable", "e": "error"}


def reason(outcomes: str, **options: float) -> str | None:
    group = [
        Trace(str(n), "p", "t", n, (), "r", "a", "complete", "stop", 9, Verdict(OUTCOMES[o]) if o in OUTCOMES else None)
        for n, o in enumerate(outcomes)
    ]
    reasons = {reason for _, reason in difficulty(group, siblings=lambda trace: group, **options)}
    assert len(reasons) == 1
    return reasons.pop()


def test_a_band_with_both_ends_inside() -> None:
    band = {"min_pass_rate": 0.25, "max_pass_rate": 0.75}
    found = [reason(outcomes, **band) for outcomes in ("wwww", "rwww", "rrww", "rrrw", "rrrr")]
    assert found == ["too_hard", None, None, None, "too_easy"]


def test_only_right_and_wrong_count() -> None:
    assert reason("ruue-", min_pass_rate=1.0) is None
    assert reason("rwue-", min_pass_rate=0.5, max_pass_rate=0.5) is None


def test_nothing_judged() -> None:
    assert reason("ue-") == "unjudged"


def test_the_default_keeps_whatever_is_judged() -> None:
    assert reason("ww") is None
    assert reason("rr") is None


@pytest.mark.parametrize("band", [{"min_pass_rate": 0.6, "max_pass_rate": 0.5}, {"max_pass_rate": 90}])
def test_a_band_that_holds_nothing(band: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="they go from 0 to 1"):
        list(difficulty([], siblings=lambda trace: (), **band))
