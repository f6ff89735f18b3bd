"""Several engines on one stream: who is given what, and what happens where one fails."""

import threading
import time
from collections.abc import Iterator

import pytest
from asking import requests

from tracegen.engines._draw import IDLE, Stream
from tracegen.engines._revive import Answers
from tracegen.engines._share import Closed, shared
from tracegen.records import Completion, Request, TracegenError


class Slow:
    """Up to `seats` at once, each answered after a while; fails after `lasts` answers."""

    def __init__(self, seats: int, seconds: float = 0.0, lasts: int = 10**9) -> None:
        self.seats, self.seconds, self.lasts = seats, seconds, lasts
        self.took: list[str] = []
        self.most = 0
        self.closed = False

    def __call__(self, stream: Iterator[Request | None]) -> Answers:
        drawn, aboard = Stream(stream), list[Request]()
        try:
            while drawn.more or aboard:
                for request in drawn.while_room(lambda: len(aboard) < self.seats):
                    aboard.append(request)
                    self.most = max(self.most, len(aboard))
                if aboard:
                    if self.lasts == len(self.took):
                        raise TracegenError("the engine is gone")
                    time.sleep(self.seconds)
                    self.took.append(aboard[0].key)
                    yield aboard.pop(0), Completion(text="done")
        except Closed:
            self.closed = True
            raise


def test_the_faster_engine_is_given_more_and_everything_is_answered_once() -> None:
    fast, slow = Slow(2, 0.002), Slow(2, 0.02)
    found = [request.key for request, _ in shared(requests(60), {"fast": fast, "slow": slow}, threading.Event())]
    assert sorted(found) == sorted(r.key for r in requests(60))
    assert len(fast.took) > len(slow.took) > 0
    assert fast.most <= 2 >= slow.most


def test_requests_are_drawn_in_the_consumers_thread_and_only_for_who_has_room() -> None:
    here, drawn, done, most = threading.get_ident(), 0, 0, 0

    def stream() -> Iterator[Request | None]:
        nonlocal drawn, most
        for request in requests(40):
            assert threading.get_ident() == here
            yield None
            drawn += 1
            most = max(most, drawn - done)
            yield request

    for _ in shared(stream(), {"a": Slow(3), "b": Slow(2)}, threading.Event()):
        done += 1
    assert done == 40
    # What an engine has answered may still be on its way to the consumer.
    assert most <= 2 * (3 + 2)


def test_what_a_failed_engine_had_is_done_by_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    failing, good = Slow(4, 0.001, lasts=3), Slow(2, 0.003)
    found = [r.key for r, _ in shared(requests(30), {"one": failing, "two": good}, threading.Event())]
    assert sorted(found) == sorted(r.key for r in requests(30))
    assert len(failing.took) == 3
    assert "one: the engine is gone; the other 1 go on with its requests." in capsys.readouterr().err


def test_the_last_ones_failure_is_raised() -> None:
    answers = shared(requests(30), {"one": Slow(2, lasts=3), "two": Slow(2, lasts=4)}, threading.Event())
    found = []
    with pytest.raises(TracegenError, match="the engine is gone"):
        found.extend(r.key for r, _ in answers)
    assert len(found) == len(set(found)) == 7


def test_an_engine_that_still_loads_is_not_waited_for() -> None:
    def loading(stream: Iterator[Request | None]) -> Answers:
        assert closing.wait(20)
        yield from Slow(2)(stream)

    closing = threading.Event()
    start = time.monotonic()
    assert len(list(shared(requests(10), {"quick": Slow(2), "loading": loading}, closing))) == 10
    assert time.monotonic() - start < 10


def test_an_accident_in_an_engine_ends_it_all() -> None:
    def broken(stream: Iterator[Request | None]) -> Answers:
        next(stream)
        raise RuntimeError("a mistake in the engine")
        yield

    with pytest.raises(RuntimeError, match="a mistake"):
        list(shared(requests(30), {"one": broken, "two": Slow(2)}, threading.Event()))


def test_closing_reaches_every_engine() -> None:
    engines = {name: Slow(2, IDLE) for name in "abc"}
    answers = shared(requests(1000), engines, threading.Event())
    next(answers)
    threads = threading.active_count()
    answers.close()
    assert threading.active_count() < threads
    assert all(engine.closed for engine in engines.values())
