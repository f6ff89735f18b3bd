"""The traces of a run with their verdicts, dealt out for curation; what came of it is remembered, as figures.

    gather(run)   a context: the partitions, and the figures
    recall(run)   the figures alone, where nothing has changed since

`.gathered.json` holds the figures beside a stamp of all that they depend on, so that a run in which nothing changed is
not read again. Files enter the stamp by name, size and the time of their last change that the kernel keeps (`ctime`,
which no program can set), much as in git's index: whoever edits, copies or moves one has the run gathered anew, which
is dear and never wrong.
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from tracegen import __version__, verdicts
from tracegen.partitions import Partitions
from tracegen.prepare import Run, plan_inputs
from tracegen.progress import Bar, say
from tracegen.rundir import fingerprint, write_atomically
from tracegen.sample import judged, missing

__all__ = ["Gathered", "gather", "recall"]

FILE, PARTITIONS = ".gathered.json", ".curating"


@dataclass(frozen=True, slots=True)
class Gathered:
    """What is known of a run's traces without reading them."""

    traces: int
    unjudged: int
    """Traces without a verdict under the present verifiers."""
    lacking: int
    """Samples of the plan that have no answer."""
    fingerprint: str
    """Of all traces and their verdicts."""

    def say_what_lacks(self) -> None:
        if self.lacking:
            say(f"{self.lacking} samples of the plan have no answer; the corpus is made without them.")
        if self.unjudged:
            say(f"{self.unjudged} traces have no verdict under the present verifiers; `tracegen verify` judges them.")


@contextmanager
def gather(run: Run) -> Iterator[tuple[Partitions, Gathered]]:
    """Read the ledger and the verdicts, and deal the traces out to partitions that are there for a `with` block."""
    askers = list(run.teachers.values())
    which: dict[str, Any] = {"problems": run.problems, "askers": askers, "judge": run.judge}
    lacking = missing(run.folder, schedule=run.recipe.schedule, **which)
    stamp = _stamp(run)  # what a crash had left is in order now, and nothing is read yet
    with Partitions(run.folder / PARTITIONS, run.problems, askers) as partitions:
        with Bar("gather", None, "traces") as bar:
            partitions.write(bar.over(judged(run.folder, **which)))
        found = Gathered(len(partitions), partitions.unjudged, lacking, partitions.fingerprint())
        write_atomically(run.folder / FILE, json.dumps({"stamp": stamp, "found": asdict(found)}))
        yield partitions, found


def recall(run: Run) -> Gathered | None:
    """What was found in the files as they are; None where something has changed since, or nothing was gathered."""
    shutil.rmtree(run.folder / PARTITIONS, ignore_errors=True)  # of a launch that was killed
    try:
        known = json.loads((run.folder / FILE).read_text(encoding="utf-8"))
        return Gathered(**known["found"]) if known["stamp"] == _stamp(run) else None
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _stamp(run: Run) -> str:
    """A hash of the ledger's files, the log of verdicts, and what else decides which traces and verdicts count."""
    read = [*sorted((run.folder / "traces").glob("[!.]*")), *(run.folder / "verdicts").glob(verdicts.FILE)]
    inputs = {
        "files": [(path.name, (about := path.stat()).st_size, about.st_ctime_ns) for path in read],
        "plans": plan_inputs(list(run.teachers.values())),
        "problems": run.problems.fingerprint(),
        "panels": run.judge.panels(run.problems.values()),
        "schedule": run.recipe.schedule.model_dump(),
        "tracegen": __version__,
    }
    return fingerprint(inputs)
