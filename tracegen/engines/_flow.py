"""How many requests one server is given at once: pure arithmetic on a clock, with no input or output.

limit      grows by one per round trip while it is used up, and shrinks once for a burst of refusals (429, 503) to 0.7
           of what is in flight. A burst lasts until a request that was sent after it has been answered. Back to where
           it was it grows faster.
pause      after a refusal nothing is sent for a while (Retry-After, or a jittered wait that grows); then one request
           goes ahead, and the number allowed doubles with each second without a refusal, faster with answers.
climb      of more in flight, the server must make more: where tokens a second stay flat, the limit goes back.
steering   where the server tells its queue (vLLM's metrics), the limit follows the queue instead.
trouble    how long nothing but failures has come, for whoever breaks the circuit.

Limits: one window of the climb needs two answers for each request in flight, so with answers of minutes it is slow.
"""

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["Flow", "shared"]

FIRST_PAUSE, LONGEST_PAUSE, PAUSE_GROWTH = 0.3, 10.0, 1.3
"""Seconds. A refusal costs nothing but the request, so a server in a storm is asked again soon."""
DECREASE = 0.7
REGAIN, FADE = 0.5, 0.9
"""Of the way back to where a burst of refusals met the limit, so much is regained per round trip, for that was good
until then (binary increase: Xu, Harfoush and Rhee 2004). With each burst what was good before counts for less."""
RAMP_STEP = 1.0
"""Seconds without a refusal after which twice as many requests are let through: long answers need not be awaited."""
WINDOW = 1.0
"""Seconds that a window of the climb takes at least."""
MORE, WORTH, HOLD, FORGET = 1.1, 1.02, 10, 0.995
"""More than 10 % more in flight must bring more than 2 % more tokens a second, or the limit goes back below where the
best rate was and rests for ten windows. The best rate is forgotten by half a percent a window: servers change."""
SHORT_QUEUE = 0.1
"""Of the limit: as many may wait inside the server, so that a seat that falls free is taken at once."""
FULL_CACHE = 0.9


class Flow:
    """One server and model. Several engines of a process may share one, each in a thread of its own."""

    def __init__(
        self,
        start: int,
        ceiling: int,
        *,
        clock: Callable[[], float] = time.monotonic,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self.limit, self.ceiling = float(start), ceiling
        self.answered_last = self.trouble = None  # type: float | None
        self._clock, self._draw = clock, draw
        self._lock = threading.Lock()
        self._sent: dict[int, float] = {}
        self._number = 0
        self._since = float("-inf")
        self._proved = True
        self._pause, self._resume, self._asked_until = FIRST_PAUSE, float("-inf"), float("-inf")
        self._ramping, self._tried, self._good, self._first_try = False, 0, 0, 0.0
        self._filled, self._lost = float("-inf"), 0.0
        self._window = _Window(clock())
        self._best: tuple[float, float] = (0.0, 0.0)
        self._held = 0
        self._steered = False
        self._preempted = 0.0

    @property
    def in_flight(self) -> int:
        return len(self._sent)

    @property
    def slots(self) -> int:
        """The limit as a whole number."""
        return max(1, int(self.limit))

    def room(self) -> int:
        """How many requests may be sent now."""
        with self._lock:
            now = self._clock()
            if now < self._resume:
                return 0
            free = self.slots - len(self._sent)
            if self._ramping:
                calm = now - self._first_try if self._tried else 0.0
                allowed = 2 ** min(20, int(calm / RAMP_STEP)) + 2 * self._good
                if allowed < self.limit or (not self._good and calm < RAMP_STEP):
                    return max(0, min(free, allowed - self._tried))
                # So many were let through and not refused that the server is itself again.
                self._ramping, self.trouble = False, None
            return max(0, free)

    def wake(self) -> float | None:
        """Seconds until there may be room without an answer; None if only an answer makes room."""
        now = self._clock()
        if now < self._resume:
            return self._resume - now
        return RAMP_STEP / 4 if self._ramping else None

    def send(self) -> int:
        """A request goes out; gives the number to report its end with."""
        with self._lock:
            self._number += 1
            self._sent[self._number] = now = self._clock()
            if len(self._sent) >= self.slots:
                self._filled = now
            if self._ramping:
                self._first_try = self._first_try if self._tried else now
                self._tried += 1
            return self._number

    def answered(self, number: int, tokens: int | None) -> None:
        """An answer came. The limit grows if it stood in the way, and the climb counts what was made."""
        with self._lock:
            now, flying = self._clock(), len(self._sent)
            sent = self._sent.pop(number)
            full = sent <= self._filled
            self.answered_last, self.trouble = now, None
            if sent >= self._since:
                self._proved = True
                self._good += self._ramping
            if full and not self._steered:
                self._grow(max(1.0, REGAIN * (self._lost - self.limit)) / self.limit)
            self._window.add(now - sent, tokens or 1, flying)
            if self._ramping:
                self._window = _Window(now)
            elif self._window.over(now, self.slots):
                self._climb(self._window.rate, full)
                self._window = _Window(now)

    def refused(self, number: int, retry_after: float | None = None, *, fewer: bool = True) -> None:
        """429 or 503; without `fewer`, nobody was there to refuse: the wait is the same, the limit stays."""
        with self._lock:
            now, flying = self._clock(), len(self._sent)
            sent = self._sent.pop(number)
            self.trouble = now if self.trouble is None else self.trouble
            if sent >= self._since:  # otherwise it is of a burst that has had its effect
                self._since = now
                if self._proved and fewer:
                    self._lost = max(self.limit, FADE * self._lost)
                    # Few in flight say little of how many would be too many.
                    self.limit = max(1.0, DECREASE * min(self.limit, max(flying, self.limit / 2)))
                self._pause = FIRST_PAUSE if self._proved else min(LONGEST_PAUSE, self._pause * PAUSE_GROWTH)
                self._proved, self._ramping, self._tried, self._good = False, True, 0, 0
                self._resume = max(self._resume, now + self._pause * (0.8 + 0.4 * self._draw()))
                self._best, self._held = (0.0, 0.0), 0
            if retry_after is not None:
                self._rest(now + retry_after * (1 + 0.1 * self._draw()))

    def rest(self, seconds: float) -> None:
        """The server says that nothing is left of its rate limit for so long."""
        with self._lock:
            self._rest(self._clock() + seconds)

    def failed(self, number: int) -> None:
        """The request failed for a reason of its own, as far as anybody can tell."""
        with self._lock:
            del self._sent[number]
            self.trouble = self._clock() if self.trouble is None else self.trouble

    def gone(self, number: int) -> None:
        """The request was given up on our side, or the answer says nothing of the server's load."""
        with self._lock:
            self._sent.pop(number, None)

    def queue(self, waiting: float, kv_cache: float, preempted: float) -> None:
        """What the server says of its own queue: it is to be short, and never empty while there is room."""
        with self._lock:
            thrashing = preempted > self._preempted and self._steered
            full = len(self._sent) >= self.slots
            self._steered, self._preempted = True, preempted
            short = max(2.0, SHORT_QUEUE * self.limit)
            if waiting > short or thrashing:
                fewer = DECREASE * self.limit
                if not thrashing:
                    fewer = max(fewer, min(self.limit, len(self._sent)) - (waiting - short))
                self.limit = max(1.0, min(self.limit, fewer))
            elif waiting == 0 and kv_cache < FULL_CACHE and full and not self._ramping:
                self._grow(max(1.0, 0.1 * self.limit))

    def stuck(self) -> float:
        """Seconds in which nothing but failures came, while nothing that was sent before is still under way."""
        with self._lock:
            oldest = next(iter(self._sent.values()), float("inf"))
            return 0.0 if self.trouble is None or oldest < self.trouble else self._clock() - self.trouble

    def taken(self) -> int:
        """How many requests the server would have by now, if there were enough."""
        return min(self.slots, self.in_flight + self.room())

    def answered_since(self, number: int) -> bool:
        """Whether the server has answered anybody since this request was sent."""
        return self.answered_last is not None and self.answered_last > self._sent[number]

    def asked_to_wait(self) -> float:
        """Seconds for which the server wants to be left alone."""
        return max(0.0, self._asked_until - self._clock())

    def _rest(self, until: float) -> None:
        self._asked_until = max(self._asked_until, until)
        self._resume = max(self._resume, until)

    def _grow(self, by: float) -> None:
        if self._held == 0:
            self.limit = min(max(self.limit, self.ceiling), self.limit + by)

    def _climb(self, rate: float, full: bool) -> None:
        best, best_limit = self._best
        self._best = best * FORGET, best_limit
        if self._held:
            self._held -= 1
        elif rate > best * WORTH:
            self._best = rate, self.limit
        elif full and not self._steered and self.limit > best_limit * MORE:
            self.limit, self._held = max(1.0, best_limit / MORE), HOLD


class _Window:
    """What came back in a stretch of time."""

    def __init__(self, began: float) -> None:
        self._began = began
        self._seconds = self._tokens = 0.0
        self._flying = self._answers = 0

    def add(self, seconds: float, tokens: int, flying: int) -> None:
        """An answer, with how many were in flight when it came."""
        self._seconds += seconds
        self._tokens += tokens
        self._flying += flying
        self._answers += 1

    def over(self, now: float, slots: int) -> bool:
        return now - self._began >= WINDOW and self._answers >= 2 * slots

    @property
    def rate(self) -> float:
        """Tokens a second, by Little's law: answers that come in waves would be counted wrongly from edge to edge."""
        return self._tokens / max(self._seconds, 1e-9) * self._flying / self._answers


_flows: dict[tuple[str, str], tuple[Flow, int]] = {}
_flows_lock = threading.Lock()


@contextmanager
def shared(base_url: str, model: str, start: int, ceiling: int) -> Iterator[Flow]:
    """The one flow of this process to this model on this server; whoever joins later only adds its limits."""
    with _flows_lock:
        flow, users = _flows.get((base_url, model)) or (Flow(start, ceiling), 0)
        flow.limit, flow.ceiling = max(flow.limit, float(start)), max(flow.ceiling, ceiling)
        _flows[base_url, model] = flow, users + 1
    try:
        yield flow
    finally:
        with _flows_lock:
            flow, users = _flows.pop((base_url, model))
            if users > 1:
                _flows[base_url, model] = flow, users - 1
