"""What a recipe may not ask for, said before a model is loaded and before anything is paid for."""

from importlib.util import find_spec

from tracegen.recipe import Recipe
from tracegen.records import UsageError
from tracegen.student import Distill, Student


def check_schedule(recipe: Recipe) -> None:
    """Refuse a schedule that cannot be kept, and teachers that wait for each other."""
    schedule, teachers = recipe.schedule, recipe.teachers
    if schedule.up_to and not any(schedule.steers(teacher.after) for teacher in teachers.values()):
        raise UsageError("schedule.up_to asks more of unsolved problems, so it needs schedule.stop_after beside it.")
    for name, teacher in teachers.items():
        most = max(teacher.sampling.n, schedule.up_to or 0)
        if schedule.stop_after and schedule.stop_after > most:
            raise UsageError(
                f"schedule.stop_after is {schedule.stop_after}, and teacher {name!r} has at most {most} samples for a "
                "problem; raise schedule.up_to or its sampling.n."
            )
        line = [name]
        while after := teachers[line[-1]].after:
            if after not in teachers:
                raise UsageError(f"teachers.{line[-1]}.after is {after!r}; the teachers are {', '.join(teachers)}.")
            if after in line:
                raise UsageError(f"teachers {', '.join(line)} wait for each other; `after` may not go round.")
            line.append(after)


def check_training(student: Student | None) -> None:
    """Refuse what no training could take; where none could be run here, nothing of it is known."""
    if student is None or not find_spec("trl"):
        return
    if student.trainer:
        from sft.settings import check, config_of, refuse_loss

        check(student.trainer, config_of(student.method))
        if student.method == "distill":
            refuse_loss(student.trainer, "method: distill")
    if student.launch:
        from sft.launch import check as check_launch

        check_launch(student.launch)
    if student.method == "on_policy":
        from sft.assemble import check_on_policy

        others = {name: getattr(student, name) for name in ("order", "weights", "held_out")}
        check_on_policy(student.distill or Distill(), **others)
    elif student.distill:
        from sft.assemble import check as check_distill

        check_distill(student.distill)
    if student.order or student.weights:
        from sft.ordering import check as check_order

        check_order(student.order, student.weights, student.trainer)
    if student.data:
        from sft.messages import refuse_missing

        for part in student.data.values():
            refuse_missing(part.corpus or ".")
