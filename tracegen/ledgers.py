"""The ledgers of a run: where they lie, and whether they are sound beyond what each can tell of itself."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tracegen import recipe, rundir, verdicts
from tracegen.evidence import json_lines
from tracegen.ledger import read, sample_key
from tracegen.ledger.check import Check
from tracegen.prepare import Run
from tracegen.records import UsageError
from tracegen.stored import Stored

SHOWN = 20
"""Damaged places that are printed one by one; --json has all."""


def ledgers(run: Path) -> list[Path]:
    """The ledgers of a run: its corpus, its evaluation, and what its verifiers and its source asked."""
    if not run.is_dir():
        raise UsageError(f"{run} is not a run directory.")
    found = [run / "traces", run / "eval" / "traces", *sorted((run / "asked").glob("*"))]
    if not (there := [folder for folder in found if folder.is_dir()]):
        raise UsageError(f"{run} holds no answers: there is no {run / 'traces'}.")
    return there


def planned(run: Path) -> Callable[[Mapping[str, Any]], bool | None]:
    """Whether a row's key is what a recipe of the run makes of the row's prompt; None where nobody can tell."""
    try:
        runs = [Run(run, recipe.load(kept, ()), Stored()) for kept in rundir.recipes(run)]
        askers = [asker for one in runs for asker in one.teachers.values()]
    except UsageError:
        askers = []

    def fits(row: Mapping[str, Any]) -> bool | None:
        if not askers or row.get("imported") or row.get("text") is None:
            return None
        asked = {"messages": row["prompt"], "sampling": row["sampling"], "sample": row["sample"]}
        return any(sample_key(model=asker.identity, seed=asker.seed, **asked) == row["key"] for asker in askers)

    return fits


def judged_but_lost(run: Path) -> int:
    """How many keys have a verdict, which is given to stored answers only, and no row."""
    lacking = 0
    for folder in (run, run / "eval"):
        if judged := {row["key"] for row in json_lines(folder / "verdicts" / verdicts.FILE)}:
            try:
                lacking += len(judged - {row["key"] for row in read(folder / "traces", ["key"])})
            except UsageError:  # damaged, which is reported by itself
                continue
    return lacking


def sentences(found: Check) -> Iterator[str]:
    kinds = ", ".join(f"{count:,} {kind.name.lower()}" for kind, count in sorted(found.ranks.items(), reverse=True))
    held = f"{found.ranks.total():,} rows of {found.keys:,} samples in {found.segments:,} segments"
    yield f"{found.folder}: {held} ({kinds})." if kinds else f"{found.folder}: empty."
    yield from found.damaged[:SHOWN]
    if (more := len(found.damaged) - SHOWN) > 0:
        yield f"{more:,} more places are damaged."
    for what, names in (
        ("has lost rows to the disk, or is gone", found.lost),
        ("ends in an unfinished line, left by a crash or being written", found.torn),
        ("is sealed already and waits to be removed", found.unsealed),
    ):
        yield from (f"{found.folder / name} {what}." for name in names)
    if found.finished_twice:
        yield f"{len(found.finished_twice):,} samples are finished twice, and count once: {found.finished_twice[0]} ..."
    if found.unplanned:
        yield f"{found.unplanned:,} rows belong to no recipe that the run has kept."
