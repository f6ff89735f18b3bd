"""Projections: intervals hold what they say, schedules draw what is expected, unknown things stay unknown."""

import math
import random
from statistics import fmean

import pytest

from tracegen.estimate import Usage, beta, draws, exactly, project, spread_of, together
from tracegen.recipe import Prices
from tracegen.schedule import Adaptive
from tracegen.stats import Estimate


def row(problem="p", prompt=100, completion=1000, error=None, **more):
    return {
        "problem_id": problem,
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "error": error,
        "max_tokens": 16_000,
        "engine": "openai",
    } | more


def world(draw, problems, samples):
    """Skewed lengths that a problem's samples share in part, as thinking has them, in tokens."""

    def length(typical):
        return min(16_000, max(20, int(math.exp(draw.gauss(typical, 0.6)))))

    return [[length(typical) for _ in range(samples)] for typical in (draw.gauss(7.5, 0.8) for _ in range(problems))]


@pytest.mark.parametrize(("tried", "least"), [(8, 0.86), (32, 0.90), (128, 0.91)])
def test_the_interval_holds_the_whole_about_as_often_as_it_says(tried, least):
    draw, held, times = random.Random(tried), 0, 200
    for turn in range(times):
        lengths = world(draw, 400, 4)
        usage = Usage(None)
        for number in draw.sample(range(400), tried):
            usage.answered(row(f"{turn}-{number}", completion=lengths[number][0]))
        found = project(usage, exactly(1600)).tokens
        held += found.low <= sum(map(sum, lengths)) + 1600 * 100 <= found.high
    assert held / times >= least


def test_more_samples_of_the_same_problems_are_no_more_problems():
    lengths = world(random.Random(5), 20, 16)
    once, often = Usage(None), Usage(None)
    for number, its in enumerate(lengths):
        once.answered(row(f"p{number}", completion=round(fmean(its))))
        for length in its:
            often.answered(row(f"p{number}", completion=length))
    narrow, wide = often.tokens_per_answer(10**9), once.tokens_per_answer(10**9)
    assert (narrow.high - narrow.low) == pytest.approx(wide.high - wide.low, rel=0.01)


def test_a_plan_that_is_done_costs_what_it_cost():
    usage = Usage(Prices(input=1, output=10))
    for number in range(50):
        usage.answered(row(f"p{number}", completion=number))
        usage.judged(f"p{number}", number % 2 == 0)
    found = project(usage, exactly(50))
    assert found.tokens == exactly(sum(range(50)) + 5000)
    assert found.usd == exactly(pytest.approx((sum(range(50)) * 10 + 5000) / 1e6))
    assert found.verified == exactly(25)
    assert found.usd_per_verified == pytest.approx(found.usd.value / 25)


def test_nothing_is_projected_below_what_is_spent_or_above_what_is_possible():
    usage = Usage(None)
    for number, length in enumerate([10, 10, 10, 10, 16_000]):
        usage.answered(row(f"p{number}", completion=length))
        usage.judged(f"p{number}", True)
    found = project(usage, exactly(1000))
    assert usage.tokens <= found.tokens.low
    assert found.tokens.high <= usage.tokens + 995 * 16_100
    assert found.verified.high <= 1000


def test_what_is_not_known_is_none():
    usage = Usage(None)
    for number in range(3):
        usage.answered(row(f"p{number}"))
    assert project(usage, exactly(9)) is None, "three problems say too little"
    usage.answered(row("p9"))
    found = project(usage, exactly(9))
    assert (found.usd, found.verified, found.usd_per_verified) == (None, None, None)
    priced = Usage(Prices(output=1))
    for number in range(9):
        priced.answered(row(f"p{number}"))
    both = together([found, project(priced, exactly(9))])
    assert both.usd is None
    assert both.tokens.value == 2 * found.tokens.value
    assert together([]) is None


def test_failures_are_no_answers_and_what_goes_on_with_one_is_no_further_one():
    usage = Usage(None)
    usage.answered(row("p", error="the server was busy", prompt=None, completion=None))
    usage.answered(row("p", completion=1000))
    usage.answered(row("p", completion=500, prefix_tokens=1000))
    usage.answered(row("p", completion=20, prefix_tokens=1500, forced=True))
    assert (usage.answers, usage.tokens) == (1, 1820)


def test_batches_are_projected_at_half_the_price():
    online, batched = Usage(Prices(output=10)), Usage(Prices(output=10))
    for number in range(9):
        online.answered(row(f"p{number}"))
        batched.answered(row(f"p{number}", engine="batch_api"))
    assert project(batched, exactly(90)).usd.value == pytest.approx(project(online, exactly(90)).usd.value / 2)


@pytest.mark.parametrize(("rate", "spread"), [(0.1, 0.5), (0.5, 0.3), (0.8, 0.1)])
@pytest.mark.parametrize(("stop_after", "cap"), [(1, 8), (2, 16)])
def test_a_schedule_draws_what_is_expected_of_it(rate, spread, stop_after, cap):
    draw, problems = random.Random(7), 4000
    rates = [draw.betavariate(*beta(rate, spread)) for _ in range(problems)]
    schedule = Adaptive(problems, stop_after=stop_after, cap=cap)
    drawn = right = 0
    while (which := schedule.draw()) is not None:
        good = draw.random() < rates[which]
        schedule.heard(which, good)
        drawn, right = drawn + 1, right + good
    found = draws(*beta(rate, spread), stop_after=stop_after, cap=cap)
    assert found.samples == pytest.approx(drawn / problems, rel=0.06)
    assert found.right == pytest.approx(right / problems, rel=0.06)
    unsolved = 1 - schedule.solved_problems / problems
    assert found.unsolved == pytest.approx(unsolved, abs=0.02)


def test_how_much_problems_differ_is_seen_in_pairs():
    draw = random.Random(3)
    for spread in (0.1, 0.4, 0.8):
        rates = [draw.betavariate(*beta(0.4, spread)) for _ in range(3000)]
        pairs = [(sum(draw.random() < rate for _ in range(2)), 2) for rate in rates]
        assert spread_of(pairs) == pytest.approx(spread, abs=0.06)
    assert spread_of([(1, 1), (0, 1)]) == pytest.approx(1 / 3)
    assert spread_of([(2, 2), (2, 2)]) == pytest.approx(1 / 3)


def test_teachers_err_independently():
    one = project_of(Estimate(100, 90, 130))
    assert together([one, one]).tokens == (200, pytest.approx(200 - 200**0.5), pytest.approx(200 + 30 * 2**0.5))


def project_of(tokens):
    usage = Usage(None)
    for number in range(9):
        usage.answered(row(f"p{number}"))
    return project(usage, exactly(9))._replace(tokens=tokens)
