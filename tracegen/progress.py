"""Progress of long work: a bar with rate, pass rate and time left on a terminal, a line now and then elsewhere.

    say(text)        a line for the user, silent where `console.quiet`
    conclude(text)   the line that a stage ends with; where all else is silent, the last one is still shown
    during(stage)    a stage that says no more of itself than that it goes on
    Bar              counts units of work
    begin, end       a stage that has figures of its own is under way, and is over
    going_on         what is under way, outermost first, for whoever watches (tracegen.live)
    listeners        are told of every event, as `tell(event, **fields)`

Everything goes to stderr, through a stream that holds nobody up.
"""

import json
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import IO, Any, Protocol, Self, TypeVar, cast

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from tracegen.redact import without_secrets
from tracegen.stream import Stream, present_stderr

Unit = TypeVar("Unit")
console = Console(file=cast(IO[str], Stream(present_stderr)), highlight=False)
LINE_EVERY = 20.0
"""Seconds between two lines where the output is not a terminal."""


class Activity(Protocol):
    """Something that is under way and can be asked how far it is."""

    stage: str

    def figures(self) -> Mapping[str, Any]: ...


class Holding:
    """Lines that wait for the next screen: each alone would have the whole screen drawn again."""

    def __init__(self) -> None:
        self.screens = 0
        self.lines: deque[str] = deque()

    def let_go(self) -> None:
        """Show what waits; whoever draws a screen calls it before, and after its last one."""
        found = []
        while self.lines:
            found.append(self.lines.popleft())
        if found:
            console.print("\n".join(found), markup=False, soft_wrap=True)


class Log:
    """JSON lines on stderr."""

    alone = False
    """Nothing else is written there."""

    def write(self, event: str, fields: Mapping[str, Any]) -> None:
        console.file.write(event_line(event, fields))
        console.file.flush()


log = Log()
holding = Holding()
going_on: list[Activity] = []
listeners: list[Callable[[str, Mapping[str, Any]], None]] = []
_concluded: list[str] = []


def say(text: str) -> None:
    """One line for the user."""
    text = str(without_secrets(text))
    tell("said", text=text)
    if holding.screens:
        holding.lines.append(text)
    else:
        console.print(text, markup=False, soft_wrap=True)


def complain(text: str) -> None:
    """An error, which is shown whatever else is not."""
    text = str(without_secrets(text))
    tell("error", text=text)
    if not log.alone:
        _aloud(text)
    elif not listeners:  # the log is closed, or not open yet
        log.write("error", {"text": text})


def conclude(text: str) -> None:
    """What a stage ends with."""
    say(text)
    _concluded[:] = [str(without_secrets(text))] if console.quiet else []


def last_word() -> None:
    """Where nothing else was shown, the conclusion of the last stage is."""
    if _concluded:
        _aloud(_concluded.pop())


def tell(event: str, **fields: Any) -> None:
    """An event, for machines."""
    for listener in listeners:
        listener(event, fields)


def _aloud(text: str) -> None:
    """Where the console is quiet, too."""
    Console(file=console.file, highlight=False).print(text, markup=False, soft_wrap=True)


def event_line(event: str, fields: Mapping[str, Any]) -> str:
    """An event as one line of a log."""
    return json.dumps({"time": round(time.time(), 3), "event": event, **fields}, ensure_ascii=False, default=str) + "\n"


def begin(activity: Activity) -> None:
    """It is under way from now on."""
    going_on.append(activity)
    tell("stage_start", stage=activity.stage)


def end(activity: Activity) -> Mapping[str, Any]:
    """It is over; returns its last figures."""
    going_on.remove(activity)
    figures = activity.figures()
    tell("stage_end", **figures)
    return figures


@contextmanager
def during(stage: str) -> Iterator[None]:
    """This stage goes on; it says no more of itself than for how long."""
    activity = _Stage(stage)
    begin(activity)
    try:
        yield
    finally:
        end(activity)


class _Stage:
    def __init__(self, stage: str) -> None:
        self.stage = stage
        self._start = time.monotonic()

    def figures(self) -> dict[str, Any]:
        return {"stage": self.stage, "seconds": round(time.monotonic() - self._start, 1)}


class Bar:
    """Counts units of work; `note` is shown beside the rate. `total` is None where the end is not known.

    Nothing is shown where `quiet`. What others write to stdout meanwhile is left alone.
    """

    def __init__(self, what: str, total: int | None, unit: str, *, quiet: bool = False) -> None:
        self.stage, self.total, self.unit, self.quiet = what, total, unit, quiet
        self.done = self._printed = 0
        self.note = ""
        self._start = self._last = time.monotonic()
        self._progress: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        begin(self)
        if console.is_terminal and not (self.quiet or console.quiet):
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
            self._task = self._progress.add_task(self.stage, total=self.total, note="")
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

    def over(self, units: Iterable[Unit]) -> Iterator[Unit]:
        """The same, each counted once whoever takes them is done with it."""
        for unit in units:
            yield unit
            self.advance()

    def rate(self) -> float:
        """Units per second since the start."""
        return self.done / max(1e-9, time.monotonic() - self._start)

    def figures(self) -> dict[str, Any]:
        left = (self.total - self.done) / self.rate() if self.total and self.done else None
        return {
            "stage": self.stage,
            "seconds": round(time.monotonic() - self._start, 1),
            "done": self.done,
            "total": self.total,
            "unit": self.unit,
            "per_second": round(self.rate(), 3),
            "note": self.note,
            "seconds_left": left and round(left, 1),
        }

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        end(self)
        if self._progress is not None:
            self._progress.stop()
        elif self.done > self._printed:
            self._print()

    def _print(self) -> None:
        if self.quiet:
            return
        self._last, self._printed = time.monotonic(), self.done
        parts = [f"{self.done} {self.unit}" if self.total is None else f"{self.done} of {self.total}"]
        parts += [f"{self.rate():.1f} {self.unit}/s", *filter(None, [self.note])]
        if self.total is not None:
            parts.append(f"{(self.total - self.done) / max(1e-9, self.rate()):.0f} s left")
        say(f"{self.stage}: {', '.join(parts)}")
