"""A function that is called every so many seconds, by a thread of its own, until told to stop."""

import threading
from collections.abc import Callable


class Every:
    """Starts at once; the first call comes after the first `seconds`."""

    def __init__(self, seconds: float, call: Callable[[], object], name: str) -> None:
        self._seconds, self._call = seconds, call
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """No call begins after this; one that hangs is left to itself after a second."""
        self._stopped.set()
        self._thread.join(timeout=1.0)

    def _run(self) -> None:
        while not self._stopped.wait(self._seconds):
            self._call()
