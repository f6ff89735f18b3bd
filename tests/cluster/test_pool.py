"""What the pool does when replicas are lost, with replicas that follow a script and without a cluster."""

import asyncio
import time
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

pytest.importorskip("ray")
from ray.exceptions import ActorUnavailableError, GetTimeoutError

from tracegen import telemetry
from tracegen.cluster import feed, pool
from tracegen.cluster.pool import Pool
from tracegen.cluster.stream import Arrival
from tracegen.records import TracegenError

SEATS = 4
Behaviour = Callable[["Replica", list[int]], "list[int] | BaseException"]
"""What a replica does with the rows that it holds: those that it answers now, or how it dies."""


class Replica:
    """Stands in for a pipeline: takes rows as its source would, and answers or dies by its behaviour."""

    numbers = count()

    def __init__(self, feeder: "Feeder", arrivals: Any, behave: Behaviour) -> None:
        self.name = f"replica-{next(self.numbers)}"
        self.ready, self.answered, self.last = False, 0, time.monotonic()
        self.held: list[int] = []
        self.dead = self.ended = False
        self._feeder, self._arrivals, self._behave = feeder, arrivals, behave

    def alive(self) -> bool:
        return not self.dead

    def end(self) -> None:
        self.ended = True

    def join(self, seconds: float) -> bool:
        return self.ended

    def step(self) -> None:
        if self.dead or self.ended:
            return
        if not isinstance(self._behave, NeverStarts):
            self.held += [row["number"] for row in self._feeder.take(self.name)]
        what = self._behave(self, self.held)
        if isinstance(what, BaseException):
            self.dead = True
            self._arrivals.put(Arrival(self, [], what))  # type: ignore[arg-type]
        elif what:
            self.held = [number for number in self.held if number not in what]
            self._arrivals.put(Arrival(self, [{"number": number} for number in what]))  # type: ignore[arg-type]


class NeverStarts:
    """A replica that dies before it asks for rows."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def __call__(self, replica: Replica, held: list[int]) -> BaseException:
        return self._error


NO_PLACE = NeverStarts(GetTimeoutError("Timed out while starting actors"))


class Feeder:
    """The feed itself, without an actor around it."""

    def __init__(self) -> None:
        self.actor = self
        self._feed = feed.Feed()
        self._loop = asyncio.new_event_loop()

    def exchange(self, rows: Any, answered: Any, ended: tuple[str, ...] = ()) -> feed.Taken:
        return self._loop.run_until_complete(self._feed.exchange(rows, answered, ended))

    def take(self, stream: str) -> list[dict[str, Any]]:
        return self._loop.run_until_complete(self._feed.take(stream, SEATS)) or []

    def close(self) -> None:
        self._loop.close()


class Cluster:
    """A pool over replicas of which each behaves like the next one of a list; the last one is for all further ones."""

    def __init__(self, *behaviours: Behaviour, replicas: int = 2, stall_timeout: float = 60.0) -> None:
        self.replicas: list[Replica] = []
        self._behaviours = list(behaviours)
        limits = {"seats": SEATS, "stall_timeout": stall_timeout}
        self.pool = Pool(self._launch, Feeder(), who="t", what="replica", count=replicas, **limits)  # type: ignore[arg-type]

    def _launch(self, feeder: Feeder, arrivals: Any) -> Any:
        place = min(len(self.replicas), len(self._behaviours) - 1)
        self.replicas.append(Replica(feeder, arrivals, self._behaviours[place]))
        return self.replicas[-1]

    def run(self, rows: int, seconds: float = 10.0) -> dict[int, Any]:
        """Every row's answer; each comes once."""
        given, back = 0, dict[int, Any]()
        deadline = time.monotonic() + seconds
        while len(back) < rows:
            assert time.monotonic() < deadline, f"{rows - len(back)} rows never came back"
            while self.pool.room > 0 and given < rows:
                self.pool.give(given, {"number": given})
                given += 1
            for replica in self.replicas:
                replica.step()
            for number, answer in self.pool.take(0.001):
                assert number not in back
                back[number] = answer
        return back


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "KEEPALIVE", 0.001)
    monkeypatch.setattr(pool, "WATCH", 0.0)
    monkeypatch.setattr(pool, "ASK", 0.0)
    monkeypatch.setattr(pool, "cluster_resources", lambda: "1 nodes with 0 GPU, 2 CPU")
    telemetry.forget()


def works(replica: Replica, held: list[int]) -> list[int]:
    return held[:1]


def waits(replica: Replica, held: list[int]) -> list[int]:
    return []


def dies_of(poison: int) -> Behaviour:
    def behave(replica: Replica, held: list[int]) -> "list[int] | BaseException":
        return RuntimeError("OutOfMemoryError: too long") if poison in held else held[-1:]

    return behave


def loses_its_node(replica: Replica, held: list[int]) -> "list[int] | BaseException":
    return ActorUnavailableError("connection reset", None) if len(held) == SEATS else []


def test_what_a_lost_node_held_goes_on_elsewhere_each_row_once() -> None:
    cluster = Cluster(loses_its_node, works)
    assert set(cluster.run(40)) == set(range(40))
    assert telemetry.snapshot()["t"]["restarts"] == 1
    assert cluster.replicas[0].ended


def test_a_row_that_ends_replicas_is_found_and_set_aside_and_no_other() -> None:
    cluster = Cluster(dies_of(5))
    back = cluster.run(40)
    assert [number for number, answer in back.items() if isinstance(answer, str)] == [5]
    assert back[5].startswith("this request ended the replica")
    assert "OutOfMemoryError: too long" in back[5]
    assert len(cluster.replicas) <= 2 + 4


def test_where_no_replica_ever_starts_the_cause_is_said_at_once() -> None:
    cluster = Cluster(NeverStarts(RuntimeError("ray::MapWorker\n  ...\nValueError: no such dtype: float7")))
    with pytest.raises(TracegenError, match=r"^replica could not be started: ValueError: no such dtype: float7$"):
        cluster.run(1)


@pytest.mark.parametrize("replicas", [1, 3])
def test_without_a_free_place_on_the_cluster_the_wait_ends_with_a_sentence(replicas: int) -> None:
    with pytest.raises(
        TracegenError, match=r"no replica was ready in time: .* The cluster has 1 nodes with 0 GPU, 2 CPU"
    ):
        Cluster(NO_PLACE, replicas=replicas).run(1)


def test_replicas_that_wait_for_a_place_do_not_end_those_that_work() -> None:
    cluster = Cluster(works, NO_PLACE)
    assert set(cluster.run(3 * pool.LIVES)) == set(range(3 * pool.LIVES))
    assert len(cluster.replicas) > pool.LIVES


def test_a_silent_replica_counts_as_lost(capsys: pytest.CaptureFixture[str]) -> None:
    cluster = Cluster(waits, works, stall_timeout=0.1)
    assert set(cluster.run(20)) == set(range(20))
    assert "no answer for 0.1 s" in capsys.readouterr().err


def test_a_replica_that_is_gone_without_a_word_is_noticed() -> None:
    def vanishes(replica: Replica, held: list[int]) -> list[int]:
        replica.dead = bool(held)
        return []

    cluster = Cluster(vanishes, works)
    assert set(cluster.run(20)) == set(range(20))


def test_replicas_that_die_again_and_again_end_the_run() -> None:
    def dies(replica: Replica, held: list[int]) -> "list[int] | BaseException":
        return ActorUnavailableError("connection reset", None) if held else []

    cluster = Cluster(dies, replicas=2)
    with pytest.raises(TracegenError, match="no replica is left"):
        cluster.run(20)
    assert len(cluster.replicas) <= 2 * pool.LIVES


def test_at_the_end_every_pipeline_that_was_ever_started_is_over() -> None:
    cluster = Cluster(loses_its_node, works)
    cluster.run(20)
    cluster.pool.close()
    assert len(cluster.replicas) == 3
    assert all(replica.ended for replica in cluster.replicas)


def test_no_more_rows_are_asked_for_than_replicas_have_seats() -> None:
    cluster = Cluster(works, works)
    most = 0
    given = 0
    back = 0
    while back < 50:
        while cluster.pool.room > 0 and given < 50:
            cluster.pool.give(given, {"number": given})
            given += 1
        most = max(most, given - back)
        for replica in cluster.replicas:
            replica.step()
        back += len(cluster.pool.take(0.001))
    assert SEATS < most <= 2 * SEATS
