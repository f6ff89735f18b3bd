"""Group commit: a thread writes all rows that are waiting, one fsync covers them, and only then are they handed on.

While the disk works, whoever puts rows in goes on.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
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

    `append(rows)` makes rows durable and returns those that were new. Leaving the `with` block writes all that was put
    in, whatever the reason for leaving. Used from one thread at a time.
    """

    def __init__(self, folder: Path, append: Callable[[Sequence[Row]], Sequence[Row]]) -> None:
        self._folder, self._append = folder, append
        self._waiting: SimpleQueue[Row | Future[None] | None] = SimpleQueue()
        self._durable: SimpleQueue[Row] = SimpleQueue()
        self._hurry = threading.Event()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="ledger")

    def put(self, row: Row) -> None:
        """Hand a row to the writer. TracegenError if the disk refused an earlier one."""
        self._raise_if_failed()
        self._waiting.put(row)

    def durable(self) -> Iterator[Row]:
        """The rows that an fsync has covered since the last call, in order."""
        self._raise_if_failed()
        while not self._durable.empty():
            yield self._durable.get()

    def flush(self) -> None:
        """Wait until everything put in so far is durable."""
        done: Future[None] = Future()
        self._waiting.put(done)
        self._hurry.set()
        wait((done, self._writer), return_when=FIRST_COMPLETED)
        self._raise_if_failed()

    def __enter__(self) -> Self:
        self._writer = self._pool.submit(self._write)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._waiting.put(None)
        self._hurry.set()
        self._pool.shutdown()
        if kind is None:
            self._raise_if_failed()

    def _write(self) -> None:
        more = True
        while more:
            group = [self._waiting.get()]
            if self._hurry.wait(GATHER):
                self._hurry.clear()
            while not self._waiting.empty():
                group.append(self._waiting.get())
            more = None not in group
            if rows := [row for row in group if isinstance(row, dict)]:
                for row in self._append(rows):
                    self._durable.put(row)
            for done in group:
                if isinstance(done, Future):
                    done.set_result(None)

    def _raise_if_failed(self) -> None:
        if not self._writer.done():
            return
        try:
            self._writer.result()
        except OSError as error:
            raise TracegenError(
                f"cannot write the ledger {self._folder}: {error.strerror}; everything before it is safe. "
                "Make room and start the same command again."
            ) from error
