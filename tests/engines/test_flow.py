"""The limit on what is in flight, on a clock that the tests turn."""

import heapq
from collections.abc import Callable
from itertools import pairwise

import pytest

from tracegen.engines import _flow
from tracegen.engines._flow import Flow


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make(clock: Clock) -> Callable[..., Flow]:
    return lambda start=8, ceiling=1000: Flow(start, ceiling, clock=clock, draw=lambda: 0.5)


def fill(flow: Flow) -> list[int]:
    return [flow.send() for _ in range(flow.room())]


def serve(flow: Flow, clock: Clock, *, seats: int, answers: int, seconds: float = 1.0) -> None:
    """A server that works on so many at once, each for so long; who finds no seat waits in line."""
    free = [clock.now] * seats
    ends: list[tuple[float, int]] = []
    for _ in range(answers):
        for number in fill(flow):
            start = max(clock.now, heapq.heappop(free))
            heapq.heappush(free, start + seconds)
            heapq.heappush(ends, (start + seconds, number))
        clock.now, number = heapq.heappop(ends)
        flow.answered(number, 100)
    for _, number in ends:
        flow.gone(number)


def test_it_starts_where_the_recipe_says_and_grows_by_one_per_round_trip(make, clock) -> None:
    flow = make(8)
    assert flow.room() == 8
    for number in fill(flow):
        flow.answered(number, 1)
        flow.send()
    assert 8.9 < flow.limit <= 9


def test_it_does_not_grow_while_it_is_not_used_up(make, clock) -> None:
    flow = make(8)
    for _ in range(100):
        number = flow.send()
        flow.answered(number, 1)
    assert flow.limit == 8


def test_it_stays_below_the_ceiling(make, clock) -> None:
    flow = make(4, 6)
    serve(flow, clock, seats=100, answers=200)
    assert flow.limit == 6


def test_a_burst_of_refusals_shrinks_it_once(make, clock) -> None:
    flow = make(100)
    for number in fill(flow):
        flow.refused(number)
    assert flow.limit == pytest.approx(70)
    assert flow.room() == 0


def test_the_next_burst_shrinks_it_again_only_after_an_answer(make, clock) -> None:
    flow = make(100)
    for number in fill(flow):
        flow.refused(number)
    for _ in range(5):
        clock.now += 20
        probe = flow.send()
        flow.refused(probe)
    assert flow.limit == pytest.approx(70)
    clock.now += 20
    flow.answered(flow.send(), 1)
    first, *_ = [flow.send() for _ in range(50)]
    flow.refused(first)
    assert flow.limit == pytest.approx(35)


def test_a_single_refusal_does_not_bring_it_down_to_nothing(make, clock) -> None:
    flow = make(100)
    flow.refused(flow.send())
    assert flow.limit == pytest.approx(35)


def test_after_a_refusal_one_goes_ahead_and_the_others_follow_when_it_is_answered(make, clock) -> None:
    flow = make(100)
    for number in fill(flow):
        flow.refused(number)
    assert flow.room() == flow.taken() == 0
    clock.now += flow.wake()
    assert flow.room() == flow.taken() == 1
    rounds = 0
    while flow.room() < 60 and rounds < 20:
        rounds += 1
        # As many as may be sent are worth having at hand: nobody could send them otherwise.
        assert flow.taken() == flow.room()
        for number in fill(flow):
            flow.answered(number, 1)
    assert rounds < 8


def test_a_request_that_is_merely_not_refused_lets_others_through(make, clock) -> None:
    """Answers may take minutes, and the server must not stay empty meanwhile."""
    flow = make(100)
    for number in fill(flow):
        flow.refused(number)
    clock.now += flow.wake()
    for _ in range(12):
        fill(flow)
        clock.now += 1
    assert flow.in_flight == 70
    assert flow.trouble is None


def test_answers_that_come_in_waves_let_it_grow_as_fast(make, clock) -> None:
    flow = make(100)
    for _ in range(5):
        wave = fill(flow)
        clock.now += 0.3
        for number in wave:
            flow.answered(number, 10)
    assert 104 <= flow.limit <= 105


def test_after_a_burst_it_is_soon_back_where_it_was(make, clock) -> None:
    flow = make(100)
    for number in fill(flow):
        flow.refused(number)
    clock.now += 30
    rounds = 0
    while flow.limit < 95:
        rounds += 1
        wave = fill(flow)
        clock.now += 0.3
        for number in wave:
            flow.answered(number, 10)
    assert rounds < 15


def test_pauses_grow_and_stay_bounded(make, clock) -> None:
    flow = make(10)
    flow.refused(flow.send())
    waits = []
    for _ in range(15):
        waits.append(flow.wake())
        clock.now += flow.wake()
        flow.refused(flow.send())
    assert waits[0] == pytest.approx(_flow.FIRST_PAUSE)
    assert all(later > earlier - 1e-9 for earlier, later in pairwise(waits))
    assert waits[-1] == pytest.approx(_flow.LONGEST_PAUSE)


def test_retry_after_is_waited_for_by_all(make, clock) -> None:
    flow = make(10)
    sent = fill(flow)
    flow.refused(sent[0], 30)
    for number in sent[1:]:
        flow.answered(number, 1)
    clock.now += 29.9
    assert flow.room() == 0
    clock.now += 2.2
    assert flow.room() >= 1


def test_nobody_there_pauses_without_shrinking(make, clock) -> None:
    flow = make(50)
    for number in fill(flow):
        flow.refused(number, fewer=False)
    assert flow.limit == 50
    assert flow.room() == 0


def test_more_in_flight_that_brings_no_more_tokens_is_taken_back(make, clock) -> None:
    """Beyond its seats a server's latency rises and its throughput stays."""
    flow = make(10)
    for _ in range(20):
        serve(flow, clock, seats=20, answers=500)
        assert flow.limit <= 40
    assert flow.limit >= 15


def test_more_in_flight_that_brings_more_tokens_is_kept(make, clock) -> None:
    flow = make(10, 100)
    serve(flow, clock, seats=1000, answers=10_000)
    assert flow.limit == 100


def test_a_queue_inside_the_server_shrinks_the_limit_at_once(make, clock) -> None:
    flow = make(100)
    fill(flow)
    flow.queue(waiting=40, kv_cache=0.5, preempted=0)
    assert 65 < flow.limit <= 75
    flow.queue(waiting=40, kv_cache=0.5, preempted=0)
    assert flow.limit < 65


def test_an_empty_queue_and_room_in_the_cache_let_it_grow_fast(make, clock) -> None:
    flow = make(100)
    fill(flow)
    flow.queue(waiting=0, kv_cache=0.5, preempted=0)
    assert flow.limit == pytest.approx(110)
    fill(flow)
    flow.queue(waiting=0, kv_cache=0.95, preempted=0)
    assert flow.limit == pytest.approx(110)


def test_preemptions_shrink_it(make, clock) -> None:
    flow = make(100)
    fill(flow)
    flow.queue(waiting=1, kv_cache=0.99, preempted=7)  # what happened before we came is not ours
    assert flow.limit == 100
    flow.queue(waiting=1, kv_cache=0.99, preempted=9)
    assert flow.limit == pytest.approx(70)


def test_trouble_counts_from_the_first_failure_until_an_answer(make, clock) -> None:
    flow = make(4)
    early = flow.send()
    clock.now += 1
    flow.failed(flow.send())
    clock.now += 50
    assert flow.stuck() == 0, "what was sent before may still be answered"
    flow.failed(early)
    assert flow.stuck() == pytest.approx(50)
    flow.answered(flow.send(), 1)
    assert flow.stuck() == 0


def test_the_same_server_and_model_share_one_flow_in_a_process_as_long_as_somebody_uses_it() -> None:
    with _flow.shared("http://a/v1", "m", 8, 32) as first:
        with _flow.shared("http://a/v1", "m", 16, 64) as second, _flow.shared("http://a/v1", "other", 8, 32) as other:
            assert second is first
            assert other is not first
        assert (first.limit, first.ceiling) == (16, 64)
        with _flow.shared("http://a/v1", "m", 2, 4) as third:
            assert third is first
    with _flow.shared("http://a/v1", "m", 2, 4) as later:
        assert later is not first
