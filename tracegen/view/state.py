"""Where the index of a run lies, what it says of itself, and what of the run it was made of.

    <run>/.view/2/   state.json  traces-<n>.parquet  problems.parquet  verdicts/  words/

Where the run's folder cannot be written, all that lies in a temporary folder instead, and is made again each time.
"""

import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from tracegen.ledger.segments import present
from tracegen.rundir import fingerprint, recipes, write_atomically

FORM = "2"
"""Changes with what the files of the index hold."""
KEPT = 4
"""Versions whose tables stay: no page takes as long as it takes to make so many."""
LOG = "verdicts/verdicts.jsonl"


@dataclass(frozen=True)
class State:
    """One version of the index."""

    number: int = 0
    stamp: str = ""
    """Of what it was made."""
    all_rows: bool = False
    """Whether every trace of the run is in it; if not, its first ones are."""
    whole: bool = False
    """Whether the status and the first words of each are in it as well."""
    rows: int = 0
    """Traces that are in it."""
    segments: tuple[str, ...] = ()
    """Of the ledger, by the number that stands in the index."""
    summary: dict[str, Any] = field(default_factory=dict)
    error: str | None = None
    """Why there is no newer one."""


def place(run: Path) -> Path:
    """The folder of the index, made if need be."""
    folder = run / ".view" / FORM
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            return folder
    except OSError:
        pass
    return Path(tempfile.mkdtemp(prefix="tracegen-view-"))


def load(folder: Path) -> State:
    """The newest version; an empty one where there is none."""
    try:
        found = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        return State(**found | {"segments": tuple(found["segments"])})
    except (OSError, ValueError, TypeError, KeyError):
        return State()


def publish(folder: Path, state: State) -> None:
    """Make a version the newest; those before it stay for whoever is reading them."""
    write_atomically(folder / "state.json", json.dumps(asdict(state)))
    kept = {table(folder, state.number - age) for age in range(KEPT)}
    for path in folder.glob("traces-*.parquet"):
        if path not in kept:
            path.unlink(missing_ok=True)


def fail(run: Path, folder: Path, why: str) -> None:
    """There is no newer version of the run as it stands."""
    publish(folder, replace(load(folder), stamp=stamp(run), error=why))


def table(folder: Path, number: int) -> Path:
    """The traces of a version."""
    return folder / f"traces-{number}.parquet"


def stamp(run: Path) -> str:
    """A hash that changes with the files that the index is made of."""
    return fingerprint([*_sizes(run)])


def stat_of(path: Path) -> list[int] | None:
    """What tells one state of a file from another."""
    try:
        found = path.stat()
        return [found.st_size, found.st_mtime_ns, found.st_ino]
    except OSError:
        return None


def dropped_files(run: Path) -> list[Path]:
    """What says why a trace was dropped: one small table, or in an old run a file of whole traces for each filter."""
    small = run / "dropped" / "reasons.parquet"
    return [small] if small.is_file() else sorted((run / "dropped").glob("*.jsonl"))


def corpus_files(run: Path) -> list[Path]:
    """The shards of what was kept; in an old run there is one, beside no other table."""
    data = run / "corpus" / "data"
    return sorted((data / "curated").glob("*.parquet")) or sorted(data.glob("*.parquet"))


def _sizes(run: Path) -> Iterator[Any]:
    for path in (
        *present(run / "traces"),
        *(*recipes(run), run / "problems.jsonl", run / LOG, run / "verdicts" / "stage.json"),
        *(*dropped_files(run), *corpus_files(run), run / "corpus" / "funnel.json"),
    ):
        yield [path.name, stat_of(path)]
