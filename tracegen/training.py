"""Training as a stage of a run: `corpus/` becomes `student/`, unless the one that is there still stands."""

import json
import shutil
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from tracegen import material, rundir, terms
from tracegen.capture import asked, capture
from tracegen.corpus import chats
from tracegen.curve import Curve
from tracegen.prepare import Run
from tracegen.progress import Bar, during, say
from tracegen.records import MissingExtra, TracegenError, UsageError
from tracegen.solved import by_rule
from tracegen.student import HOW_CAPTURED, Student


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
    if files := _files(student, corpus):
        inputs["data"] = {name: material.fingerprint(place) for name, place in files.items()}
    if run.guides:
        inputs["teachers"] = {name: guide.identity for name, guide in run.guides.items()}
    folder = run.folder / "student"
    work = run.folder / f".training-{rundir.fingerprint(inputs)[:12]}"
    if rundir.up_to_date(folder, inputs):
        _clear(run.folder)
        say(f"student: up to date ({folder})")
        return
    if asked(run):
        capture(run)
    _clear(run.folder, but=work)
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
                "recipe_hash": run.recipe_hash,
                "corpus": run.recipe.corpus.repo,
                "teachers": [asker.model.name for asker in run.teachers.values()],
                **terms.of_student(run.recipe, corpus),
            },
            progress=progress,
        )
    _clear(run.folder)
    trained = json.loads((folder / "rows.json").read_text())["rows"]
    say(f"student: trained on {trained} traces ({folder})")


def _files(student: Student, corpus: Path) -> dict[str, Path]:
    """What a training reads beside the chats of the run's own corpus."""
    files = {name: Path(part.corpus) for name, part in (student.data or {}).items() if part.corpus}
    if student.method != "sft":
        # Verdicts say how far several teachers are followed, and a hint may hold any column.
        files[material.OWN] = corpus / "data"
        guides = student.distill.teachers if student.distill else {}
        files |= {f"teachers.{name}": Path(guide.stored) for name, guide in guides.items() if guide.stored}
    elif student.data or student.order or student.weights:
        files[material.OWN] = corpus / "data" / "problems"
    if student.held_out and student.held_out.corpus:
        files["held_out"] = Path(student.held_out.corpus)
    return files


def _clear(run: Path, *, but: Path | None = None) -> None:
    """Remove what trainings of other recipes have left, checkpoints of some gigabytes, and what a finished one has."""
    for folder in run.glob(".training-*"):
        if folder != but:
            shutil.rmtree(folder)
