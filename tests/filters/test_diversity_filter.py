"""No kind of problem gets more than its cap, and nothing is dropped before one is full."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracegen.filters.diversity import diversity
from tracegen.records import Problem, Trace, UsageError
from tracegen.registry import bind

PROBLEMS = {
    "a": Problem("a", "Ann has 3 pens and buys 4. How many has she?", source="one", domain="sums"),
    "b": Problem("b", "ann has 30 pens, and buys 12: how many has she?", source="one", domain="sums"),
    "c": Problem("c", "Ann has 3 pens and sells 4. How many has she?", source="two", domain="sums"),
    "d": Problem("d", "Name a prime number above 100 that is below 200."),
    "e": Problem("e", "Name any prime."),
}


def traces(problems: str, tokens: tuple[int, ...] = ()) -> list[Trace]:
    sizes = tokens or (9,) * len(problems)
    return [Trace(f"k{n}", p, "t", n, (), "r", "7", "complete", "stop", sizes[n]) for n, p in enumerate(problems)]


def reasons(problems: str, tokens: tuple[int, ...] = (), **options: Any) -> list[str | None]:
    return [reason for _, reason in diversity(traces(problems, tokens), problems=PROBLEMS, **options)]


def test_without_a_cap_everything_is_kept() -> None:
    assert reasons("aaabbc") == [None] * 6


@pytest.mark.parametrize(
    ("cap", "most", "dropped"),
    [
        ("per_problem", 1, [1, 2, 3, 5, 9]),
        ("per_source", 2, [2, 3, 4, 5, 9]),
        ("per_domain", 3, [3, 4, 5, 6]),
        ("per_cluster", 2, [2, 3, 4, 5]),
    ],
)
def test_the_first_are_kept(cap: str, most: int, dropped: list[int]) -> None:
    found = reasons("aaaabbcdee", **{cap: most})
    assert {place: reason for place, reason in enumerate(found) if reason} == dict.fromkeys(dropped, cap)


def test_the_first_cap_that_is_full_is_the_reason() -> None:
    assert reasons("aab", per_problem=1, per_source=1) == [None, "per_problem", "per_source"]


def _kinds(problems: str, cap: str) -> list[str]:
    clusters = {"a": "a", "b": "a", "c": "c", "d": "d", "e": "e"}
    kind = {
        "per_problem": lambda p: p,
        "per_source": lambda p: str(PROBLEMS[p].source),
        "per_domain": lambda p: str(PROBLEMS[p].domain),
        "per_cluster": lambda p: clusters[p],
    }
    return [kind[cap](p) for p in problems]


def test_the_note_says_which_cap_is_full() -> None:
    notes: dict[str, Any] = {}
    rows = traces("aabbd")
    list(
        diversity(
            rows, problems=PROBLEMS, per_cluster=2, per_source=9, note=lambda t, what: notes.update({t.key: what})
        )
    )
    assert notes == {"k2": {"full": "a", "cap": 2}, "k3": {"full": "a", "cap": 2}}


def test_other_numbers_are_one_cluster_and_like_statements_too_where_asked_for() -> None:
    assert reasons("abc", per_cluster=1) == [None, "per_cluster", None]
    assert reasons("abcd", per_cluster=1, similar=0.3) == [None, "per_cluster", "per_cluster", None]


@pytest.mark.parametrize(("order", "kept"), [("first", {0, 1}), ("shortest", {2, 3}), ("longest", {0, 2})])
def test_an_order_chooses_within_a_problem(order: str, kept: set[int]) -> None:
    found = reasons("aaaa", (8, 5, 5, 3) if order == "shortest" else (8, 5, 7, 3), order=order, per_problem=2)
    wanted = {1, 3} if order == "shortest" else kept
    assert {place for place, reason in enumerate(found) if reason is None} == wanted


def test_random_is_the_same_at_every_run_and_not_the_first() -> None:
    runs = [reasons("a" * 40, order="random", per_problem=20) for _ in range(2)]
    assert runs[0] == runs[1] != reasons("a" * 40, per_problem=20)
    assert runs[0].count(None) == 20


CAPS = st.one_of(st.none(), st.integers(1, 4))


@settings(max_examples=60, deadline=None)
@given(st.text("abcde", max_size=25), CAPS, CAPS, CAPS, st.sampled_from(["first", "shortest", "random"]))
def test_no_cap_is_broken_and_no_trace_is_dropped_for_nothing(
    problems: str, per_problem: int | None, per_source: int | None, per_cluster: int | None, order: Any
) -> None:
    problems = "".join(sorted(problems))
    caps = {"per_problem": per_problem, "per_source": per_source, "per_cluster": per_cluster}
    found = reasons(problems, order=order, **caps)
    kept = {
        cap: Counter(kind for kind, reason in zip(_kinds(problems, cap), found, strict=True) if reason is None)
        for cap in caps
    }
    for cap, most in caps.items():
        assert most is None or max(kept[cap].values(), default=0) <= most
    for place, reason in enumerate(found):
        if reason is not None:
            assert kept[reason][_kinds(problems, reason)[place]] == caps[reason]


def test_options_are_checked() -> None:
    with pytest.raises(UsageError, match="give per_cluster"):
        reasons("a", similar=0.8)
    with pytest.raises(UsageError, match="per_problem is 0"):
        bind("filter", "diversity", {"per_problem": 0}, problems={})
