"""How a recipe's teachers are asked: what a schedule may say, and what of it each teacher is told."""

from pathlib import Path

import pytest

from tracegen.prepare import Run
from tracegen.recipe import Recipe
from tracegen.records import UsageError
from tracegen.refusals import check_schedule
from tracegen.stored import Stored
from tracegen.student import Student


def recipe(schedule: dict[str, object], **teachers: dict[str, object]) -> Recipe:
    named = {name: {"engine": "openai", "model": "m", "sampling": {"n": 2}, **more} for name, more in teachers.items()}
    tree = {"name": "r", "problems": {"source": "jsonl", "path": "p"}, "prompt": "math", "schedule": schedule}
    return Recipe.model_validate(tree | {"teachers": named})


@pytest.mark.parametrize(
    ("schedule", "teachers", "sentence"),
    [
        ({"up_to": 4}, {"a": {}}, "it needs schedule.stop_after beside it"),
        ({"stop_after": 3}, {"a": {}}, "teacher 'a' has at most 2 samples"),
        ({}, {"a": {"after": "b"}}, "teachers.a.after is 'b'; the teachers are a"),
        ({}, {"a": {"after": "b"}, "b": {"after": "a"}}, "teachers a, b wait for each other"),
        ({}, {"a": {"after": "a"}}, "teachers a wait for each other"),
    ],
)
def test_a_schedule_that_cannot_be_kept_is_refused(schedule, teachers, sentence) -> None:
    with pytest.raises(UsageError, match=sentence):
        check_schedule(recipe(schedule, **teachers))


@pytest.mark.parametrize(
    ("schedule", "teachers"),
    [
        ({}, {"a": {}}),
        ({"stop_after": 2}, {"a": {}}),
        ({"stop_after": 3, "up_to": 3}, {"a": {}}),
        ({"up_to": 4}, {"a": {}, "b": {"after": "a"}, "c": {"after": "b"}}),
    ],
)
def test_one_that_can_be_kept_is_not(schedule, teachers) -> None:
    check_schedule(recipe(schedule, **teachers))


def test_more_samples_are_for_teachers_whose_verdicts_steer() -> None:
    given = recipe({"up_to": 5}, cheap={"share": 3}, strong={"after": "cheap", "share": 1, "force_answer": 9})
    cheap, strong = Run(Path("nowhere"), given, Stored()).teachers.values()
    assert (cheap.most, strong.most) == (2, 5)
    assert (cheap.after, strong.after) == ("", "cheap")
    assert (cheap.share, strong.share) == ((0.0, 0.75), (0.75, 1.0))
    assert (cheap.force_answer, strong.force_answer) == (None, 9)


def test_a_hinted_teacher_of_the_recipe_is_that_one_and_not_the_student() -> None:
    given = recipe({}, big={})
    distil = {"teachers": {"big": {"hint": "x"}, "knowing": {"hint": "x"}, "mean": {"ema": 0.9}}}
    student = Student.model_validate({"model": "s", "method": "distill", "distill": distil})
    run = Run(Path("nowhere"), given.model_copy(update={"student": student}), Stored())
    assert {name: model.path for name, model in run.guides.items()} == {"big": "m"}
