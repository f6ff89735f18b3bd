"""The whole flow, top to bottom: each stage reads what is on disk and writes the next thing; what stands is skipped."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from tracegen import __version__, asked_filters, contamination, gates, material, rundir, terms
from tracegen.ask import Ask
from tracegen.capture import asked, capture
from tracegen.corpus import GATES, LAYOUT, CorpusWriter, chats
from tracegen.curate import FunnelRow, funnel_json
from tracegen.curate import curate as apply_filters
from tracegen.curate_on_ray import Foreseen, foresee
from tracegen.curve import Curve
from tracegen.dropped import Dropped
from tracegen.evaluate import evaluate as score_roles
from tracegen.evaluate import named
from tracegen.evidence import spent, spent_on_asking
from tracegen.fates import Fate
from tracegen.gather import Gathered, gather, recall
from tracegen.partitions import Partitions
from tracegen.prepare import Run, plan_inputs
from tracegen.problems import prices_of_asking
from tracegen.progress import Bar, during, say
from tracegen.records import MissingExtra, Problem, Score, TracegenError, UsageError
from tracegen.registry import load
from tracegen.sample import sample, settled
from tracegen.solved import by_rule
from tracegen.student import HOW_CAPTURED
from tracegen.verifiers._worker import version


def run(run: Run) -> list[Score]:
    """problems -> traces and verdicts -> corpus -> student -> scores -> report."""
    if run.recipe.student is not None:
        terms.refuse_training(run.recipe)
    generate(run)
    curate(run)
    if run.recipe.student is not None:
        train(run)
    scores = evaluate(run)
    report(run)
    return scores


def generate(run: Run) -> None:
    """Fill `traces/` and `verdicts/`: sampling and verification in one stream."""
    askers = list(run.teachers.values())
    schedule = run.recipe.schedule
    sample(run.folder, problems=run.problems, askers=askers, judge=run.judge, meter=run.meter(), schedule=schedule)


def verify(run: Run) -> None:
    """Judge what has no verdict under the present verifiers and golds; no teacher is asked."""
    askers = list(run.teachers.values())
    sample(
        run.folder, problems=run.problems, askers=askers, judge=run.judge, meter=run.meter(), ask=False, stage="verify"
    )


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


@during("train")
def train(run: Run) -> None:
    """`corpus/` -> `student/`."""
    try:
        from sft.launch import check as check_launch
        from sft.launch import launched
        from sft.train import train as fit
    except ImportError as error:
        raise MissingExtra(f"{error.name}, which training needs,", "train") from None

    student = run.recipe.student
    if student is None:
        raise UsageError("the recipe has no student to train.")
    check_launch(student.launch)
    corpus = run.folder / "corpus"
    own = material.has_own(student.data)
    rows = chats(corpus) if own else []
    if own and not rows:
        raise TracegenError(
            f"the corpus is empty, so there is nothing to train on; {run.folder / 'dropped'} says why of each trace."
        )
    if own:
        terms.refuse_training(run.recipe, corpus)
    inputs = {
        "rows": rundir.fingerprint(rows),
        "student": student.model_dump(mode="json", exclude={"licence": True, "launch": True, "distill": HOW_CAPTURED}),
        "model": run.base.identity,
        "seed": run.recipe.seed,
    }
    if student.data or student.order or student.weights:
        inputs["data"] = material.fingerprints(student.data, corpus)
    if run.guides:
        inputs["teachers"] = {name: guide.identity for name, guide in run.guides.items()}
    folder = run.folder / "student"
    if rundir.up_to_date(folder, inputs):
        say(f"student: up to date ({folder})")
        return
    if asked(run):
        capture(run)
    work = run.folder / f".training-{rundir.fingerprint(inputs)[:12]}"
    with rundir.rebuilt(folder, inputs) as new, Bar("train", 0, "steps") as bar:
        curve = Curve()

        def progress(line: Mapping[str, Any]) -> None:
            bar.total = line["steps"]
            bar.at(line["step"], curve.note(line))

        started = partial(launched, student.launch) if student.launch else fit
        watched = student.held_out and student.held_out.answers and not student.held_out.corpus
        started(
            corpus=str(corpus),
            model=run.base.path,
            revision=student.revision,
            out=new,
            work=work,
            method=student.method,
            seed=run.recipe.seed,
            max_length=student.max_length,
            data=student.data,
            order=student.order,
            weights=student.weights,
            lora=student.lora.model_dump(exclude_none=True) if student.lora else None,
            trainer=student.trainer,
            distill=student.distill,
            teachers={name: (guide.path, guide.revision) for name, guide in run.guides.items()},
            signals=run.folder / "signals",
            dtype=student.dtype,
            attention=student.attention,
            rope=student.rope,
            held_out=student.held_out,
            stop_after=student.stop_after,
            verify=by_rule(run.judge, run.problems) if watched else None,
            card={
                "base": run.base.name,
                "recipe": run.recipe.name,
                "recipe_hash": rundir.fingerprint(run.recipe.to_yaml())[:16],
                "corpus": run.recipe.corpus.repo,
                "teachers": [asker.model.name for asker in run.teachers.values()],
                **terms.of_student(run.recipe, corpus),
            },
            progress=progress,
        )
    trained = json.loads((folder / "rows.json").read_text())["rows"]
    say(f"student: trained on {trained} traces ({folder})")


def evaluate(run: Run) -> list[Score]:
    """Teacher, student before and student after on the held-out problems -> `eval/` and `scores.jsonl`."""
    if not run.recipe.evaluate.benchmarks:
        say("evaluation: the recipe names no benchmarks.")
        return []
    if not run.benchmarks:
        say("evaluation: none of the recipe's benchmarks could be loaded.")
        return []
    askers = run.examinees()
    inputs = {
        "roles": plan_inputs(askers),
        "benchmarks": _problems_hash(named(run.benchmarks).values()),
        "verifiers": run.judge.fingerprint(named(run.benchmarks).values()),
        "k": run.recipe.evaluate.k,
        "tracegen": __version__,
    }
    path = run.folder / "scores.jsonl"
    if path.is_file() and rundir.up_to_date(run.folder / "eval", inputs):
        say(f"evaluation: up to date ({path})")
        return [Score(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]
    scores = score_roles(
        run.folder,
        benchmarks=run.benchmarks,
        askers=askers,
        judge=run.judge,
        ks=run.recipe.evaluate.k,
        meter=run.meter(),
    )
    if settled(run.folder / "eval", problems=named(run.benchmarks), askers=askers, judge=run.judge):
        rundir.mark(run.folder / "eval", inputs)
    else:
        say("evaluation: some samples have no answer or no final verdict; the same command asks for them again.")
    return scores


@during("report")
def report(run: Run) -> Path:
    """Everything on disk -> `report.html`."""
    from tracegen.report import report as render

    return render(run.folder)


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
        recipe_hash=rundir.fingerprint(run.recipe.to_yaml())[:16],
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
        "benchmarks": _problems_hash(named(run.whole_benchmarks).values()),
        **({"unchecked": sorted(run.unchecked)} if run.unchecked else {}),
        "prompt": run.prompt.as_dict(),
        "corpus": recipe.corpus.model_dump(),
        "layout": LAYOUT,
        "terms": {name: terms.of(teacher) for name, teacher in recipe.teachers.items()},
        "tokenizer": run.base.identity if recipe.student else None,
        "tracegen": __version__,
    }


def _problems_hash(problems: Iterable[Problem]) -> str:
    return rundir.fingerprint([asdict(problem) for problem in problems])


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
