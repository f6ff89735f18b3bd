"""Ctrl-C and SIGTERM while answers are in flight: once, nothing more is asked and what is paid for is waited for.

    with gently(lambda: paid_for) as stop:
        ...                       # `stop` is true once the user wants an end; twice raises KeyboardInterrupt

Limits: signals reach the main thread only; in any other thread nothing changes.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from tracegen.progress import say

__all__ = ["Stop", "gently"]


class Stop:
    """Whether the end is wanted."""

    wanted = False

    def __bool__(self) -> bool:
        return self.wanted


@contextmanager
def gently(worth_waiting: Callable[[], bool]) -> Iterator[Stop]:
    """The first interrupt sets the stop if something is worth waiting for; otherwise, and twice, it raises."""
    stop = Stop()

    def interrupted(number: int, frame: FrameType | None) -> None:
        if stop or not worth_waiting():
            raise KeyboardInterrupt
        stop.wanted = True
        say("Stopping: the answers in flight are waited for, because they are paid for. Once more ends at once.")

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, interrupted) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
