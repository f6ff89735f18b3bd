"""The stage between curation and training that asks teachers what they think of the corpus' tokens: `signals/`.

What is there is not asked again, so the stage is given before every training of such teachers.
"""

from typing import Any

from tracegen import terms
from tracegen.prepare import Run
from tracegen.progress import during, say
from tracegen.records import MissingExtra, UsageError


def asked(run: Run) -> bool:
    """Whether any teacher is to be stored."""
    student = run.recipe.student
    return bool(student and student.distill and any(guide.store for guide in student.distill.teachers.values()))


@during("capture")
def capture(run: Run) -> dict[str, dict[str, Any]]:
    """`corpus/` -> `signals/`: what the teachers that are to be stored think of every token."""
    try:
        from sft.capture import capture_for
    except ImportError as error:
        raise MissingExtra(f"{error.name}, which capturing needs,", "train") from None

    student = run.recipe.student
    if student is None or student.distill is None or not asked(run):
        raise UsageError("no teacher is to be stored; set student.distill.teachers.NAME.store, to 64 for example.")
    terms.refuse_training(run.recipe, run.folder / "corpus")
    found = capture_for(
        student.distill,
        run.folder / "signals",
        corpus=str(run.folder / "corpus"),
        model=run.base.path,
        revision=student.revision,
        teachers={name: (guide.path, guide.revision) for name, guide in run.guides.items()},
        max_length=student.max_length,
        seed=run.recipe.seed,
        data=student.data,
        held_out=student.held_out,
    )
    for name, figures in found.items():
        new = f"{figures['captured']} rows captured" if figures["captured"] else "up to date"
        size = f"{figures['tokens']:,} tokens, {figures['bytes_per_token']} bytes each"
        say(f"signals of {name}: {new}; {size} ({run.folder / 'signals' / name})")
    return found
