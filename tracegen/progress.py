"""Progress of long work: a bar with rate, pass rate and time left on a terminal, a line now and then elsewhere."""

import sys
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

console = Console(stderr=True, highlight=False)
LINE_EVERY = 20.0
"""Seconds between two lines where the output is not a terminal."""


def say(text: str) -> None:
    """One line for the user, on stderr."""
    console.print(text, markup=False, soft_wrap=True)


class Bar:
    """Counts units of work; `note` is shown beside the rate. `total` is None where the end is not known.

    Nothing is shown where `quiet`. What others write to stdout meanwhile is left alone.
    """

    def __init__(self, what: str, total: int | None, unit: str, *, quiet: bool = False) -> None:
        self.what, self.total, self.unit, self.quiet = what, total, unit, quiet
        self.done = self._printed = 0
        self.note = ""
        self._start = self._last = time.monotonic()
        self._progress: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        if console.is_terminal and not self.quiet:
            self._progress = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[note]}"),
                TimeRemainingColumn(),
                console=console,
                redirect_stdout=False,
            )
            self._progress.start()
            self._task = self._progress.add_task(self.what, total=self.total, note="")
        return self

    def advance(self, count: int = 1, note: str = "") -> None:
        self.at(self.done + count, note)

    def at(self, done: int, note: str = "") -> None:
        """So many units are done."""
        self.done = done
        self.note = note or self.note
        if self._progress is not None and self._task is not None:
            note = f"{self.rate():.1f} {self.unit}/s {self.note}"
            self._progress.update(self._task, completed=self.done, total=self.total, note=note)
        elif time.monotonic() - self._last > LINE_EVERY:
            self._print()

    def rate(self) -> float:
        """Units per second since the start."""
        return self.done / max(1e-9, time.monotonic() - self._start)

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress is not None:
            self._progress.stop()
        elif self.done > self._printed:
            self._print()
        sys.stderr.flush()

    def _print(self) -> None:
        if self.quiet:
            return
        self._last, self._printed = time.monotonic(), self.done
        parts = [f"{self.done} {self.unit}" if self.total is None else f"{self.done} of {self.total}"]
        parts += [f"{self.rate():.1f} {self.unit}/s", *filter(None, [self.note])]
        if self.total is not None:
            parts.append(f"{(self.total - self.done) / max(1e-9, self.rate()):.0f} s left")
        say(f"{self.what}: {', '.join(parts)}")
