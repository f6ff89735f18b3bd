"""The whole flow, top to bottom: each stage reads what is on disk and writes the next thing; what stands is skipped."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tracegen import __version__, rundir
from tracegen.corpus import DATA_FILE, write_corpus
from tracegen.curate import curate as apply_filters
from tracegen.curate import funnel_json
from tracegen.evaluate import evaluate as score_roles
from tracegen.evaluate import named
from tracegen.prepare import Run, plan_inputs
from tracegen.progress import Bar, during, say
from tracegen.records import MissingExtra, Problem, Score, Trace, TracegenError, UsageError
from tracegen.sample import judged, missing, sample, settled


def run(run: Run) -> list[Score]:
    """problems -> traces and verdicts -> corpus -> student -> scores -> report."""
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
    traces = list(_traces(run))
    askers = list(run.teachers.values())
    schedule = run.recipe.schedule
    if lacking := missing(run.folder, problems=run.problems, askers=askers, judge=run.judge, schedule=schedule):
        say(f"{lacking} samples of the plan have no answer; the corpus is made without them.")
    if unjudged := sum(trace.verdict is None for trace in traces):
        say(f"{unjudged} traces have no verdict under the present verifiers; `tracegen verify` judges them.")
    inputs = _curate_inputs(run, traces)
    corpus, dropped = run.folder / "corpus", run.folder / "dropped"
    if rundir.up_to_date(corpus, inputs) and rundir.up_to_date(dropped, inputs):
        say(f"corpus: up to date ({corpus})")
        return
    with rundir.rebuilt(dropped, inputs) as new_dropped, rundir.rebuilt(corpus, inputs) as new_corpus:
        kept, rows = apply_filters(
            traces,
            filters=run.recipe.filters,
            problems=run.problems,
            tokenizer=_student_tokenizer(run),
            benchmarks=run.whole_benchmarks,
            dropped=new_dropped,
        )
        write_corpus(
            new_corpus,
            traces=kept,
            problems=run.problems,
            teachers=_provenance(run),
            prompts={p.name: p.as_dict() for p in (run.prompt, *(t.prompt for t in run.teachers.values()))},
            student_messages=lambda problem: [dict(message) for message in run.prompt.messages(problem)],
            funnel=funnel_json(rows, len(traces), list(run.unchecked)),
            recipe=run.recipe.to_yaml(),
            recipe_hash=rundir.fingerprint(run.recipe.to_yaml())[:16],
            name=run.recipe.name,
            licence=run.recipe.corpus.licence,
            repo=run.recipe.corpus.repo,
            student_prompt=run.prompt.name,
        )
    solved = len({trace.problem_id for trace in kept})
    say(f"corpus: {len(kept)} of {len(traces)} traces kept, of {solved} of {len(run.problems)} problems ({corpus})")


@during("train")
def train(run: Run) -> None:
    """`corpus/` -> `student/`."""
    try:
        from sft.train import train as fit
    except ImportError as error:
        raise MissingExtra(f"{error.name}, which training needs,", "train") from None

    student = run.recipe.student
    if student is None:
        raise UsageError("the recipe has no student to train.")
    corpus = run.folder / "corpus"
    rows = _messages(corpus)
    if not rows:
        raise TracegenError(
            f"the corpus is empty, so there is nothing to train on; {run.folder / 'dropped'} says why of each trace."
        )
    inputs = {
        "rows": rundir.fingerprint(rows),
        "student": student.model_dump(),
        "model": run.base.identity,
        "seed": run.recipe.seed,
    }
    folder = run.folder / "student"
    if rundir.up_to_date(folder, inputs):
        say(f"student: up to date ({folder})")
        return
    work = run.folder / f".training-{rundir.fingerprint(inputs)[:12]}"
    with rundir.rebuilt(folder, inputs) as new, Bar("train", 0, "steps") as bar:

        def progress(line: Mapping[str, Any]) -> None:
            bar.total = line["steps"]
            bar.at(line["step"], f"{line['tokens'] / line['seconds']:.0f} tokens/s, loss {line['loss']:.3f}")

        fit(
            corpus=str(corpus),
            model=run.base.path,
            revision=student.revision,
            out=new,
            work=work,
            method=student.method,
            seed=run.recipe.seed,
            max_length=student.max_length,
            lora=student.lora.model_dump() if student.lora else None,
            trainer=student.trainer,
            dtype=student.dtype,
            attention=student.attention,
            card={
                "name": f"{run.recipe.name}-student",
                "base": run.base.name,
                "recipe": run.recipe.name,
                "recipe_hash": rundir.fingerprint(run.recipe.to_yaml())[:16],
                "corpus": run.recipe.corpus.repo,
                "teachers": [asker.model.name for asker in run.teachers.values()],
                "licence": run.recipe.corpus.licence,
            },
            progress=progress,
        )
    say(f"student: trained on {len(rows)} traces ({folder})")


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


def _traces(run: Run) -> Iterable[Trace]:
    return judged(run.folder, problems=run.problems, askers=run.teachers.values(), judge=run.judge)


def _curate_inputs(run: Run, traces: list[Trace]) -> dict[str, Any]:
    recipe = run.recipe
    return {
        "traces": rundir.fingerprint([[trace.key, trace.verdict and asdict(trace.verdict)] for trace in traces]),
        "plans": plan_inputs(list(run.teachers.values())),
        "problems": _problems_hash(run.problems.values()),
        "filters": recipe.filters,
        "benchmarks": _problems_hash(named(run.whole_benchmarks).values()),
        **({"unchecked": sorted(run.unchecked)} if run.unchecked else {}),
        "prompt": run.prompt.as_dict(),
        "corpus": recipe.corpus.model_dump(),
        "terms": {name: teacher.terms.model_dump() for name, teacher in recipe.teachers.items()},
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
            "licence": run.recipe.teachers[name].terms.licence,
            "may_train": run.recipe.teachers[name].terms.may_train,
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


def _messages(corpus: Path) -> list[Any]:
    import pyarrow.parquet as parquet

    if not (corpus / DATA_FILE).is_file():
        raise UsageError(f"there is no corpus in {corpus}; run `tracegen curate` first.")
    rows: list[Any] = parquet.read_table(corpus / DATA_FILE, columns=["messages"])["messages"].to_pylist()
    return rows
