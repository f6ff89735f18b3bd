"""Which processes run, by /proc, for the tests that end some."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path


def members(marker: str) -> list[int]:
    """Running processes whose command line holds the marker."""
    return [pid for pid, _, words in _running() if marker.encode() in words]


def session(leader: int) -> list[int]:
    """Running processes of the session that this one leads."""
    return [pid for pid, own, _ in _running() if own == leader]


def until(holds: Callable[[], bool], seconds: float = 15) -> bool:
    deadline = time.monotonic() + seconds
    while not (held := holds()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return held


def _running() -> Iterator[tuple[int, int, bytes]]:
    """Number, session and command line of each."""
    for path in Path("/proc").glob("[0-9]*"):
        try:
            state, _, _, own = (path / "stat").read_text().rpartition(")")[2].split()[:4]
            words = (path / "cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if state != "Z":
            yield int(path.name), int(own), words
