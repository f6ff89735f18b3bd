"""Replicas on a cluster, each in a pipeline of its own: rows go in by number, each comes back once, whoever is lost.

    pool.room                 how many more rows may be given now
    pool.give(number, row)
    pool.take(seconds)        [(number, row that came back, or one sentence on why none will)]

What a lost replica held is given to the others and a new replica is started, which waits for a place to run. A replica
that dies although its node lives may have been killed by a row: what it held is suspect and goes in again in groups,
half as many at each further death, until a row that is alone is set aside with a sentence.
TracegenError, and never a wait without end: where no replica starts within `start_timeout` and none is left; where
LIVES replicas in a row die without an answer; where the cluster itself is gone. A replica that holds rows and gives
none back for `stall_timeout` counts as lost.
"""

import re
import time
from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue

from tracegen import telemetry
from tracegen.cluster.feed import Feeder, Row
from tracegen.cluster.session import cluster_resources
from tracegen.cluster.stream import Arrival, Stream
from tracegen.progress import say
from tracegen.records import TracegenError

__all__ = ["Pool", "cause"]

LIVES = 8
"""Replicas that may follow each other in one place without an answer: as many as finding one row among 128 may take."""
LAST_WORDS = 15.0
"""Seconds that a pipeline may take to end once its replica was killed."""
ASK = 0.2
"""Seconds between two looks at who took what, where there is nothing to hand out."""
WATCH = 5.0
"""Seconds between two looks at who is still there."""
_CAUSE = re.compile(r"\b(?!UserCode)\w+(?:Error|Exception): .+")
_DEATH = re.compile(r"(?:dead|died) because ([^.]+)")

Launch = Callable[..., Stream]
"""`Stream` with all arguments but the feed and the queue of arrivals."""


class Pool:
    """`count` replicas, each with `seats` rows at a time; `launch` starts one. `what` names one in messages."""

    def __init__(
        self, launch: Launch, feeder: Feeder, *, who: str, what: str, count: int, seats: int, stall_timeout: float
    ) -> None:
        self._launch, self._feeder, self._who, self._what = launch, feeder, who, what
        self._seats, self._stall_timeout = seats, stall_timeout
        self._open: dict[int, Row] = {}
        self._held: dict[int, str] = {}
        self._waiting: deque[int] = deque()
        self._suspects: deque[int] = deque()
        self._on_trial: set[int] = set()
        self._group = 0
        self._answered: Counter[str] = Counter()
        self._arrivals: SimpleQueue[Arrival] = SimpleQueue()
        self._asked = self._watched = time.monotonic()
        self._failures = [0] * count
        self._starved: set[int] = set()
        self._ever_ready = False
        self._started: list[Stream] = []
        self._streams: list[Stream | None] = [self._start() for _ in range(count)]

    @property
    def room(self) -> int:
        ready = sum(stream.ready for stream in self._streams if stream)
        telemetry.gauge(self._who, in_flight=len(self._open), slots=ready * self._seats, replicas=ready)
        return self._seats * max(1, ready) - len(self._open)

    def give(self, number: int, row: Row) -> None:
        self._open[number] = row
        self._waiting.append(number)

    def take(self, seconds: float) -> list[tuple[int, Row | str]]:
        """What came back by now; waits at most `seconds` for something to come back."""
        if self._waiting or self._answered or self._suspects or time.monotonic() - self._asked > ASK:
            self._exchange()
        found: list[tuple[int, Row | str]] = []
        timeout = seconds
        with suppress(Empty):
            while True:
                stream, rows, error = self._arrivals.get(timeout=timeout) if timeout else self._arrivals.get_nowait()
                timeout = 0.0
                found += self._back(stream, rows)
                if error is not None and stream in self._streams:
                    found += self._lost(stream, error)
        if time.monotonic() - self._watched > WATCH:
            found += self._watch()
        return found

    def close(self) -> None:
        """End everything; what is not answered is lost."""
        ended = tuple(stream.name for stream in self._streams if stream)
        with suppress(TracegenError):
            self._feeder.exchange([], {}, ended)
        for stream in filter(None, self._streams):
            stream.end()
        # Ray ends the whole program where a thread still asks it for something after the connection was closed.
        for stream in self._started:
            stream.join(LAST_WORDS)
        self._feeder.close()

    def _start(self) -> Stream:
        stream = self._launch(self._feeder.actor, arrivals=self._arrivals)
        self._started = [other for other in self._started if not other.join(0)] + [stream]
        return stream

    def _exchange(self, ended: tuple[str, ...] = ()) -> None:
        """Hand out what waits, and learn who took what."""
        self._asked = time.monotonic()
        if not self._on_trial and self._suspects:
            self._on_trial = {self._suspects.popleft() for _ in range(min(self._group, len(self._suspects)))}
            self._waiting.extendleft(self._on_trial)
        rows = [(number, self._open[number]) for number in self._waiting if number in self._open]
        taken, ready = self._feeder.exchange(rows, dict(self._answered), ended)
        self._waiting.clear()
        self._answered.clear()
        busy = set(self._held.values()) if taken else set()
        self._held.update((number, name) for name, number in taken if number in self._open)
        for stream in filter(None, self._streams):
            if stream.name in ready and not stream.ready:
                stream.ready = self._ever_ready = True
                self._starved.clear()
            # A replica that held nothing was not silent.
            if stream.name not in busy and any(name == stream.name for name, _ in taken):
                stream.last = time.monotonic()

    def _back(self, stream: Stream, rows: list[Row]) -> list[tuple[int, Row | str]]:
        found: list[tuple[int, Row | str]] = []
        for row in rows:
            number = row["number"]
            stream.answered += 1
            stream.last = time.monotonic()
            self._answered[stream.name] += 1
            # A replica that was given up may still speak, and another may have been asked since.
            if self._open.pop(number, None) is not None:
                self._held.pop(number, None)
                self._on_trial.discard(number)
                found.append((number, row))
        return found

    def _watch(self) -> list[tuple[int, Row | str]]:
        """Replicas that are gone without a word, or that hold rows and are silent."""
        self._watched = now = time.monotonic()
        busy = set(self._held.values())
        found: list[tuple[int, Row | str]] = []
        for stream in [stream for stream in self._streams if stream and stream.ready]:
            if stream.name in busy and now - stream.last > self._stall_timeout:
                found += self._lost(stream, TimeoutError(f"no answer for {self._stall_timeout:g} s"))
            elif not stream.alive():
                found += self._lost(stream, RuntimeError("it is gone"))
        return found

    def _lost(self, stream: Stream, error: BaseException) -> list[tuple[int, Row | str]]:
        """A replica is lost: what it held goes in again, and another one is started in its place."""
        import ray

        place = self._streams.index(stream)
        self._streams[place] = None
        stream.end()
        self._exchange((stream.name,))
        held = [number for number, name in self._held.items() if name == stream.name]
        for number in held:
            del self._held[number]
        no_room = isinstance(error, ray.exceptions.GetTimeoutError) and not stream.ready
        if no_room:
            self._starved.add(place)
            self._refuse_to_starve()
        else:
            self._failures[place] = 0 if stream.answered else self._failures[place] + 1
        if not self._ever_ready and not no_room and not _of_node(error):
            raise TracegenError(f"{self._what} could not be started: {cause(error)}")
        if self._failures[place] >= LIVES:
            say(f"{self._what} is given up after {LIVES} lives without an answer: {cause(error)}")
            if not any(self._streams):
                raise TracegenError(f"no {self._what} is left: {cause(error)}")
        else:
            if not no_room:
                telemetry.count(self._who, "restarts")
                say(f"a {self._what} was lost ({cause(error)}); {len(held)} unfinished requests go on elsewhere.")
            self._streams[place] = self._start()
        if not stream.ready or _of_node(error):
            self._waiting.extend(held)
            return []
        return self._suspect(held, error)

    def _refuse_to_starve(self) -> None:
        """TracegenError where no replica works, and each has waited in vain since one last did."""
        waiting = {place for place, stream in enumerate(self._streams) if stream}
        if not any(stream.ready for stream in self._streams if stream) and waiting <= self._starved:
            raise TracegenError(
                f"no {self._what} was ready in time: it waited for a place, or for its model. The cluster has "
                f"{cluster_resources()}; see `ray status`, the option resources, and start_timeout."
            )

    def _suspect(self, held: list[int], error: BaseException) -> list[tuple[int, Row | str]]:
        """Rows that were there when a replica died on a node that lives."""
        tried = [number for number in held if number in self._on_trial]
        if not tried:
            self._suspects.extend(held)
            self._group = max(1, -(-len(self._suspects) // 2))
            return []
        self._waiting.extend(number for number in held if number not in self._on_trial)
        self._on_trial.difference_update(tried)
        if len(tried) > 1:
            self._suspects.extendleft(tried)
            self._group = len(tried) // 2
            return []
        del self._open[tried[0]]
        return [(tried[0], f"this request ended the replica that worked on it, more than once: {cause(error)}")]


def _of_node(error: BaseException) -> bool:
    """Whether the replica was lost because its node was: no row is to blame."""
    from ray.exceptions import ActorUnavailableError, NodeDiedError

    return isinstance(error, (ActorUnavailableError, NodeDiedError)) or "its node has died" in str(error)


def cause(error: BaseException) -> str:
    """The last cause that a chain of remote errors names, in one line; that Ray ran it in somebody's code is none."""
    text = str(error)
    if death := _DEATH.search(text):
        return death[1]
    causes = _CAUSE.findall(text) or [text or type(error).__name__]
    return " ".join(causes[-1].split())[:300]
