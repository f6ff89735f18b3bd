"""The newest version of the index as it is read by the pages: rows, one row, the problem of a row.

`Shelf(run)` starts the index's process where the run has changed, and never waits for more than a first version.
"""

import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

from tracegen.records import TracegenError
from tracegen.view import join, load, state
from tracegen.view.state import State

MEGABYTES = 250
PATIENCE = 20.0
"""Seconds for which a first page waits for the index's first version."""
LOOK = 1.0
"""Seconds between two looks at whether the run has changed."""

Given = Sequence[Any] | Mapping[str, Any]


class Shelf:
    """The index of one run. May be asked from several threads."""

    def __init__(self, run: Path) -> None:
        self.run, self.folder = run, state.place(run)
        self._database = join.connect(self.folder, MEGABYTES)
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._looked = 0.0
        if state.load(self.folder).error:  # it may be mended by now
            (self.folder / "state.json").unlink()
        self._keep_up()

    def state(self) -> State:
        """The newest version; waits for the first one."""
        self._keep_up()
        patience = time.monotonic() + PATIENCE
        while True:
            found = state.load(self.folder)
            if found.number:
                return found
            if found.error:
                raise TracegenError(found.error)
            if time.monotonic() > patience:
                raise TracegenError("the index of this run is being made; ask again in a moment.")
            self._keep_up()
            time.sleep(0.02)

    def newest(self) -> State:
        """The newest version, or an empty one where there is none yet."""
        self._keep_up()
        return state.load(self.folder)

    def named(self, version: State, select: str) -> str:
        """The query, in which `{traces}` stands for the index and `{problems}` for the problems."""
        few = "" if version.all_rows else "few_"
        for name, path in (
            ("{traces}", state.table(self.folder, version.number)),
            ("{problems}", self.folder / f"{few}problems.parquet"),
        ):
            select = select.replace(name, load.parquet([path]))
        return select

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """For the queries of one request."""
        return self._database.cursor()

    def close(self) -> None:
        """Ends the index's process; what it has kept stays, unless it lies in a temporary folder."""
        if self._process:
            self._process.kill()
        self._ended()
        self._database.close()
        if self.run not in self.folder.parents:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _keep_up(self) -> None:
        with self._lock:
            if time.monotonic() - self._looked < LOOK:
                return
            self._looked = time.monotonic()
            if self._process and self._process.poll() is None:
                return
            if status := self._ended():  # not once more: what ended it is still there
                state.fail(self.run, self.folder, f"the process that makes the index of this run ended with {status}.")
            found = state.load(self.folder)
            made = found.error or (found.whole and "cost" in found.summary)
            if not made or found.stamp != state.stamp(self.run):
                command = [sys.executable, "-m", "tracegen.view.index", str(self.run), str(self.folder)]
                self._process = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)

    def _ended(self) -> int:
        """How the index's process ended, if there was one."""
        if self._process is None:
            return 0
        with self._process as process:  # waits, and closes the pipe
            self._process = None
        return process.returncode


def fetched(cursor: duckdb.DuckDBPyConnection, select: str, given: Given = ()) -> list[dict[str, Any]]:
    """The rows of a query, by the names of their columns."""
    found = cursor.execute(select, given)
    names = [column[0] for column in found.description]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]
