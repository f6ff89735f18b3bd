"""The whole flow, top to bottom: each stage reads what is on disk and writes the next thing; what stands is skipped."""

import json
from dataclasses import asdict
from pathlib import Path

from tracegen import __version__, rundir, terms
from tracegen.curation import curate
from tracegen.evaluate import evaluate as score_roles
from tracegen.evaluate import named
from tracegen.prepare import Run, plan_inputs
from tracegen.progress import during, say
from tracegen.records import Score
from tracegen.sample import sample, settled
from tracegen.training import train

__all__ = ["curate", "evaluate", "generate", "report", "run", "train", "verify"]


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
        "benchmarks": rundir.fingerprint([asdict(problem) for problem in named(run.benchmarks).values()]),
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
