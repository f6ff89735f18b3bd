"""The commands that look and change nothing: check, show, list, sandbox, doctor."""

import json
import os
from dataclasses import asdict
from typing import Annotated

import typer

from tracegen.cli_judge import Json
from tracegen.cli_target import Overrides, RunDir, Target, load_recipe
from tracegen.records import UsageError


def check(target: Target, overrides: Overrides = None, as_json: Json = False) -> None:
    """Every gold answer must be usable, accepted by its own verifier and without contradiction; nothing is sampled."""
    from tracegen.golds import lint
    from tracegen.problems import read_problems
    from tracegen.verify import Judge

    recipe, folder = load_recipe(target, overrides)
    problems = read_problems(recipe, folder, asking=False)
    named = {problem.verifier for problem in problems.values()}
    with Judge(recipe.verifiers, workers=os.cpu_count() or 2, named=named, asked=folder / "asked") as judge:
        found = list(lint(problems.values(), judge))
        without = sum(problem.answer is None for problem in problems.values())
    if as_json:
        print(json.dumps({"problems": len(problems), "rejected": [asdict(finding) for finding in found]}))
    else:
        for bad in found:
            who = bad.verifier or "no verifier"
            print(f"{bad.id}: {who} says {bad.outcome} ({bad.reason}) of {bad.answer!r}: {bad.why}.")
    if found:
        raise UsageError(f"{len(found)} of {len(problems)} gold answers are rejected by their own verifier.")
    if not as_json:
        print(f"{len(problems)} problems; every gold answer is accepted by its verifier.")
        if without:
            print(f"{without} of them have none, and are judged without.")


def show(
    target: Target,
    overrides: Overrides = None,
    run_dir: RunDir = None,
    tokens: Annotated[bool, typer.Option("--tokens", help="Training rows, coloured by what is trained on.")] = False,
    row: Annotated[int, typer.Option(help="From which row, counted from 0 (with --tokens).")] = 0,
    limit: Annotated[int, typer.Option(min=1, help="How many rows (with --tokens).")] = 1,
    rows: Annotated[bool, typer.Option("--rows", help="What is trained on, what is dropped, and why.")] = False,
    as_json: Json = False,
) -> None:
    """The resolved recipe; with --tokens, rows as the trainer sees them; with --rows, what becomes of all of them."""
    recipe, folder = load_recipe(target, overrides)
    if tokens:
        from tracegen.show import training_rows

        training_rows(recipe, run_dir or folder, row, limit)
    elif rows:
        from tracegen.show import training_report

        training_report(recipe, run_dir or folder, as_json)
    elif as_json:
        print(recipe.model_dump_json())
    else:
        print(recipe.to_yaml(), end="")


def list_(
    shelf: Annotated[
        str | None, typer.Argument(help="sources, engines, verifiers, filters, benchmarks, recipes or prompts")
    ] = None,
    as_json: Json = False,
) -> None:
    """What a recipe can name, with its options."""
    from tracegen.show import shelves

    shelves(shelf, as_json)


def sandbox(
    selftest: Annotated[bool, typer.Option("--selftest", help="Run attack programs and harmless ones in it.")] = False,
    as_json: Json = False,
) -> None:
    """Which walls stand around a program that nobody has read."""
    from tracegen.sandbox.show import show

    if not show(test=selftest, as_json=as_json):
        raise typer.Exit(1)


def doctor(as_json: Json = False) -> None:
    """Versions, engines, hardware; what is missing and how to get it."""
    from tracegen.doctor import doctor as look

    look(as_json)
