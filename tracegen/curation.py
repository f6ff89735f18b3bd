"""Curation as a stage of a run: verdicts become `corpus/` and `dropped/`, unless what is there still stands."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tracegen import __version__, asked_filters, contamination, gates, rundir, terms
from tracegen.ask import Ask
from tracegen.corpus import GATES, LAYOUT, CorpusWriter
from tracegen.curate import FunnelRow, funnel_json
from tracegen.curate import curate as apply_filters
from tracegen.curate_on_ray import Foreseen, foresee
from tracegen.dropped import Dropped
from tracegen.evaluate import named
from tracegen.evidence import spent, spent_on_asking
from tracegen.fates import Fate
from tracegen.gather import Gathered, gather, recall
from tracegen.partitions import Partitions
from tracegen.prepare import Run, plan_inputs
from tracegen.problems import prices_of_asking
from tracegen.progress import Bar, during, say
from tracegen.registry import load
from tracegen.verifiers._worker import version


@during("curate")
def curate(run: Run) -> None:
    """Verdicts -> filters -> `corpus/` and `dropped/`."""
    lines = asked_filters.lines(run.recipe.filters, folder=run.folder / "asked", seed=run.recipe.seed)
    if (known := recall(run)) and _corpus_stands(run, known, _curate_inputs(run, known, lines)):
        return
    with gather(run) as (partitions, found):
        inputs = _curate_inputs(run, found, lines)
        if _corpus_stands(run, found, inputs):
            return
        found.say_what_lacks()
        corpus, dropped = run.folder / "corpus", run.folder / "dropped"
        with (
            rundir.rebuilt(dropped, inputs) as new_dropped,
            rundir.rebuilt(corpus, inputs) as new_corpus,
            asked_filters.asking(lines, run.meter, again=run.again) as asks,
        ):
            rows, kept, solved = _filter(run, partitions, new_dropped, new_corpus, asks)
            if lost := asked_filters.unanswered(rows):
                inputs["unanswered"] = True  # so that the next launch asks again
                say(f"{lost} traces are dropped because a filter's model gave no answer; the same command asks again.")
    say(f"corpus: {kept} of {len(partitions)} traces kept, of {solved} of {len(run.problems)} problems ({corpus})")


def _filter(
    run: Run, partitions: Partitions, dropped: Path, corpus: Path, asks: Mapping[str, Any]
) -> tuple[list[FunnelRow], int, int]:
    """Fill both folders in one pass; returns the funnel, and how many traces are kept, of how many problems."""
    writer = CorpusWriter(
        corpus,
        problems=run.problems,
        teachers=_provenance(run),
        prompts={p.name: p.as_dict() for p in (run.prompt, *(t.prompt for t in run.teachers.values()))},
        student_messages=lambda problem: [dict(message) for message in run.prompt.messages(problem)],
        recipe=run.recipe.to_yaml(),
        recipe_hash=run.recipe_hash,
        name=run.recipe.name,
        licence=run.recipe.corpus.licence,
        student_prompt=run.prompt.name,
        gated=bool(gates.of(run.recipe.filters)),
    )
    given = {
        "filters": run.recipe.filters,
        "asks": asks,
        "problems": run.problems,
        "tokenizer": _student_tokenizer(run),
        "benchmarks": run.whole_benchmarks,
        "teachers": _provenance(run),
    }
    on_ray = run.recipe.curating.on == "ray"
    shut = gates.shut(partitions, on_ray=on_ray, **given)
    known = foresee(partitions, **given) if on_ray else Foreseen(partitions)
    kept: Counter[str] = Counter()
    with Dropped(dropped, run.recipe.filters) as drops, Bar("curate", len(partitions), "traces") as bar:

        def told(fate: Fate) -> None:
            if fate.drop:
                drops.add(fate.trace, fate.drop)
                withheld = fate.drop.filter in GATES or bool(shut[bar.done])
                writer.add(fate.trace, filter=fate.drop.filter, reason=fate.drop.reason, withheld=withheld)
            else:
                kept[fate.trace.problem_id] += 1
                writer.add(fate.trace)
            bar.advance()

        rows = apply_filters(known.fates(), told=told, foreseen=known.decided, sketched=known.sketched, **given)
    if (options := run.recipe.filters.get(contamination.FILTER)) is not None:
        unchecked = run.unchecked | run.others_unchecked
        say(contamination.write(corpus, dropped, benchmarks=given["benchmarks"], unchecked=unchecked, options=options))
    bill = spent(run.folder, run.recipe.teachers) | spent_on_asking(run.folder, prices_of_asking(run.recipe))
    writer.close(funnel_json(rows, len(partitions), list(run.unchecked)), spent=bill)
    return rows, kept.total(), len(kept)


def _corpus_stands(run: Run, found: Gathered, inputs: Mapping[str, Any]) -> bool:
    """Whether the corpus that is there was made from these inputs; if so, that is said."""
    if not all(rundir.up_to_date(run.folder / name, inputs) for name in ("corpus", "dropped")):
        return False
    found.say_what_lacks()
    say(f"corpus: up to date ({run.folder / 'corpus'})")
    return True


def _curate_inputs(run: Run, found: Gathered, lines: Mapping[str, Ask]) -> dict[str, Any]:
    recipe = run.recipe
    return {
        "traces": found.fingerprint,
        "plans": plan_inputs(list(run.teachers.values())),
        "problems": run.problems.fingerprint(),
        "filters": recipe.filters,
        "versions": {name: version(load("filter", name)) for name in recipe.filters},
        "asked": asked_filters.inputs(recipe.filters, lines),
        "benchmarks": rundir.fingerprint([asdict(problem) for problem in named(run.whole_benchmarks).values()]),
        **({"unchecked": sorted(run.unchecked)} if run.unchecked else {}),
        "prompt": run.prompt.as_dict(),
        "corpus": recipe.corpus.model_dump(),
        "layout": LAYOUT,
        "terms": {name: terms.of(teacher) for name, teacher in recipe.teachers.items()},
        "tokenizer": run.base.identity if recipe.student else None,
        "tracegen": __version__,
    }


def _provenance(run: Run) -> dict[str, dict[str, Any]]:
    """Each teacher as cards and corpus rows name it."""
    return {
        name: {
            "model": asker.model.name,
            "revision": asker.model.revision,
            "engine": asker.engine,
            "sampling": asker.sampling.model_dump(exclude_none=True),
            "prompt": asker.prompt.name,
            **terms.of(run.recipe.teachers[name])._asdict(),
        }
        for name, asker in run.teachers.items()
    }


def _student_tokenizer(run: Run) -> Any:
    """The student's tokenizer without torch, or None where the recipe has no student."""
    if run.recipe.student is None:
        return None
    from tokenizers import Tokenizer

    file = Path(run.base.path) / "tokenizer.json"
    return Tokenizer.from_file(str(file)) if file.is_file() else Tokenizer.from_pretrained(run.base.path)
