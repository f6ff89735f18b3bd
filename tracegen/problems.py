"""The problems of a recipe: read from their source, or made, once, by a source that asks a model.

A source that names `ask` is a stage of the run, `<run>/source/`:

    problems.jsonl           what it gave, with the model that was asked in `extra`
    dropped_problems.jsonl   what it refused, each with its `reason`
    summary.json             how many, by reason; which benchmarks it looked at, and which could not be had

It is made again where its options, the model, the files that it reads or the benchmarks have changed, and where it gave
fewer problems than its `limit` because requests failed. What it asked stands in the ledger `asked/source/`: only what
is new is asked.
"""

import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

from tracegen import asked_filters, held_out, other_benchmarks, panel, registry, rows, rundir
from tracegen.ask import Ask
from tracegen.asked import parted
from tracegen.cost import COLUMNS, Meter
from tracegen.ledger import read
from tracegen.models import resolve
from tracegen.prices import known
from tracegen.progress import say
from tracegen.recipe import Asked, Options, Prices, Recipe
from tracegen.records import Problem, Trace, UsageError, Verdict
from tracegen.stored import Stored
from tracegen.verifiers import _worker
from tracegen.verify import Judge

UNANSWERED = "unanswered"
"""The reason of a source for what the model did not answer: the only one that another launch may change."""


class Source(NamedTuple):
    """The source that a recipe names."""

    name: str
    options: Options
    """Its own."""
    asked: Asked | None
    """The model that it asks, if it asks one."""


def source_of(recipe: Recipe) -> Source:
    """The source of the recipe, the model that it asks told apart from its options."""
    name = recipe.problems.source
    return Source(name, *parted("source", name, recipe.problems.options))


def prices_of_asking(recipe: Recipe) -> dict[str, Prices]:
    """What the models cost that verifiers, filters and the source ask, by the names in their rows."""
    judges = {f"verifier:{name}": seat.asked for name, seat in panel.seats(recipe.verifiers).items() if seat.asked}
    name, _, asked = source_of(recipe)
    source = {f"source:{name}": asked} if asked else {}
    return known(judges | source) | asked_filters.prices(recipe.filters)


def meter(recipe: Recipe, folder: Path, *, again: str) -> Meter:
    """The budget, with what all launches have used of it: teachers, also where evaluated, and who else asks a model."""
    teachers = known(recipe.teachers)
    evaluated = {f"teacher:{name}": price for name, price in teachers.items()}
    found = Meter(recipe.budget, teachers | evaluated | prices_of_asking(recipe), again=again)
    for_themselves = sorted((folder / "asked").glob("filter_*"))
    for ledger in (folder / "asked" / "source", *for_themselves, folder / "traces", folder / "eval" / "traces"):
        found.add_earlier(read(ledger, columns=COLUMNS))
    # Verifiers ask beside the teachers, so their time is no time of its own.
    for ledger in sorted((folder / "asked").glob("*")):
        if ledger.name != "source" and ledger not in for_themselves:
            for row in read(ledger, columns=COLUMNS):
                found.add(row)
    return found


def read_problems(recipe: Recipe, folder: Path, *, asking: bool = True) -> Stored:
    """The problems by id. A source that asks a model fills `<folder>/source/`; without `asking`, it must be there."""
    source = source_of(recipe)
    if source.asked is None:
        bound = registry.bind("source", source.name, source.options, benchmarks_dir=recipe.benchmarks_dir)
        found: Iterator[Problem] = bound()
    else:
        _make(recipe, source, source.asked, folder, asking)
        found = rows.jsonl(str(folder / "source" / "problems.jsonl"))
    problems = Stored()
    for problem in found:
        if problem.id in problems:
            raise UsageError(f"source {source.name!r} gives the id {problem.id!r} twice.")
        problems.add(problem)
    if not problems:
        raise UsageError(f"source {source.name!r} gives no problems.")
    return problems


def _make(recipe: Recipe, source: Source, asked: Asked, folder: Path, asking: bool) -> None:
    """Fills `<folder>/source/`, unless what stands there is what would be made."""
    stage = folder / "source"
    ask = Ask(source.name, asked, folder=folder / "asked", seed=recipe.seed, shelf="source")
    inputs = _inputs(recipe, source, ask) | {UNANSWERED: 0}
    if rundir.up_to_date(stage, inputs):
        say(f"problems: up to date ({stage})")
        return
    if not asking:
        raise UsageError(
            f"the problems of this recipe are made by asking a model; `tracegen generate` makes them in {stage}."
        )
    rundir.keep_recipe(folder, recipe.to_yaml())
    ask.meter = meter(recipe, folder, again=f"tracegen run {folder}")
    with rundir.rebuilt(stage, inputs) as new, closing(ask):
        try:
            kept, reasons = _fill(new, recipe, source, ask, resolve(asked.model, asked.revision).name, asked.revision)
        except KeyboardInterrupt:
            say("Stopping: the answers in flight are waited for, because they are paid for. Once more ends at once.")
            say(f"To go on: tracegen run {folder}")
            raise
    if kept != source.options.get("limit") and reasons[UNANSWERED]:
        rundir.mark(stage, inputs | {UNANSWERED: reasons[UNANSWERED]})
        say(f"problems: {reasons[UNANSWERED]} attempts had no answer; the same command asks them again.")


def _fill(
    new: Path, recipe: Recipe, source: Source, ask: Ask, model: str, revision: str | None
) -> tuple[int, Counter[str]]:
    """Has the source write its files; how many problems it gave, and how many it refused, by reason."""
    named = registry.about("source", source.name, "VERIFIERS") or ()
    verifiers = {name: recipe.verifiers[name].options for name in named if name in recipe.verifiers}
    benchmarks, unchecked = _benchmarks(recipe)
    reasons: Counter[str] = Counter()
    kept = 0
    with (
        Judge(verifiers, workers=recipe.judging.workers or os.cpu_count() or 2, named=named) as judge,
        (new / "problems.jsonl").open("w", encoding="utf-8") as problems,
        (new / "dropped_problems.jsonl").open("w", encoding="utf-8") as dropped,
    ):

        def hear(problem: Problem, traces: Sequence[Trace]) -> list[Verdict]:
            heard = [judge.submit(problem, trace, traces) for trace in traces]
            return [verdicts.result()[0] for verdicts in heard]

        def drop(problem: Problem, reason: str) -> None:
            reasons[reason] += 1
            dropped.write(json.dumps(asdict(problem) | {"reason": reason}) + "\n")

        bound = registry.bind(
            "source",
            source.name,
            source.options,
            ask=ask.of(Problem("", "")),
            hear=hear,
            drop=drop,
            benchmarks=benchmarks,
            benchmarks_dir=recipe.benchmarks_dir,
        )
        for problem in bound():
            made = replace(problem, extra={**problem.extra, "teacher": {"model": model, "revision": revision}})
            problems.write(json.dumps(asdict(made)) + "\n")
            kept += 1
    summary = {
        "problems": kept,
        "refused": dict(reasons.most_common()),
        "benchmarks": {name: len(those) for name, those in benchmarks.items()},
        "unchecked": unchecked,
    }
    rundir.write_atomically(new / "summary.json", json.dumps(summary, indent=1) + "\n")
    return kept, reasons


def _benchmarks(recipe: Recipe) -> tuple[dict[str, list[Problem]], dict[str, str]]:
    """The benchmarks of the recipe and all others of the house that can be had, and why the rest cannot."""
    unchecked: dict[str, str] = {}
    found = held_out.load(recipe, unchecked, whole=True) | other_benchmarks.load(recipe, unchecked, "all")
    say(f"problems: compared with {', '.join(found) or 'no benchmark'}; unchecked: {', '.join(unchecked) or 'none'}.")
    return found, unchecked


def _inputs(recipe: Recipe, source: Source, ask: Ask) -> dict[str, Any]:
    """All that the problems depend on."""
    shaping = registry.about("source", source.name, "inputs")
    listing: list[Any] = []
    if recipe.benchmarks_dir is not None:
        files = sorted(path for path in Path(recipe.benchmarks_dir).rglob("*") if path.is_file())
        listing = [[str(path), path.stat().st_size, path.stat().st_mtime_ns] for path in files]
    return {
        "source": source.name,
        "options": source.options,
        "version": _worker.version(registry.load("source", source.name)),
        "asked": ask.identity,
        "max_tokens": source.asked and source.asked.sampling.max_tokens,
        "inputs": shaping(**source.options, benchmarks_dir=recipe.benchmarks_dir) if shaping else None,
        "benchmarks": {name: entry.options for name, entry in recipe.evaluate.benchmarks.items()},
        "files": rundir.fingerprint(listing),
    }
