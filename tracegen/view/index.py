"""Makes the index of a run, in a process of its own: `python -m tracegen.view.index RUN FOLDER`.

First come the first rows of a large run, within a second; then all rows, without their texts; then status and first
words of each, segment by segment. Every step is a whole version of the index, from which pages are served. What was
made of sealed segments, of the verdict log and of the problems is kept, so that a run that goes on costs what is new.

The process ends when the index is whole and the run at rest, and when whoever started it is gone.
"""

import fcntl
import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import duckdb

from tracegen.ledger import segments
from tracegen.records import TracegenError
from tracegen.rundir import owner
from tracegen.view import join, load, pieces, state
from tracegen.view.state import State
from tracegen.view.summary import summary

FEW_ROWS = 2_000
"""Of the first version of a large run."""
LARGE = 8 << 20
"""Bytes of ledger and log that take longer to read than anybody waits for a first page."""
MEGABYTES = 400
"""Of the database: enough for a million traces. A larger run, of which not all can go to disk, gets twice as much."""
REST = 4
"""Between two versions, so many times as long as one takes: the index leaves the machine to the run."""
LOOK = 0.5
"""Seconds between two looks at the files of a run that goes on."""


class Index:
    """Versions of the index of one run, each from what stands on disk at the time."""

    def __init__(self, run: Path, folder: Path) -> None:
        self.run, self.folder = run, folder
        self.state = state.load(folder)
        self._live = pieces.Live()
        self._megabytes = MEGABYTES
        self._database = join.connect(folder, MEGABYTES)

    def update(self) -> Iterator[float]:
        """One version after the other, until one is whole; yields the seconds that each took."""
        stamp = state.stamp(self.run)
        if self.state.stamp == stamp and self.state.whole:
            return
        files = segments(self.run / "traces")
        if not self.state.number and self._large(files):
            yield self._version(files[:1], "", few=True)
        if self.state.stamp != stamp:
            yield self._version(files, stamp)
        cost, since = 0.0, time.monotonic()
        for path in files:
            made = path.suffix == ".parquet" and load.make_words(path, self.folder)
            if made and time.monotonic() - since > REST * cost:
                cost = self._version(files, stamp)
                since = time.monotonic()
                yield cost
        if not self.state.whole:
            yield self._version(files, stamp)

    def _version(self, files: Sequence[Path], stamp: str, few: bool = False) -> float:
        """Join what is there, and make it the newest version; the seconds that it took."""
        started = time.monotonic()
        while True:
            try:
                self._make(files, stamp, few)
            except duckdb.OutOfMemoryException:
                self._megabytes *= 2
                self._database.close()
                self._database = join.connect(self.folder, self._megabytes)
            else:
                return time.monotonic() - started

    def _make(self, files: Sequence[Path], stamp: str, few: bool) -> None:
        database = self._database
        names = tuple(path.stem for path in files)
        sealed = [path for path in files if path.suffix == ".parquet"]
        self._live.update([path for path in files if path.suffix == ".jsonl"], FEW_ROWS if few else None)
        load.segments(database, files, self.folder)
        load.live_rows(database, self._live, names)
        load.words(database, sealed, self.folder)
        load.problems(database, self.run, self.folder, few)
        load.hearings(database, self.run, self.folder, few)
        load.drops(database, self.run)
        load.kept(database, self.run)
        number = self.state.number + 1
        table = state.table(self.folder, number)
        rows = join.write(database, table, sealed, FEW_ROWS if few else None)
        whole = not few and all(load.words_of(path, self.folder).is_file() for path in sealed)
        self.state = State(number, stamp, not few, whole, rows, names, summary(database, table, self.run))
        state.publish(self.folder, self.state)

    def bill(self) -> None:
        """Of a run at rest, what it cost; of one that goes on its owner knows. All rows are read for it."""
        from tracegen.view import money  # what it imports would keep the first page waiting

        found = self.state.summary
        teachers, cost = money.of_run(self.run, found["totals"]["right"])
        rows = [row | teachers.get(row["teacher"], {}) for row in found["teachers"]]
        self.state = replace(self.state, summary=found | {"teachers": rows, "cost": cost})
        state.publish(self.folder, self.state)

    def _large(self, files: Sequence[Path]) -> bool:
        log = state.stat_of(self.run / state.LOG) or [0]
        return sum(path.stat().st_size for path in files) + log[0] > LARGE


def keep_up(run: Path, folder: Path) -> None:
    """Until the run is at rest and its index whole."""
    index = Index(run, folder)
    while True:
        going_on = owner(run) is not None
        try:
            for seconds in index.update():
                time.sleep(REST * seconds if going_on else 0)
            if not going_on and "cost" not in index.state.summary:
                index.bill()
        except FileNotFoundError:  # a segment was sealed, or a stage renamed into place: the next look sees it
            pass
        if not going_on and index.state.stamp == state.stamp(run):
            return
        time.sleep(LOOK)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """When nobody else makes this index, for another page of the run may be open; held until the end."""
    with (folder / ".lock").open("w") as lock:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _end_with_parent() -> None:
    """Whoever started this process holds the other end of its stdin."""
    os.read(0, 1)
    os._exit(0)


def main() -> None:
    run, folder = Path(sys.argv[1]), Path(sys.argv[2])
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.nice(5)
    with alone(folder):
        try:
            keep_up(run, folder)
        except (TracegenError, OSError, duckdb.Error) as error:
            state.fail(run, folder, str(error).partition("\n")[0])


if __name__ == "__main__":
    main()
