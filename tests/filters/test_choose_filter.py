"""Of a problem's right traces one is kept, or several; what is not right is left alone."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracegen.filters.choose import choose
from tracegen.records import Outcome, Trace, UsageError, Verdict
from tracegen.registry import bind


def trace(number: int, tokens: int, outcome: Outcome | None = "right", problem: str = "a", text: str = "") -> Trace:
    verdict = Verdict(outcome) if outcome else None
    return Trace(f"k{number}", problem, "t", number, (), text, "7", "complete", "stop", tokens, verdict)


def kept(traces: list[Trace], **options: Any) -> list[int]:
    return [place for place, (_, reason) in enumerate(choose(traces, **options)) if reason is None]


SIZES = [50, 20, 90, 20, 40]


@pytest.mark.parametrize(
    ("by", "keep", "expected"),
    [
        ("shortest", 1, [1]),
        ("shortest", 3, [1, 3, 4]),
        ("longest", 1, [2]),
        ("median", 1, [4]),
        ("median", 2, [0, 4]),
        ("shortest", 9, [0, 1, 2, 3, 4]),
    ],
)
def test_by_length(by: str, keep: int, expected: list[int]) -> None:
    assert kept([trace(n, size) for n, size in enumerate(SIZES)], by=by, keep=keep) == expected


def test_the_typical_one_is_most_like_the_others() -> None:
    texts = [
        "first add three and four then check the sum",
        "first add three and four then look at the sum",
        "by counting on my fingers I come to seven",
        "then check the sum: first add three and four",
    ]
    assert kept([trace(n, 9, text=text) for n, text in enumerate(texts)], by="typical") == [0]
    assert kept([trace(n, 9, text=text) for n, text in enumerate(texts)], by="typical", keep=3) == [0, 1, 3]


def test_each_problem_has_its_own_and_the_note_names_it() -> None:
    rows = [trace(0, 9), trace(1, 5), trace(2, 4, problem="b"), trace(3, 6, problem="b"), trace(4, 1, problem="c")]
    notes: dict[str, Any] = {}
    found = list(choose(rows, note=lambda t, what: notes.update({t.key: what})))
    assert [reason for _, reason in found] == ["not_shortest", None, None, "not_shortest", None]
    assert notes == {"k0": {"kept": ["k1"]}, "k3": {"kept": ["k2"]}}


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 9), st.sampled_from(["right", "wrong", "error", None]))),
    st.sampled_from(["shortest", "median", "typical", "longest"]),
    st.integers(1, 3),
)
def test_so_many_of_the_right_ones_and_all_others(rows: list[tuple[str, int, Any]], by: str, keep: int) -> None:
    rows.sort(key=lambda row: row[0])
    traces = [trace(n, size, outcome, problem, f"{size} of it") for n, (problem, size, outcome) in enumerate(rows)]
    places = kept(traces, by=by, keep=keep)
    for problem in "abc":
        right = [n for n, row in enumerate(rows) if row[0] == problem and row[2] == "right"]
        chosen = [n for n in right if n in places]
        assert len(chosen) == min(keep, len(right))
        if by == "shortest":
            assert max((rows[n][1] for n in chosen), default=0) <= min(
                (rows[n][1] for n in right if n not in places), default=99
            )
    assert {n for n, row in enumerate(rows) if row[2] != "right"} <= set(places)


def test_options_are_checked() -> None:
    with pytest.raises(UsageError, match="keep is 0"):
        bind("filter", "choose", {"keep": 0})
    with pytest.raises(UsageError, match="by is 'best'"):
        bind("filter", "choose", {"by": "best"})
