"""What the house offers and what a run will train on, printed."""

import inspect
import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tracegen import models, registry, shipped
from tracegen.corpus import shards_of
from tracegen.recipe import Asked, Recipe
from tracegen.records import MissingExtra, UsageError

SHELVES: dict[str, registry.Shelf] = {
    "sources": "source",
    "engines": "engine",
    "verifiers": "verifier",
    "filters": "filter",
    "benchmarks": "benchmark",
    "losses": "loss",
    "scorers": "scorer",
}
TRAINING = ("losses", "scorers")
"""Shown where they are asked for by name: looking at them loads torch."""
CAPTIONS = {
    "verifiers": "Each also takes only (outcomes of the verdict before it) and second_opinion (a share, 0.0).",
    "benchmarks": "Each also takes prompt, conventions, any name of sampling (n=16), and benchmark (its name here).",
}
FILES: tuple[shipped.Kind, ...] = ("recipes", "prompts")


def shelves(shelf: str | None, as_json: bool) -> None:
    """Print what a recipe can name: all shelves, or one."""
    known = [*SHELVES, *FILES]
    if shelf is not None and shelf not in known:
        raise UsageError(f"there is no shelf {shelf!r}; the shelves are {', '.join(known)}.")
    found = {name: _entries(name) for name in known if shelf == name or (shelf is None and name not in TRAINING)}
    if as_json:
        print(json.dumps(found))
        return
    console = Console(soft_wrap=False)
    for name, entries in found.items():
        table = Table("name", "options", "what it is", title=name, title_justify="left", expand=True)
        table.caption, table.caption_justify = CAPTIONS.get(name), "left"
        for entry in entries:
            table.add_row(entry["name"], *map(escape, (", ".join(entry["options"]), entry["summary"])))
        console.print(table)


def _entries(shelf: str) -> list[dict[str, Any]]:
    if shelf in FILES:
        kind = cast(shipped.Kind, shelf)
        return [
            {"name": name, "options": [], "summary": _first_comment(shipped.find(kind, name))}
            for name in shipped.names(kind)
        ]
    kind_of = SHELVES[shelf]
    if shelf in TRAINING and find_spec("torch") is None:
        raise MissingExtra(f"torch, which the {shelf} need,", "train")
    return [
        {
            "name": name,
            "options": _options(registry.load(kind_of, name)),
            "summary": registry.summary(kind_of, name),
        }
        for name in registry.names(kind_of)
    ]


def _options(function: Callable[..., Any]) -> list[str]:
    """Its options with their defaults; of a verifier that asks a model, those of the model too."""
    own = [_option(parameter) for parameter in registry.options(function).values()]
    if "ask" not in inspect.signature(function).parameters:
        return own
    return [name if field.is_required() else f"{name}=..." for name, field in Asked.model_fields.items()] + own


def _option(parameter: inspect.Parameter) -> str:
    return parameter.name if parameter.default is parameter.empty else f"{parameter.name}={parameter.default!r}"


def _first_comment(path: Path) -> str:
    """A recipe says what it is in its first comment, a prompt in its description."""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            return line.lstrip("# ").strip()
        if line.startswith("description:"):
            return line.partition(":")[2].strip().strip("\"'")
    return ""


def training_rows(recipe: Recipe, folder: Path, first: int, limit: int) -> None:
    """Print rows of the run's corpus as the trainer sees them."""
    from sft.shown import show

    tokenizer, found, _ = _prepared(recipe, folder)
    if not 0 <= first < len(found):
        raise UsageError(f"there are {len(found)} rows to train on, so --row goes from 0 to {len(found) - 1}.")
    console = Console(soft_wrap=True, highlight=False)
    for number, row in enumerate(found[first : first + limit], start=first):
        trained = len(row.input_ids) - row.prompt
        said = f"row {number}, {row.sample_id}: {row.prompt} tokens of prompt, {trained} trained on"
        console.print(said, style="bold", markup=False)
        console.print(show(row, tokenizer, coloured=console.is_terminal and not console.no_color))
        console.print()


def training_report(recipe: Recipe, folder: Path, as_json: bool) -> None:
    """Print what of the run's corpus is trained on, and what is dropped and why."""
    from dataclasses import asdict

    from sft.hygiene import table

    _, _, hygiene = _prepared(recipe, folder)
    print(json.dumps(asdict(hygiene)) if as_json else table(hygiene))


def _prepared(recipe: Recipe, folder: Path) -> tuple[Any, Any, Any]:
    """Tokenizer, rows and hygiene, as training would have them."""
    from transformers import AutoTokenizer

    from sft import material
    from sft.load import load
    from tracegen.material import has_own

    student = recipe.student
    if student is None:
        raise UsageError("the recipe has no student, so there is nothing to show.")
    corpus = folder / "corpus"
    if has_own(student.data) and not shards_of(corpus):
        raise UsageError(f"there is no corpus in {corpus}; run `tracegen curate` first.")
    base = models.resolve(student.model, student.revision)
    tokenizer = load(AutoTokenizer, base.path, student.revision)
    found = material.read(
        str(corpus),
        student.data,
        tokenizer,
        max_length=student.max_length,
        seed=recipe.seed,
        held_out=student.held_out,
    )
    return tokenizer, found.rows, found.counted
