"""How much of something came in the last minute, second by second: memory and time do not grow with what comes."""

import time
from collections import deque

SECONDS = 60


class Window:
    """A sum over the last `SECONDS`; not thread-safe, its owner holds a lock."""

    def __init__(self) -> None:
        self._seconds: deque[list[float]] = deque()
        self._sum = 0.0
        self._start = time.monotonic()

    def add(self, amount: float, now: float) -> None:
        """So much more, at `now` (time.monotonic)."""
        second = now // 1
        if self._seconds and self._seconds[-1][0] >= second:
            self._seconds[-1][1] += amount
        else:
            self._forget(now)
            self._seconds.append([second, amount])
        self._sum += amount

    def include(self, other: "Window", now: float) -> None:
        """Add what another one has now; for a sum that is looked at once."""
        other._forget(now)
        self._sum += other._sum
        self._start = min(self._start, other._start)

    def rate(self, now: float) -> float:
        """So much a second: over the last minute, or since the start where that is not so long ago."""
        self._forget(now)
        return self._sum / min(SECONDS, max(1.0, now - self._start))

    def _forget(self, now: float) -> None:
        while self._seconds and self._seconds[0][0] < now - SECONDS:
            self._sum -= self._seconds.popleft()[1]
