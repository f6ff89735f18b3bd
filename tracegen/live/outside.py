"""A run that can be watched from outside while it goes on: `status.json`, a log for machines, metrics.

    with watched(run): ...

`options` holds what the command line says. A file that cannot be written is an error before anything begins; after
that nothing here stops a run, be it a full disk or a reader who reads no more.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from tracegen import __version__, telemetry
from tracegen.live.every import Every
from tracegen.live.metrics import exposition, serve
from tracegen.live.record import Record
from tracegen.progress import console, event_line, last_word, listeners, log, say, tell
from tracegen.records import TracegenError, UsageError
from tracegen.rundir import STATUS, write_atomically
from tracegen.stream import Stream

STATUS_EVERY = 2.0
LOG_EVERY = 10.0
"""Seconds between two writings of `status.json`, and between two `progress` events of the log."""


@dataclass
class Options:
    """Who wants to know what; the command line sets them."""

    quiet: bool = False
    json_log: str | None = None
    """A file, or `-` for stderr, which then has nothing else."""
    metrics: str | None = None
    """PORT or HOST:PORT."""


options = Options()


@contextmanager
def watched(run: Path) -> Iterator[None]:
    """The run is watched as `options` say, and says at its end how it ended."""
    telemetry.forget()
    record = Record(run)
    with ExitStack() as stack:
        stack.callback(setattr, console, "quiet", console.quiet)
        console.quiet = options.quiet or log.alone
        if options.json_log:
            _listen(stack, _log(options.json_log, stack))
        _listen(stack, lambda event, fields: _remember(record, event, fields))
        if options.metrics:
            record.metrics = serve(options.metrics, lambda: exposition(record.document()), stack)
            say(f"metrics: {record.metrics}")
        for seconds, call in ((STATUS_EVERY, lambda: _write(run, record)), (LOG_EVERY, lambda: _progress(record))):
            stack.callback(Every(seconds, call, "watched").stop)
        tell("start", **record.document(), version=__version__)
        _write(run, record)
        status, error = 0, None
        try:
            yield
        except BaseException as raised:
            status, error = _ending(raised)
            raise
        finally:
            record.ended(status, error)
            tell("end", **record.document())
            _write(run, record)
            if not log.alone:
                last_word()


Listener = Callable[[str, Mapping[str, Any]], None]


def _listen(stack: ExitStack, listener: Listener) -> None:
    listeners.append(listener)
    stack.callback(listeners.remove, listener)


def _log(where: str, stack: ExitStack) -> Listener:
    """Writes one JSON object a line, and waits for nobody."""
    if where == "-":
        return log.write
    file = stack.enter_context(_appended(where))
    stream = Stream(lambda: file)

    def write(event: str, fields: Mapping[str, Any]) -> None:
        stream.write(event_line(event, fields))
        stream.flush()

    return write


def _appended(where: str) -> TextIO:
    try:
        return open(where, "a", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write the log {where}: {error.strerror}.") from None


def _remember(record: Record, event: str, fields: Mapping[str, Any]) -> None:
    if event == "stage_end":
        record.keep(fields["stage"], dict(fields))


def _progress(record: Record) -> None:
    document = record.document()
    if document["stage"] is not None:
        tell("progress", **document["stages"][document["stage"]])


def _write(run: Path, record: Record) -> None:
    with suppress(OSError):  # the ledger says that the disk is full, and it must
        write_atomically(run / STATUS, json.dumps(record.document(), indent=1, default=str) + "\n")


def _ending(raised: BaseException) -> tuple[int, str | None]:
    if isinstance(raised, TracegenError):
        return raised.exit_status, str(raised)
    if isinstance(raised, KeyboardInterrupt):
        return 130, "interrupted"
    return 1, f"{type(raised).__name__}: {raised}"
