"""The benchmarks that tracegen knows and a recipe does not name: no question of theirs may stand in a corpus either.

load(recipe, unchecked, against)   their problems by benchmark; what cannot be had goes to `unchecked`, with the reason

They come from `benchmarks_dir` where the recipe names one, else from the Hub, once: their statements are then kept in
the cache folder, so that later runs wait for nothing and machines without a network can read them.
A Hub that does not answer at once is asked for none of them.
"""

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from functools import cache
from inspect import signature
from pathlib import Path
from threading import Thread

from tracegen import __version__, registry, rundir
from tracegen.embedded import cache_folder
from tracegen.progress import say
from tracegen.recipe import Recipe
from tracegen.records import Problem, Unavailable, UsageError

FILTER = "decontaminate"
PATIENCE = 1.0
"""Seconds in which the Hub has to answer."""


def load(
    recipe: Recipe, unchecked: dict[str, str], against: str | Sequence[str] | None = None
) -> dict[str, list[Problem]]:
    """The problems, without their tests, of `all`, none (`recipe`) or those named; None: as the filter says."""
    found, wanted = {}, _wanted(recipe, _of_filter(recipe) if against is None else against)
    new = [name for name in wanted if _of_hub(name, recipe.benchmarks_dir) and not _kept(name).is_file()]
    if new and _hub_answers():
        say(f"benchmarks: asking the Hub for {', '.join(new)} ...")
    for name in wanted:
        own = f"tracegen's {name}" if name in recipe.evaluate.benchmarks else name
        try:
            found[own] = _problems(name, recipe.benchmarks_dir)
        except UsageError as error:  # also one that is damaged: nobody asked for it, so it stops no run
            unchecked[own] = str(error)
    return found


def _of_filter(recipe: Recipe) -> str | Sequence[str]:
    if FILTER not in recipe.filters:
        return "recipe"
    default = registry.options(registry.load("filter", FILTER))["against"].default
    return recipe.filters[FILTER].get("against", default)  # type: ignore[no-any-return]


def _wanted(recipe: Recipe, against: str | Sequence[str]) -> Sequence[str]:
    """The names, without those that the recipe evaluates on and, unless they are named, without formats and giants."""
    asked = {entry.benchmark or name for name, entry in recipe.evaluate.benchmarks.items()}
    if against == "recipe":
        return []
    if against != "all":
        return [name for name in against if name not in asked]
    return [
        name
        for name in registry.names("benchmark")
        if name not in asked
        and not _is_format(name)
        and not (
            registry.about("benchmark", name, "LARGE")
            and _of_hub(name, recipe.benchmarks_dir)
            and not _kept(name).is_file()
        )
    ]


def _is_format(name: str) -> bool:
    """Whether it is no benchmark before it is told which, as `jsonl` is."""
    options = registry.options(registry.load("benchmark", name)).values()
    return any(option.default is option.empty for option in options)


def _problems(name: str, benchmarks_dir: str | None) -> list[Problem]:
    benchmark = registry.bind("benchmark", name, benchmarks_dir=benchmarks_dir)
    if not _of_hub(name, benchmarks_dir):
        return [replace(problem, tests=None) for problem in benchmark()]
    kept = _kept(name)
    if kept.is_file():
        return [Problem(**json.loads(line)) for line in kept.read_text(encoding="utf-8").splitlines()]
    if not _hub_answers():
        raise Unavailable(
            "the Hub does not answer; benchmarks_dir may name a folder with its file, and with HF_HUB_OFFLINE=1 what "
            "`datasets` has loaded before is read",
            offline=True,
        )
    found = [replace(problem, tests=None) for problem in benchmark()]
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        rundir.write_atomically(kept, "".join(json.dumps(asdict(problem)) + "\n" for problem in found))
    except OSError as error:
        say(f"benchmarks: {name} is not kept for later runs: cannot write {kept} ({error.strerror}).")
    return found


def _of_hub(name: str, benchmarks_dir: str | None) -> bool:
    return benchmarks_dir is None and "benchmarks_dir" in signature(registry.load("benchmark", name)).parameters


def _kept(name: str) -> Path:
    return cache_folder() / "benchmarks" / f"{name}-{__version__}.jsonl"


@cache
def _hub_answers() -> bool:
    """Whether it makes sense to ask it; offline, the libraries answer from their caches, and at once."""
    from huggingface_hub import constants
    from huggingface_hub.errors import HTTPError
    from huggingface_hub.utils import get_session

    if constants.HF_HUB_OFFLINE:
        return True
    answers: list[int] = []

    def ask() -> None:
        with suppress(HTTPError, OSError):
            answers.append(get_session().head(constants.ENDPOINT, timeout=PATIENCE).status_code)

    # A name server that is silent is waited for longer than any timeout says.
    thread = Thread(target=ask, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    return bool(answers)
