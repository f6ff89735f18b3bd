"""The benchmarks of a recipe: checked, loaded or left unchecked, and how each of them is asked.

check(recipe)                   refuses what cannot be, without loading anything
load(recipe, unchecked)         the problems by benchmark; what cannot be loaded goes to `unchecked`, with the reason
check_conventions(...)          refuses conventions that a benchmark's verifiers do not have
on(benchmark, asker, recipe)    an asker as it answers this benchmark
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from tracegen import prompts, registry
from tracegen.generate import Asker, check_engine, chosen
from tracegen.recipe import Recipe
from tracegen.records import Problem, Unavailable, UsageError
from tracegen.verify import Judge


def check(recipe: Recipe) -> None:
    """Refuse a benchmark, option, prompt or sampling that cannot be."""
    stage = recipe.evaluate
    for name, entry in stage.benchmarks.items():
        registry.bind("benchmark", entry.benchmark or name, entry.options)
        if entry.prompt:
            prompts.load(entry.prompt)
        sampling = stage.sampling_of(name)
        if recipe.student is not None:
            check_engine(f"evaluate.benchmarks.{name}", chosen(stage.engine), stage.options, sampling)
    most = max((stage.sampling_of(name).n for name in stage.benchmarks), default=stage.sampling.n)
    if max(stage.k) > most:
        raise UsageError(
            f"evaluate.k asks for pass@{max(stage.k)}, but evaluate.sampling.n is only {most}; draw at least k samples "
            "of a problem, or set n for one benchmark."
        )


def load(recipe: Recipe, unchecked: dict[str, str], *, whole: bool = False) -> dict[str, list[Problem]]:
    """The problems of every benchmark that is not unchecked yet; `whole` reads past a `limit`, without the tests."""
    loaded: dict[str, list[Problem]] = {}
    for name, entry in recipe.evaluate.benchmarks.items():
        if name in unchecked:
            continue
        options = {option: value for option, value in entry.options.items() if not (whole and option == "limit")}
        benchmark = registry.bind("benchmark", entry.benchmark or name, options, benchmarks_dir=recipe.benchmarks_dir)
        try:
            problems = (replace(problem, tests=None) if whole else problem for problem in benchmark())
            loaded[name] = [replace(p, conventions={**p.conventions, **entry.conventions}) for p in problems]
        except Unavailable as error:
            unchecked[name] = str(error)
            continue
        if not loaded[name]:
            raise UsageError(f"benchmark {name!r} has no problems.")
    return loaded


def check_conventions(benchmarks: Mapping[str, Iterable[Problem]], judge: Judge) -> None:
    """Refuse conventions that the verifiers who go by them do not have."""
    for name, problems in benchmarks.items():
        different = {(problem.verifier, repr(problem.conventions)): problem for problem in problems}
        for problem in different.values():
            try:
                judge.check(problem)
            except UsageError as error:
                raise UsageError(f"evaluate.benchmarks.{name}: {error}") from None


def on(benchmark: str, asker: Asker, recipe: Recipe) -> Asker:
    """The asker with the benchmark's prompt, where the recipe or the benchmark names one, and its sampling."""
    stage = recipe.evaluate
    entry = stage.benchmarks[benchmark]
    prompt = entry.prompt or registry.about("benchmark", entry.benchmark or benchmark, "PROMPT")
    return replace(
        asker,
        prompt=prompts.load(prompt) if prompt else asker.prompt,
        sampling=stage.sampling_of(benchmark),
        of=f"{benchmark}/",
    )
