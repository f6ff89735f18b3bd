"""Figures from samples: which rows there are, what enters them, and how they are shown."""

from dataclasses import asdict
from io import StringIO

import pytest
from rich.console import Console

from tracegen.records import Score, UsageError
from tracegen.scores import Sample, comparison, ordered, scores, shown, table

R = Sample(right=True, last_number=True, truncated=False, tokens=10)
W = Sample(right=False, last_number=True, truncated=False, tokens=20)
CUT = Sample(right=False, last_number=False, truncated=True, tokens=30)
UNKNOWN = Sample(right=None, last_number=None, truncated=False, tokens=5)


def by_metric(rows: list[Score]) -> dict[str, Score]:
    return {row.metric: row for row in rows}


def test_the_figures_of_a_model() -> None:
    rows = by_metric(scores("heldout", "teacher", "m", {"a": [R, W], "b": [CUT, CUT], "c": [R, R]}, [1, 2], 3.5))
    assert list(rows) == ["pass@1", "pass@2", "last_number@1", "truncated"]
    assert rows["pass@1"].value == pytest.approx(0.5)
    assert rows["pass@2"].value == pytest.approx(2 / 3)
    assert rows["last_number@1"].value == pytest.approx(2 / 3)
    assert rows["truncated"].value == pytest.approx(1 / 3)
    one = rows["pass@1"]
    assert (one.benchmark, one.role, one.model, one.problems, one.samples) == ("heldout", "teacher", "m", 3, 6)
    assert (one.tokens, one.seconds) == (10 + 20 + 60 + 20, 3.5)
    assert all(0 <= row.low <= row.value <= row.high <= 1 for row in rows.values())


def test_what_is_not_judged_is_neither_right_nor_wrong_and_widens_the_interval() -> None:
    known = {f"p{i}": [R if i % 2 else W] for i in range(40)}
    half = by_metric(scores("b", "after", "m", known))["pass@1"]
    rows = by_metric(scores("b", "after", "m", known | {f"u{i}": [UNKNOWN] for i in range(10)}))
    found = rows["pass@1"]
    assert found.value == half.value == 0.5
    assert (found.problems, found.samples) == (40, 40)
    wrong = by_metric(scores("b", "after", "m", known | {f"u{i}": [W] for i in range(10)}))["pass@1"]
    right = by_metric(scores("b", "after", "m", known | {f"u{i}": [R] for i in range(10)}))["pass@1"]
    assert (found.low, found.high) == (wrong.low, right.high)
    assert rows["unjudged"].value == pytest.approx(0.2)
    assert rows["unjudged"].samples == 50
    assert rows["last_number@1"].problems == 40


def test_a_problem_with_too_few_judged_samples_leaves_the_value_but_not_the_interval() -> None:
    rows = by_metric(scores("b", "after", "m", {"a": [W, W], "b": [R, UNKNOWN]}, [2]))
    assert rows["pass@2"].value == 0
    assert rows["pass@2"].problems == 1
    assert rows["pass@2"].high > 0.9


def test_no_judged_sample_no_figure() -> None:
    assert list(by_metric(scores("b", "after", "m", {"a": [UNKNOWN]}))) == ["truncated", "unjudged"]
    assert scores("b", "after", "m", {}) == []


def test_a_k_beyond_the_samples_is_the_users_mistake() -> None:
    with pytest.raises(UsageError, match="pass@4 needs 4 samples"):
        scores("b", "teacher", "m", {"a": [R] * 4, "b": [R]}, [4])


def test_comparison_pairs_the_problems_of_both() -> None:
    before = {f"p{i}": [R if i < 2 else W] for i in range(20)}
    after = {f"p{i}": [R if i < 12 else CUT] for i in range(20)} | {"only after": [R]}
    teacher = {f"p{i}": [R, W] for i in range(20)}
    rows = by_metric(comparison("b", "student", before=before, after=after, teacher=teacher))
    assert list(rows) == ["after-before", "last_number.after-before", "retention"]
    assert rows["after-before"].value == pytest.approx(0.5)
    assert 0.2 < rows["after-before"].low < 0.5 < rows["after-before"].high < 0.8
    assert rows["last_number.after-before"].value == pytest.approx(-0.4)
    assert rows["retention"].value == pytest.approx(0.6 / 0.5)
    assert rows["after-before"].problems == 20
    assert (rows["after-before"].samples, rows["retention"].samples) == (40, 60)
    assert all(row.role == "comparison" for row in rows.values())


def test_comparison_covers_both_extremes_of_what_is_not_judged() -> None:
    before = {f"p{i}": [W] for i in range(20)}
    after = {f"p{i}": [R if i < 10 else W] for i in range(15)} | {f"p{i}": [UNKNOWN] for i in range(15, 20)}
    found = by_metric(comparison("b", "m", before=before, after=after))["after-before"]
    assert found.value == pytest.approx(10 / 15)
    assert found.problems == 15
    worst = by_metric(
        comparison("b", "m", before=before, after={n: [W] if s == [UNKNOWN] else s for n, s in after.items()})
    )
    assert found.low == worst["after-before"].low


def test_no_retention_without_a_teacher_that_solves_something() -> None:
    before, after = {"a": [W], "b": [W]}, {"a": [R], "b": [R]}
    assert "retention" not in by_metric(comparison("b", "m", before=before, after=after))
    assert "retention" not in by_metric(comparison("b", "m", before=before, after=after, teacher=before))
    assert comparison("b", "m", before={"x": [R]}, after=after) == []


def test_shown_as_per_cent_and_points() -> None:
    score = scores("b", "after", "m", {"a": [R], "b": [W]})[0]
    assert shown(score) == ("50.0 %", "9.5 to 90.5")
    change = Score(**asdict(score) | {"metric": "after-before", "value": -0.1, "low": -0.2, "high": 0.05})
    assert shown(change) == ("−10.0 pp", "−20.0 to +5.0")


def test_table_fits_a_terminal_and_holds_every_figure() -> None:
    before, after = {f"p{i}": [W] for i in range(150)}, {f"p{i}": [R if i % 3 else CUT] for i in range(150)}
    rows = scores("held[out]", "after", "m", after) + scores("held[out]", "before", "m", before)
    rows += scores("held[out]", "teacher", "t", after) + comparison("held[out]", "m", before=before, after=after)
    console = Console(width=80, file=StringIO())
    console.print(table(rows))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "held[out]" in text
    assert "…" not in text
    for score in rows:
        assert all(part in text for part in (*shown(score), score.metric))
    assert [row.role for row in ordered(rows)][:3] == ["teacher", "before", "after"]


def vote(answer: str | None, right: bool | None = False) -> Sample:
    return Sample(right=right, last_number=None, truncated=False, tokens=1, vote=answer)


RIGHT = vote("right", True)


def test_the_majority_is_right_where_the_right_answer_has_the_most_votes() -> None:
    results = {"a": [RIGHT, RIGHT, vote("7"), vote("8")], "b": [RIGHT, vote("7"), vote("7"), vote("")]}
    rows = by_metric(scores("b", "after", "m", results, [1, 4]))
    assert list(rows) == ["pass@1", "pass@4", "maj@4", "truncated"]
    assert rows["maj@4"].value == 0.5
    assert (rows["maj@4"].problems, rows["maj@4"].samples) == (2, 8)
    assert 0 < rows["maj@4"].low < 0.5 < rows["maj@4"].high < 1


def test_a_majority_of_two_of_four_is_over_all_pairs() -> None:
    # Of six pairs, one is both right, four are one right and one wrong (a tie), one is both wrong.
    rows = by_metric(scores("b", "after", "m", {"a": [RIGHT, RIGHT, vote("7"), vote("8")]}, [2]))
    assert rows["maj@2"].value == pytest.approx(1 / 6 + 4 / 6 / 2)
    silent = by_metric(scores("b", "after", "m", {"a": [RIGHT, RIGHT, vote(""), vote("")]}, [2]))
    assert silent["maj@2"].value == pytest.approx(5 / 6)


def test_no_majority_where_answers_cannot_be_counted() -> None:
    programs = {"a": [vote(None, True), vote(None)], "b": [RIGHT, RIGHT]}
    rows = by_metric(scores("b", "after", "m", programs, [2]))
    assert rows["maj@2"].problems == 1
    assert "maj@2" not in by_metric(scores("b", "after", "m", {"a": programs["a"]}, [2]))


def test_what_is_not_judged_widens_the_interval_of_the_majority() -> None:
    known = {f"p{i}": [RIGHT if i % 2 else vote("7")] * 3 for i in range(20)}
    unknown = {"u": [RIGHT, vote("7"), vote("", None)]}
    rows = by_metric(scores("b", "after", "m", known | unknown, [3]))["maj@3"]
    half = by_metric(scores("b", "after", "m", known, [3]))["maj@3"]
    assert rows.value == half.value == 0.5
    assert rows.problems == 20
    wrong = by_metric(scores("b", "after", "m", known | {"u": [vote("7")] * 3}, [3]))["maj@3"]
    right = by_metric(scores("b", "after", "m", known | {"u": [RIGHT] * 3}, [3]))["maj@3"]
    assert (rows.low, rows.high) == (wrong.low, right.high)
