"""An engine that dies on chosen requests: nothing is lost, nothing is answered twice, the killers are found."""

from collections.abc import Callable, Iterable, Iterator

import pytest
from asking import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from tracegen import telemetry
from tracegen.engines import _revive
from tracegen.engines._draw import Stream
from tracegen.engines._revive import DEATHS, Answers, Died, revived
from tracegen.records import Completion, Request, TracegenError


class Scripted:
    """An engine with `seats`, which answers the oldest request at each step, or dies of one that it has aboard."""

    def __init__(self, seats: int, kills: Callable[[int, str], bool]) -> None:
        self.seats, self.kills = seats, kills
        self.lives = self.steps = 0
        self.aboard_at_death: list[list[str]] = []

    def __call__(self, requests: Iterator[Request | None]) -> Answers:
        self.lives += 1
        stream, aboard = Stream(requests), list[Request]()
        while stream.more or aboard:
            for request in stream.while_room(lambda: len(aboard) < self.seats):
                aboard.append(request)
            self.steps += 1
            if any(self.kills(self.steps, request.key) for request in aboard):
                self.aboard_at_death.append([request.key for request in aboard])
                raise Died("the engine died: out of memory")
            if aboard:
                yield aboard.pop(0), Completion(text="done", finish_reason="stop")


def answers(engine: Scripted, asked: Iterable[Request | None]) -> dict[str, Completion]:
    found: dict[str, Completion] = {}
    for request, completion in revived(asked, engine):
        assert request.key not in found
        found[request.key] = completion
    return found


def test_an_engine_that_dies_once_goes_on_with_what_was_in_flight(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry.forget()
    engine = Scripted(4, lambda step, key: step == 3)
    found = answers(engine, requests(10))
    assert len(found) == 10
    assert {completion.error for completion in found.values()} == {None}
    assert engine.lives == 2
    assert engine.aboard_at_death == [["k2", "k3", "k4", "k5"]]
    assert telemetry.snapshot()["t"]["restarts"] == 1
    assert capsys.readouterr().err.count("out of memory; it is started again, and 4 unfinished requests go on") == 1


@pytest.mark.parametrize("killer", ["k0", "k3", "k7", "k19"])
def test_a_request_that_kills_the_engine_is_found_by_halving(killer: str) -> None:
    engine = Scripted(8, lambda step, key: key == killer)
    found = answers(engine, requests(20))
    assert len(found) == 20
    assert [key for key, completion in found.items() if completion.error] == [killer]
    assert "killed the engine" in (found[killer].error or "")
    assert "out of memory" in (found[killer].error or "")
    assert engine.aboard_at_death[-1] == [killer]
    # Twice among all, then once in each half that holds it.
    assert engine.lives <= 2 + 3 + 1


def test_suspects_are_kept_apart_from_fresh_requests() -> None:
    engine = Scripted(4, lambda step, key: key == "k2")
    answers(engine, requests(12))
    first, second, *trials = engine.aboard_at_death
    assert set(first) & set(second)
    assert all(set(trial) <= set(first) & set(second) for trial in trials)


@settings(max_examples=150, deadline=None)
@given(
    count=st.integers(0, 40),
    seats=st.integers(1, 16),
    killers=st.sets(st.integers(0, 39), max_size=3),
    accidents=st.sets(st.integers(1, 60), max_size=4),
)
def test_whatever_kills_it_every_request_comes_back_once(
    count: int, seats: int, killers: set[int], accidents: set[int]
) -> None:
    deadly = {f"k{number}" for number in killers}
    engine = Scripted(seats, lambda step, key: key in deadly or step in accidents)
    with pytest.MonkeyPatch.context() as patched:
        # A model's memory is not at stake here, and what other tests have imported takes long to go through.
        patched.setattr(_revive.gc, "collect", lambda: 0)
        # Three killers and an accident among the last requests may need more.
        patched.setattr(_revive, "DEATHS", 30)
        found = answers(engine, (r for request in requests(count) for r in (None, request)))
    assert sorted(found) == sorted(r.key for r in requests(count))
    errors = {key for key, completion in found.items() if completion.error}
    assert deadly & found.keys() <= errors
    # An accident can befall a request that runs alone, but a request that saw one death only is never given up.
    assert len(errors - deadly) <= len(accidents)


def test_four_samples_of_one_deadly_problem_are_all_set_aside() -> None:
    engine = Scripted(8, lambda step, key: True)
    found = answers(engine, requests(4))
    assert len(found) == 4
    assert all(completion.error for completion in found.values())
    assert len(engine.aboard_at_death) == DEATHS


def test_an_engine_that_finishes_nothing_is_given_up_in_one_sentence() -> None:
    engine = Scripted(16, lambda step, key: True)
    with pytest.raises(TracegenError, match="out of memory; given up after 9 deaths in a row, with no request"):
        answers(engine, requests(50))
    assert engine.lives == DEATHS + 1


def test_a_death_that_is_nobodys_fault_makes_no_suspects() -> None:
    lives = 0

    def start(stream: Iterator[Request | None]) -> Answers:
        nonlocal lives
        lives += 1
        taken = next(stream)
        if lives <= 3:
            raise Died("the server did not start: no memory yet", blame=False)
        assert taken is not None
        yield taken, Completion(text="done")

    assert [completion.error for _, completion in revived(requests(1), start)] == [None]


def test_what_is_no_death_passes_through_and_ends_it() -> None:
    def start(stream: Iterator[Request | None]) -> Answers:
        next(stream)
        raise TracegenError("the model cannot be loaded")
        yield

    with pytest.raises(TracegenError, match="cannot be loaded"):
        list(revived(requests(3), start))


def test_closing_ends_the_life_that_runs() -> None:
    ended: list[str] = []

    def start(stream: Iterator[Request | None]) -> Answers:
        try:
            for request in stream:
                assert request is not None
                yield request, Completion(text="done")
        finally:
            ended.append("closed")

    running = revived(requests(3), start)
    next(running)
    running.close()
    assert ended == ["closed"]
