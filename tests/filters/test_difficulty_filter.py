"""The pass rate counts what was judged, and nothing else; where asked, only what is sure is dropped."""

from typing import Any

import pytest

from tracegen.filters.difficulty import difficulty
from tracegen.records import Trace, UsageError, Verdict

OUTCOMES = {"r": "right", "w": "wrong", "u": "unverifiable", "e": "error"}


def group(outcomes: str, problem: str = "p", teacher: str = "t") -> list[Trace]:
    verdicts = [Verdict(OUTCOMES[o]) if o in OUTCOMES else None for o in outcomes]
    return [
        Trace(f"{problem}{teacher}{n}", problem, teacher, n, (), "r", "a", "complete", "stop", 9, verdict)
        for n, verdict in enumerate(verdicts)
    ]


def reason(outcomes: str, **options: Any) -> str | None:
    traces = group(outcomes)
    reasons = {reason for _, reason in difficulty(traces, siblings=lambda trace: traces, **options)}
    assert len(reasons) == 1
    return reasons.pop()


def test_a_band_with_both_ends_inside() -> None:
    band = {"min_pass_rate": 0.25, "max_pass_rate": 0.75}
    found = [reason(outcomes, **band) for outcomes in ("wwww", "rwww", "rrww", "rrrw", "rrrr")]
    assert found == ["too_hard", None, None, None, "too_easy"]


@pytest.mark.parametrize("tenths", range(1, 10))
def test_a_rate_at_the_edge_of_the_band_is_inside(tenths: int) -> None:
    outcomes = "r" * tenths + "w" * (10 - tenths)
    assert reason(outcomes, min_pass_rate=tenths / 10, max_pass_rate=tenths / 10) is None


def test_only_right_and_wrong_count() -> None:
    assert reason("ruue-", min_pass_rate=1.0) is None
    assert reason("rwue-", min_pass_rate=0.5, max_pass_rate=0.5) is None


def test_nothing_judged() -> None:
    assert reason("ue-") == "unjudged"
    assert reason("ue-", sure=True) == "unjudged"


def test_the_default_keeps_whatever_is_judged() -> None:
    assert reason("ww") is None
    assert reason("rr") is None


def test_few_samples_are_not_sure() -> None:
    # Wilson's 95 % interval: 4 of 4 is 0.51 to 1, 16 of 16 is 0.806 to 1, and the same from below.
    assert [reason("r" * n, max_pass_rate=0.8, sure=True) for n in (4, 15, 16)] == [None, None, "too_easy"]
    assert [reason("w" * n, min_pass_rate=0.2, sure=True) for n in (4, 15, 16)] == [None, None, "too_hard"]
    assert [reason("r" * n, max_pass_rate=0.8) for n in (1, 4)] == ["too_easy", "too_easy"]


def test_what_is_noted() -> None:
    traces, noted = group("rrrw"), []
    list(difficulty(traces, siblings=lambda _: traces, note=lambda _, said: noted.append(said), max_pass_rate=0.5))
    assert noted == [{"right": 3, "judged": 4, "interval": [0.301, 0.954]}] * 4


def test_each_teacher_and_problem_has_a_rate_of_its_own() -> None:
    groups = [group("rr"), group("ww", teacher="u"), group("ww", "q"), group("rw", "q", "u")]
    by_name = {(g[0].problem_id, g[0].teacher): g for g in groups}
    stream = [trace for g in groups for trace in g]
    found = [
        reason
        for _, reason in difficulty(
            stream, siblings=lambda trace: by_name[trace.problem_id, trace.teacher], min_pass_rate=0.5
        )
    ]
    assert found == [None, None, "too_hard", "too_hard", "too_hard", "too_hard", None, None]


@pytest.mark.parametrize("band", [{"min_pass_rate": 0.6, "max_pass_rate": 0.5}, {"max_pass_rate": 90}])
def test_a_band_that_holds_nothing(band: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="they go from 0 to 1"):
        list(difficulty([], siblings=lambda trace: (), **band))
