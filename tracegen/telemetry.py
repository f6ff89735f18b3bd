"""What engines say of themselves while they run, for whoever watches: slots, queues, restarts.

An engine calls `gauge` for what stands and `count` for what adds up; the live view and the metrics read `snapshot`.
Names: `in_flight`, `slots` (the present limit), `waiting` and `kv_cache` (a server's own queue, and its cache's use,
0 to 1), `replicas`; counted: `retries`, `throttled` (429 and 503), `restarts`.
"""

import threading
from collections import defaultdict

_values: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
_lock = threading.Lock()


def gauge(who: str, **values: float) -> None:
    """The present values of a teacher's engine (`who` is the teacher's name) or of one of its servers."""
    with _lock:
        _values[who].update(values)


def count(who: str, name: str, by: float = 1) -> None:
    """One more of something."""
    with _lock:
        _values[who][name] += by


def snapshot() -> dict[str, dict[str, float]]:
    """A copy of all values by who said them."""
    with _lock:
        return {who: dict(values) for who, values in _values.items()}


def forget() -> None:
    """Begin anew, as a new run does."""
    with _lock:
        _values.clear()
