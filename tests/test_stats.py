"""Estimators against published values, their bounds, their coverage; the last number of a text."""

import time
from collections import Counter
from itertools import combinations
from random import Random
from statistics import fmean

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tracegen.records import UsageError
from tracegen.stats import difference, last_number, last_number_right, majority_at_k, mean, pass_at_k, ratio

shares = st.lists(st.floats(0, 1), min_size=1, max_size=60)


@given(st.integers(1, 9), st.data())
def test_pass_at_k_is_the_share_of_subsets_with_a_right_sample(samples: int, data: st.DataObject) -> None:
    right, k = data.draw(st.integers(0, samples)), data.draw(st.integers(1, samples))
    subsets = list(combinations([True] * right + [False] * (samples - right), k))
    assert pass_at_k(samples, right, k) == pytest.approx(fmean(map(any, subsets)))


def test_pass_at_k_holds_for_many_samples() -> None:
    assert pass_at_k(10_000, 1, 100) == pytest.approx(0.01)


def test_pass_at_k_refuses_what_the_samples_cannot_answer() -> None:
    with pytest.raises(UsageError, match="pass@8 needs 8 samples of a problem and there are 4"):
        pass_at_k(4, 0, 8)
    with pytest.raises(ValueError):
        pass_at_k(4, 5, 1)
    with pytest.raises(ValueError):
        pass_at_k(4, 1, 0)


# Newcombe 1998, table I, method 3 (Wilson's score interval without continuity correction).
@pytest.mark.parametrize(
    ("right", "problems", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_mean_of_zeros_and_ones_is_wilsons_interval(right: int, problems: int, low: float, high: float) -> None:
    found = mean([1.0] * right + [0.0] * (problems - right))
    assert found == pytest.approx((right / problems, low, high), abs=5e-5)


@given(shares, st.floats(1, 100))
def test_mean_lies_within_its_interval_and_the_unit_interval(values: list[float], draws: float) -> None:
    found = mean(values, draws)
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.low < found.high


def test_more_samples_of_a_problem_help_only_as_far_as_they_differ() -> None:
    alike = [0.0, 1.0] * 20
    assert mean(alike, 8) == mean(alike, 1)
    mixed = mean([0.25, 0.75] * 20, 8)
    single = mean(alike)
    assert mixed.high - mixed.low < single.high - single.low


def test_interval_covers_the_truth_although_samples_cluster() -> None:
    random = Random(4)

    def share() -> float:
        chance = random.betavariate(0.5, 0.5)
        return sum(random.random() < chance for _ in range(4)) / 4

    found = [mean([share() for _ in range(50)], 4) for _ in range(800)]
    assert 0.92 <= fmean(low <= 0.5 <= high for _, low, high in found) <= 0.985


def test_difference_is_paired() -> None:
    random = Random(1)
    before = [random.random() for _ in range(80)]
    found = difference(before, [value + 0.1 for value in before])
    assert found == pytest.approx((0.1, 0.1, 0.1))


def test_difference_covers_the_truth() -> None:
    random = Random(2)
    hits = []
    for _ in range(150):
        before = [float(random.random() < 0.2) for _ in range(60)]
        after = [max(value, float(random.random() < 0.25)) for value in before]
        found = difference(before, after, n=400)
        hits.append(found.low <= 0.8 * 0.25 <= found.high)
    assert 0.88 <= fmean(hits) <= 0.99


def test_difference_is_deterministic_and_its_seed_counts() -> None:
    random = Random(3)
    before, after = ([random.random() for _ in range(40)] for _ in range(2))
    assert difference(before, after) == difference(before, after)
    assert difference(before, after) != difference(before, after, seed=1)
    with pytest.raises(ValueError):
        difference(before, after[1:])


@given(shares)
def test_difference_lies_within_its_interval(values: list[float]) -> None:
    found = difference(values, values[::-1], n=80)
    assert -1 <= found.low <= found.value <= found.high <= 1


def test_ratio_of_sums_with_its_interval() -> None:
    teacher, student = [1.0, 0.0] * 50, [1.0, 0.0, 0.0, 0.0] * 25
    found = ratio(student, teacher)
    assert found is not None
    assert found.value == 0.5
    assert 0.3 < found.low < 0.42
    assert 0.58 < found.high < 0.7


def test_ratio_is_undefined_where_the_teacher_has_nothing_or_next_to_nothing() -> None:
    assert ratio([1.0, 1.0], [0.0, 0.0]) is None
    assert ratio([1.0] * 50, [1.0] + [0.0] * 49) is None, "a third of the resamples has no right teacher"
    assert ratio([1.0] * 50, [1.0] * 8 + [0.0] * 42) is not None


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("", None),
        ("no number at all", None),
        ("It is 42.", "42"),
        ("The total is $1,234.50.", "1234.50"),
        ("first 3, then 4", "4"),
        ("1,2,3", "3"),
        ("x = -3", "-3"),
        ("x = \N{MINUS SIGN}3", "-3"),
        ("-$5", "-5"),
        ("10-3", "3"),
        ("10 - 3", "3"),
        ("(2)-7", "7"),
        ("3/4 of it", "3/4"),
        (r"\boxed{-\frac{3}{4}}", "-3/4"),
        (r"12{,}345", "12345"),
        ("1.5e3", "1.5e3"),
        ("so...5", "5"),
        ("about .5", ".5"),
        ("50%", "50"),
        ("12,34", "34"),
        ("1,234,56", "56"),
    ],
)
def test_last_number(text: str, number: str | None) -> None:
    assert last_number(text) == number


@given(
    st.integers(-(10**12), 10**12), st.sampled_from(["{}", "{:,}", "= {}.", "**{:,}**", "{}.00", "first 7, then {}"])
)
def test_last_number_reads_what_was_written(number: int, form: str) -> None:
    assert last_number_right(form.format(number), str(number))
    assert not last_number_right(form.format(number), str(number + 1))


@given(st.text())
def test_last_number_survives_any_text(text: str) -> None:
    found = last_number(text)
    assert found is None or found
    assert last_number_right(text, "1") in (True, False)


def test_last_number_right_compares_values() -> None:
    assert last_number_right("that is 6/8", "0.75")
    assert last_number_right("1,000.0 rolls", "1000")
    assert not last_number_right("that is 3", "-3")
    assert not last_number_right("5/0", "5/0")
    assert not last_number_right("nothing", "3")
    assert not last_number_right("3", "no number")
    assert not last_number_right("9" * 5000, "9"), "beyond what an int may hold"


def by_hand(right: int, others: list[int], silent: int, k: int) -> float:
    """Every draw of k samples, one after the other."""
    votes = ["right"] * right + [str(n) for n, size in enumerate(others) for _ in range(size)] + [""] * silent
    won = []
    for drawn in combinations(votes, k):
        counts = Counter(vote for vote in drawn if vote)
        leaders = [vote for vote, count in counts.items() if count == max(counts.values())]
        won.append(1 / len(leaders) if "right" in leaders else 0)
    return sum(won) / len(won)


@given(st.integers(0, 4), st.lists(st.integers(1, 3), max_size=4), st.integers(0, 2), st.integers(1, 6))
def test_majority_at_k_is_the_mean_over_all_draws(right: int, others: list[int], silent: int, k: int) -> None:
    assume(right + sum(others) + silent >= k)
    assert majority_at_k(right, others, silent, k) == pytest.approx(by_hand(right, others, silent, k))


def test_majority_of_one_is_the_share_of_right_samples() -> None:
    assert majority_at_k(3, [2, 1], 2, 1) == pytest.approx(3 / 8)
    assert majority_at_k(0, [2], 1, 3) == 0
    assert majority_at_k(2, [], 1, 3) == 1
    with pytest.raises(UsageError, match="maj@4 needs 4 samples of a problem and there are 3"):
        majority_at_k(1, [1], 1, 4)
    with pytest.raises(ValueError, match="cannot be"):
        majority_at_k(1, [-1], 1, 1)


def test_majority_of_many_samples_is_quick() -> None:
    started = time.process_time()
    found = majority_at_k(60, [30, 20, 10] + [1] * 40, 96, 64)
    assert 0.9 < found <= 1
    assert time.process_time() - started < 5
