"""Text that waits for nobody: what is written here reaches a slow terminal late and a closed one not at all.

A thread of its own writes to the file that `target()` names at that moment. Whoever writes waits for it no longer than
`PATIENCE`, and while it is stuck not at all, so that lines come in order where somebody reads, and nothing stops where
nobody does. What is more than `BACKLOG` behind is dropped.
"""

import os
import sys
import threading
from collections import deque
from collections.abc import Callable
from typing import TextIO

PATIENCE = 0.5
"""Seconds that a writer waits for a terminal that does not take its text."""
BACKLOG = 1_000_000
"""Characters that wait for it at most."""


class Stream:
    """A file to write text to; it never fails and never blocks for long."""

    def __init__(self, target: Callable[[], TextIO | None]) -> None:
        self._target = target
        self._waiting: deque[str] = deque()
        self._size = 0
        self._writing = self._stuck = False
        self._gone: TextIO | None = None
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def isatty(self) -> bool:
        file = self._target()
        try:
            return file is not None and file.isatty()
        except ValueError:  # closed
            return False

    @property
    def encoding(self) -> str:
        return getattr(self._target(), "encoding", None) or "utf-8"

    def write(self, text: str) -> int:
        with self._changed:
            if text and self._size + len(text) <= BACKLOG:
                self._size += len(text)
                self._waiting.append(text)
                self._changed.notify_all()
                if self._thread is None or not self._thread.is_alive():
                    self._thread = threading.Thread(target=self._run, name="stream", daemon=True)
                    self._thread.start()
        return len(text)

    def flush(self) -> None:
        with self._changed:
            if not self._stuck:
                self._stuck = not self._changed.wait_for(lambda: not (self._waiting or self._writing), PATIENCE)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting)
                text = "".join(self._waiting)
                self._waiting.clear()
                self._size, self._writing = 0, True
            self._write(text)
            with self._changed:
                self._writing = self._stuck = False
                self._changed.notify_all()

    def _write(self, text: str) -> None:
        file = self._target()
        if file is None or file is self._gone:
            return
        own = sys.__stderr__
        try:
            if own is not None and file is own:
                # Past the file's own lock: a thread that holds it at the end of the process would bring that down.
                descriptor = own.fileno()
                lines = memoryview(text.encode(self.encoding, "backslashreplace"))
                while lines:
                    lines = lines[os.write(descriptor, lines) :]
            else:
                file.write(text)
                file.flush()
        except (OSError, ValueError):  # closed by the one who read it, or by ourselves
            self._gone = file


def present_stderr() -> TextIO | None:
    """What stderr is now, behind whatever rich has put before it."""
    file: TextIO | None = sys.stderr
    return getattr(file, "rich_proxied_file", file)
