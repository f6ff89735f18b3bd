"""Names in a recipe become functions; their options are checked against the function's own signature.

A shelf is a package with one module a function, both of the same name. Three kinds of names resolve:
a module of the shelf (`length`), a file of the user's own (`my_filters.py:no_chinese`), and an entry point of an
installed package in the group `tracegen.<shelf>` (`tracegen.filters`).
Keyword-only parameters are the options; those in RESERVED are filled in by the house and cannot be set by a recipe.
"""

import importlib
import importlib.util
import inspect
import pkgutil
from collections.abc import Callable, Mapping
from functools import cache, partial
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Literal, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError

from tracegen.records import UsageError

Shelf = Literal["source", "engine", "verifier", "filter", "benchmark", "loss", "scorer"]
PACKAGES: dict[str, str] = {
    "source": "tracegen.sources",
    "engine": "tracegen.engines",
    "verifier": "tracegen.verifiers",
    "filter": "tracegen.filters",
    "benchmark": "tracegen.benchmarks",
    "loss": "sft.losses",
    "scorer": "sft.scorers",
}
RESERVED = frozenset(
    {
        "ask",
        "tokenizer",
        "siblings",
        "trace",
        "model",
        "problems",
        "benchmarks",
        "benchmarks_dir",
        "folder",
        "hear",
        "drop",
        "note",
        "teachers",
        "sketches",
        "temperature",
    }
)


def names(shelf: Shelf) -> list[str]:
    """The names that a recipe may use on this shelf, without importing what they name."""
    package = importlib.import_module(PACKAGES[shelf])
    own = [module.name for module in pkgutil.iter_modules(package.__path__) if not module.name.startswith("_")]
    return sorted({*own, *_points(shelf)})


@cache
def _points(shelf: Shelf) -> dict[str, EntryPoint]:
    """What installed packages offer; looked up once, for it reads the metadata of every one of them."""
    return {point.name: point for point in entry_points(group=f"tracegen.{shelf}s")}


def load(shelf: Shelf, name: str) -> Callable[..., Any]:
    """The function that `name` stands for; a UsageError lists what is allowed."""
    if ".py:" in name:
        return _load_from_file(shelf, *name.rsplit(":", 1))
    if name.isidentifier() and name in names(shelf):
        if point := _points(shelf).get(name):
            return point.load()  # type: ignore[no-any-return]
        return getattr(importlib.import_module(f"{PACKAGES[shelf]}.{name}"), name)  # type: ignore[no-any-return]
    raise UsageError(
        f"there is no {shelf} {name!r}; the {shelf}s are {', '.join(names(shelf))}, or your own as file.py:function."
    )


def summary(shelf: Shelf, name: str) -> str:
    """The first line of the docstring: what `tracegen list` prints."""
    return (inspect.getdoc(load(shelf, name)) or "").partition("\n")[0]


def about(shelf: Shelf, name: str, what: str) -> Any:
    """What the function's module says under a name of the house, such as a benchmark's PROMPT; None if nothing."""
    return getattr(inspect.unwrap(load(shelf, name)), "__globals__", {}).get(what)


def options(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """The options that a recipe may set: the keyword-only parameters that are not reserved."""
    parameters = inspect.signature(function).parameters.values()
    return {p.name: p for p in parameters if p.kind is p.KEYWORD_ONLY and p.name not in RESERVED}


def bind(shelf: Shelf, name: str, given: Mapping[str, Any] | None = None, **reserved: Any) -> partial[Any]:
    """The function with the recipe's options bound, and those of `reserved` that its signature asks for."""
    function = load(shelf, name)
    given = dict(given or {})
    allowed = options(function)
    if unknown := sorted(set(given) - set(allowed)):
        takes = f"it takes {', '.join(allowed)}" if allowed else "it takes none"
        raise UsageError(f"{shelf} {name!r} has no option {unknown[0]!r}; {takes}.")
    if missing := sorted(n for n, p in allowed.items() if p.default is p.empty and n not in given):
        raise UsageError(f"{shelf} {name!r} needs the option {missing[0]!r}.")
    checked = _typed(f"{shelf} {name!r}", function, given)
    wanted = inspect.signature(function).parameters
    return partial(function, **checked, **{n: value for n, value in reserved.items() if n in wanted})


def _typed(who: str, function: Callable[..., Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The options in the types that the signature declares; a parameter without an annotation takes anything."""
    hints = get_type_hints(function, include_extras=True) if given else {}
    checked = {}
    for name, value in given.items():
        adapter = TypeAdapter(hints.get(name, Any), config=ConfigDict(arbitrary_types_allowed=True))
        try:
            checked[name] = adapter.validate_python(value)
        except ValidationError as error:
            said = error.errors()[0]["msg"].removeprefix("Value error, ")
            raise UsageError(f"{who}: {name} is {value!r}; {said[0].lower()}{said[1:]}.") from None
    return checked


def _load_from_file(shelf: Shelf, path: str, function: str) -> Callable[..., Any]:
    if not Path(path).is_file():
        raise UsageError(f"{shelf} {path}:{function}: there is no file {path}.")
    spec = importlib.util.spec_from_file_location(Path(path).stem, path)
    assert spec is not None, "a .py file has a spec"
    assert spec.loader is not None, "a .py file has a loader"
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not callable(found := getattr(module, function, None)):
        raise UsageError(f"{path} has no function {function!r}.")
    return found  # type: ignore[no-any-return]
