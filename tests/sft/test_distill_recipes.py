"""Every recipe that distils trains as the commands in its header say: on tiny models, a tiny corpus, for two steps."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trl")

import small
import test_corpus
from training import log
from transformers import AutoModelForCausalLM

from tracegen import recipe, shipped
from tracegen.prepare import Run
from tracegen.records import Problem, UsageError, Verdict
from tracegen.refusals import check_training
from tracegen.stored import Stored
from tracegen.student import Student
from tracegen.training import train

RECIPES = Path(shipped.__file__).parents[1] / "recipes"
STEPS = {"max_steps": 2, "per_device_train_batch_size": 4, "use_cpu": True}


def distilling() -> list[Path]:
    """The recipes whose student learns from more than traces."""
    found = {path: recipe.load(path).student for path in sorted(RECIPES.glob("*.yaml"))}
    return [path for path, student in found.items() if student and student.method != "sft"]


def commands() -> Iterator[tuple[str, ...]]:
    """Recipe and overrides of every `tracegen run` in their headers."""
    for path in distilling():
        said = re.findall(rf"^#   tracegen run recipes/{path.stem}\.yaml.*", path.read_text(), re.MULTILINE)
        yield from (tuple(shlex.split(line[1:], comments=True)[2:]) for line in said)


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A teacher with a tokenizer of its own."""
    return small.model(tmp_path_factory.mktemp("foreign"), words=small.words())


def corpus_of(run: Path, teachers: list[str]) -> None:
    """Problems of two sources, which the teachers have answered in turn; every fourth answer was wrong and dropped."""
    problems, traces = {}, []
    for n in range(16):
        problem = Problem(f"p{n}", f"{n}+{n}?", str(2 * n), source=f"sums {n % 2}", licence="mit")
        verdict = Verdict("right" if n % 4 else "wrong", verifier="math", version="1")
        trace = test_corpus.trace(problem.id, n, f"{n} and {n} and nothing more at all.", str(2 * n), verdict)
        problems[problem.id] = problem
        traces.append(replace(trace, teacher=teachers[n % len(teachers)]))
    test_corpus.corpus(
        run / "corpus",
        traces=traces,
        problems=problems,
        teachers={name: {"model": "m", "licence": "apache-2.0", "may_train": True} for name in teachers},
        dropped={f"p{n}-{n}": ("correct", "wrong") for n in range(0, 16, 4)},
    )


def smaller(given: recipe.Recipe, base: str, teacher: str) -> list[str]:
    """Overrides that leave a recipe its method, losses and kinds of teachers, and take models, sizes and benchmarks."""
    assert given.student is not None
    distill: Any = given.student.distill
    found = [
        "evaluate.benchmarks={}",
        f"student.model={base}",
        *(f"teachers.{name}.model={teacher}" for name in given.teachers),
    ]
    found += [f"student.trainer.{name}={value}" for name, value in STEPS.items()]
    found += [f"student.distill.teachers.{name}.by=hf" for name, guide in distill.teachers.items() if guide.store]
    if given.student.held_out:
        found += ["student.held_out.max_tokens=8"]
    if given.student.method == "on_policy":
        found += ["student.trainer.max_completion_length=8"]
    return found


@pytest.mark.parametrize("command", list(commands()), ids=" ".join)
def test_its_student_trains(command: tuple[str, ...], base: str, teacher: str, foreign: str, tmp_path: Path) -> None:
    name, *overrides = command
    given = recipe.load(RECIPES.parent / name, overrides)
    assert given.student is not None
    assert given.student.distill is not None
    spans = given.student.distill.align == "spans"
    tiny = recipe.load(RECIPES.parent / name, overrides + smaller(given, base, foreign if spans else teacher))
    check_training(tiny.student)
    corpus_of(tmp_path, list(tiny.teachers))
    train(Run(tmp_path, tiny, Stored()))
    lines = log(tmp_path / "student")
    assert [line["step"] for line in lines] == [1, 2]
    due = set(given.student.distill.losses) if given.student.method == "distill" else {"completions/mean_length"}
    assert due <= lines[0].keys()
    AutoModelForCausalLM.from_pretrained(tmp_path / "student")


def test_every_way_of_distilling_has_a_recipe() -> None:
    found = [recipe.load(RECIPES.parent / name, overrides).student for name, *overrides in commands()]
    distilled = [student.distill for student in found if student and student.distill]
    guides = [guide for distill in distilled for guide in distill.teachers.values()]
    assert {Path(name).stem for name, *_ in commands()} == {path.stem for path in distilling()}
    assert {student.method for student in found if student} == {"distill", "on_policy"}
    assert {distill.align for distill in distilled} == {"tokens", "spans"}
    assert any(len(distill.teachers) > 1 for distill in distilled)
    assert all(any(getattr(guide, kind) for guide in guides) for kind in ("store", "hint", "ema"))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"trainer": {"packing": True}}, "TRL's DistillationConfig has no option 'packing'"),
        ({"held_out": 0.1}, "`held_out` has no part in `method: on_policy`"),
    ],
)
def test_what_on_policy_does_not_take_is_said_before_a_model_is_loaded(given: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        check_training(Student.model_validate({"model": "m", "method": "on_policy", "distill": {}, **given}))
