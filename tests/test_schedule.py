"""The policy alone: which problem is drawn next, and when none is."""

import random
from collections import Counter, deque

import pytest

from tracegen.schedule import Adaptive


def play(rates, *, cap, stop_after=1, floor=0.0, flight=1, seed=1, draws=10**9):
    """Draws with `flight` samples in flight; the samples of each problem, and the order in which they were drawn."""
    chance = random.Random(seed)
    adaptive = Adaptive(len(rates), stop_after=stop_after, cap=cap, floor=floor)
    order, aloft = [], deque()
    while len(order) < draws:
        which = adaptive.draw() if len(aloft) < flight else None
        if which is not None:
            order.append(which)
            aloft.append((which, chance.random() < rates[which]))
        elif aloft:
            adaptive.heard(*aloft.popleft())
        else:
            assert not adaptive.waiting
            break
    return adaptive, order


@pytest.mark.parametrize("flight", [1, 7, 64])
@pytest.mark.parametrize("floor", [0.0, 0.2])
def test_every_problem_ends_solved_or_at_its_cap(flight, floor):
    rates = [random.Random(5).random() ** 2 for _ in range(40)] + [0.0] * 10
    adaptive, order = play(rates, cap=12, stop_after=2, floor=floor, flight=flight)
    drawn = Counter(order)
    assert set(drawn) == set(range(50))
    for which in range(50):
        assert drawn[which] <= 12
        assert adaptive.solved(which) or drawn[which] == 12
    assert adaptive.solved_problems + adaptive.given_up == 50
    assert adaptive.given_up >= 10


def test_a_solved_problem_is_drawn_no_more_and_an_easy_one_waits_for_its_verdicts():
    adaptive = Adaptive(1, stop_after=2, cap=16)
    for _ in range(3):
        assert adaptive.draw() == 0
        adaptive.heard(0, True) if not adaptive.solved(0) else None
        if adaptive.solved(0):
            break
    assert adaptive.draw() is None
    assert not adaptive.waiting
    easy = Adaptive(1, stop_after=1, cap=16)
    easy.heard(0, True, flew=False)
    assert easy.draw() is None  # solved by an earlier launch
    sure = Adaptive(2, stop_after=1, cap=16)
    for _ in range(20):
        sure.heard(1, True, flew=False)
    assert sure.draw() == 0
    assert sure.draw() is None  # a second one is likelier than not to be superfluous
    assert sure.waiting


def test_the_next_sample_goes_where_it_is_likeliest_to_be_right():
    adaptive = Adaptive(3, stop_after=3, cap=16)
    for which, rights in enumerate((0, 2, 1)):
        for number in range(4):
            adaptive.heard(which, number < rights, flew=False)
    assert adaptive.pass_rate(1) > adaptive.pass_rate(2) > adaptive.pass_rate(0)
    assert adaptive.draw() == 1


def test_hard_problems_get_their_turn_before_a_budget_ends():
    rates = [0.02] * 10 + [0.5] * 50
    without = Counter(play(rates, cap=40, stop_after=10, draws=500)[1])
    with_floor = Counter(play(rates, cap=40, stop_after=10, floor=0.2, draws=500)[1])
    hard = range(10)
    assert sum(with_floor[which] for which in hard) > 1.5 * sum(without[which] for which in hard)


def test_fewer_samples_than_a_fixed_number_and_no_problem_lost():
    rates = [random.Random(9).betavariate(1, 2) for _ in range(200)]
    adaptive, order = play(rates, cap=16, stop_after=2, flight=64)
    solved = sum(map(adaptive.solved, range(200)))
    assert len(order) < 0.7 * 16 * 200
    chance = random.Random(2)
    fixed = sum(sum(chance.random() < rate for _ in range(16)) >= 2 for rate in rates)
    assert abs(solved - fixed) <= 12  # the same problems up to chance


def test_another_teachers_right_sample_counts_and_what_is_lost_is_not_drawn_again():
    adaptive = Adaptive(2, stop_after=1, cap=2)
    adaptive.helped(0)
    assert adaptive.draw() == 1
    adaptive.lost(1)
    assert adaptive.draw() == 1
    adaptive.lost(1)
    assert adaptive.draw() is None
    assert not adaptive.waiting


def test_a_barred_problem_is_never_drawn():
    adaptive = Adaptive(2, stop_after=1, cap=2)
    adaptive.bar(0)
    assert adaptive.draw() == 1
    adaptive.bar(1, drawn=True)
    assert adaptive.draw() is None
    assert not adaptive.waiting
