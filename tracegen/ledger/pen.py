"""Group commit: a row is written at once, so that a killed process loses none; an fsync covers all that were written,
so that a dead machine loses none either, and only then are they handed on.

The fsync runs in a thread of its own: while the disk works, whoever puts rows in goes on.
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import Self

from tracegen.ledger.ranks import Row
from tracegen.records import TracegenError

__all__ = ["Pen"]

GATHER = 0.01
"""Seconds for which the first row of a group waits for others, unless somebody waits for it: an fsync costs as much
processor time as writing ten rows."""


class Pen:
    """Takes rows and gives them back once they are durable; what is already stored never comes back.

    `write(row)` says whether the row was new, `sync()` makes durable what was written before it was called. Leaving the
    `with` block makes all durable that was put in, whatever the reason for leaving. Used from one thread at a time.
    """

    def __init__(self, folder: Path, write: Callable[[Row], bool], sync: Callable[[], None]) -> None:
        self._folder, self._write, self._sync = folder, write, sync
        self._written: SimpleQueue[Row | Future[None] | None] = SimpleQueue()
        self._durable: SimpleQueue[Row] = SimpleQueue()
        self._hurry = threading.Event()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="ledger")

    def put(self, row: Row) -> None:
        """Write a row. TracegenError if the disk refuses it, or refused an earlier one."""
        self._raise_if_failed()
        try:
            new = self._write(row)
        except OSError as error:
            raise self._refused(error) from error
        if new:
            self._written.put(row)

    def durable(self) -> Iterator[Row]:
        """The rows that an fsync has covered since the last call, in order."""
        self._raise_if_failed()
        while not self._durable.empty():
            yield self._durable.get()

    def flush(self) -> None:
        """Wait until everything put in so far is durable."""
        done: Future[None] = Future()
        self._written.put(done)
        self._hurry.set()
        wait((done, self._syncing), return_when=FIRST_COMPLETED)
        self._raise_if_failed()

    def __enter__(self) -> Self:
        self._syncing = self._pool.submit(self._sync_all)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._written.put(None)
        self._hurry.set()
        self._pool.shutdown()
        if kind is None:
            self._raise_if_failed()

    def _sync_all(self) -> None:
        more = True
        while more:
            group = [self._written.get()]
            if self._hurry.wait(GATHER):
                self._hurry.clear()
            while not self._written.empty():
                group.append(self._written.get())
            more = None not in group
            if rows := [row for row in group if isinstance(row, dict)]:
                self._sync()
                for row in rows:
                    self._durable.put(row)
            for done in group:
                if isinstance(done, Future):
                    done.set_result(None)

    def _raise_if_failed(self) -> None:
        if not self._syncing.done():
            return
        try:
            self._syncing.result()
        except OSError as error:
            raise self._refused(error) from error

    def _refused(self, error: OSError) -> TracegenError:
        return TracegenError(
            f"cannot write the ledger {self._folder}: {error.strerror}; everything before it is safe. "
            "Make room and start the same command again."
        )
