"""The command line: thin. Every verb is a function of the house; what it needs is imported when it is called.

Exit status: 0 done, 1 failed, 2 the user's mistake, 3 stopped by the budget, 130 interrupted.
"""

import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tracegen.cli_judge import Json, audit, grade
from tracegen.records import TracegenError, UsageError

if TYPE_CHECKING:
    from tracegen.prepare import Run
    from tracegen.recipe import Recipe

# typer carries a click of its own, which has no public name; this is its ClickException, in every release of typer.
COMMAND_LINE_ERROR: Any = typer.BadParameter.__mro__[2]

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Reasoning traces from a strong teacher, verified and curated, distilled into a small student.",
)


@app.callback()
def house(debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False) -> None:
    """Options that stand before every verb; `main` reads them."""


Target = Annotated[
    str, typer.Argument(help="A recipe file, the name of a recipe that comes with tracegen, or a run directory.")
]
Overrides = Annotated[list[str] | None, typer.Argument(help="address=value, as in teachers.smol.sampling.n=4")]
RunDir = Annotated[Path | None, typer.Option("--run-dir", help="Where the run lies; default: runs/<name>.")]


def load_recipe(target: str, overrides: list[str] | None) -> "tuple[Recipe, Path]":
    """The recipe and the run directory that a target stands for."""
    from tracegen import recipe, rundir, shipped

    if Path(target).is_dir():
        kept = rundir.recipes(Path(target))
        if not kept:
            raise UsageError(f"{target} is not a run directory: it holds no recipe.yaml.")
        return recipe.load(kept[-1], overrides or ()), Path(target)
    found = recipe.load(shipped.find("recipes", target), overrides or ())
    return found, Path("runs") / found.name


@contextmanager
def opened(target: str, overrides: list[str] | None, run_dir: Path | None) -> "Iterator[Run]":
    """The run, checked and owned by this process."""
    from tracegen import rundir
    from tracegen.prepare import prepare
    from tracegen.progress import say

    recipe, folder = load_recipe(target, overrides)
    folder = run_dir or folder
    with rundir.owned(folder):
        run = prepare(recipe, folder)
        try:
            yield run
        except KeyboardInterrupt:
            say(f"Stopped; what was finished is kept. To go on: tracegen run {folder}")
            raise
        finally:
            run.close()


def print_scores(run: "Run", scores: list[Any], as_json: bool) -> None:
    from rich.console import Console

    from tracegen.scores import table

    paths = {
        "corpus": run.folder / "corpus",
        "student": run.folder / "student",
        "scores": run.folder / "scores.jsonl",
        "report": run.folder / "report.html",
    }
    there = {name: str(path) for name, path in paths.items() if path.exists()}
    if as_json:
        found = {"scores": [asdict(score) for score in scores], "unchecked": run.unchecked}
        print(json.dumps({**there, **found}))
        return
    console = Console(soft_wrap=True)
    if scores:
        console.print(table(scores))
    for name, why in run.unchecked.items():
        console.print(f"unchecked {name}: {why}", highlight=False, markup=False)
    for name, path in there.items():
        console.print(f"{name:8} {path}", highlight=False)


@app.command("run")
def run_(target: Target, overrides: Overrides = None, run_dir: RunDir = None, as_json: Json = False) -> None:
    """The whole flow: generate, verify, curate, train, evaluate, report. Goes on where it stopped."""
    from tracegen.run import run as whole

    with opened(target, overrides, run_dir) as run:
        print_scores(run, whole(run), as_json)


@app.command()
def generate(target: Target, overrides: Overrides = None, run_dir: RunDir = None) -> None:
    """Sample the teachers and judge their answers as they come: traces/ and verdicts/."""
    from tracegen.run import generate as stage

    with opened(target, overrides, run_dir) as run:
        stage(run)


@app.command()
def verify(target: Target, overrides: Overrides = None, run_dir: RunDir = None) -> None:
    """Judge stored answers that have no verdict under the present verifiers and golds; samples nothing."""
    from tracegen.run import verify as stage

    with opened(target, overrides, run_dir) as run:
        stage(run)


@app.command()
def curate(target: Target, overrides: Overrides = None, run_dir: RunDir = None) -> None:
    """Apply the filters and write corpus/ with its card, and dropped/ with reasons."""
    from tracegen.run import curate as stage

    with opened(target, overrides, run_dir) as run:
        stage(run)


@app.command()
def train(target: Target, overrides: Overrides = None, run_dir: RunDir = None) -> None:
    """Train the student on the corpus: student/."""
    from tracegen.run import train as stage

    with opened(target, overrides, run_dir) as run:
        stage(run)


@app.command()
def evaluate(target: Target, overrides: Overrides = None, run_dir: RunDir = None, as_json: Json = False) -> None:
    """Score teacher, student before and student after on held-out problems: scores.jsonl."""
    from tracegen.run import evaluate as stage

    with opened(target, overrides, run_dir) as run:
        print_scores(run, stage(run), as_json)


@app.command()
def report(target: Target, overrides: Overrides = None, run_dir: RunDir = None) -> None:
    """Write report.html from what the run directory holds."""
    from tracegen.report import report as render

    _, folder = load_recipe(target, overrides)
    print(render(run_dir or folder))


@app.command()
def publish(
    target: Target,
    overrides: Overrides = None,
    run_dir: RunDir = None,
    repo: Annotated[str | None, typer.Option(help="owner/name; default: the recipe's corpus.repo.")] = None,
    private: Annotated[bool, typer.Option(help="Make the data set private.")] = False,
) -> None:
    """Upload corpus and card to the Hub."""
    from tracegen.publish import publish as upload

    recipe, folder = load_recipe(target, overrides)
    if not (name := repo or recipe.corpus.repo):
        raise UsageError("where to? Say --repo owner/name, or set corpus.repo in the recipe.")
    corpus, private = (run_dir or folder) / "corpus", private or recipe.corpus.private
    print(upload(corpus, name, private=private, benchmarks=recipe.evaluate.benchmarks))


@app.command()
def check(target: Target, overrides: Overrides = None, as_json: Json = False) -> None:
    """Every gold answer must be usable, accepted by its own verifier and without contradiction; nothing is sampled."""
    from tracegen.golds import lint
    from tracegen.prepare import read_problems
    from tracegen.verify import Judge

    recipe, folder = load_recipe(target, overrides)
    problems = read_problems(recipe)
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


@app.command()
def show(
    target: Target,
    overrides: Overrides = None,
    run_dir: RunDir = None,
    tokens: Annotated[bool, typer.Option("--tokens", help="One training row, coloured by what is trained on.")] = False,
    row: Annotated[int, typer.Option(help="Which row, from 0 (with --tokens).")] = 0,
    as_json: Json = False,
) -> None:
    """The resolved recipe; with --tokens, one row as the trainer sees it."""
    recipe, folder = load_recipe(target, overrides)
    if tokens:
        from tracegen.show import training_row

        training_row(recipe, run_dir or folder, row)
    elif as_json:
        print(recipe.model_dump_json())
    else:
        print(recipe.to_yaml(), end="")


@app.command("list")
def list_(
    shelf: Annotated[
        str | None, typer.Argument(help="sources, engines, verifiers, filters, benchmarks, recipes or prompts")
    ] = None,
    as_json: Json = False,
) -> None:
    """What a recipe can name, with its options."""
    from tracegen.show import shelves

    shelves(shelf, as_json)


app.command()(grade)
app.command()(audit)


@app.command()
def sandbox(
    selftest: Annotated[bool, typer.Option("--selftest", help="Run attack programs and harmless ones in it.")] = False,
    as_json: Json = False,
) -> None:
    """Which walls stand around a program that nobody has read."""
    from tracegen.sandbox.show import show

    if not show(test=selftest, as_json=as_json):
        raise typer.Exit(1)


@app.command()
def doctor(as_json: Json = False) -> None:
    """Versions, engines, hardware; what is missing and how to get it."""
    from tracegen.doctor import doctor as look

    look(as_json)


def main() -> None:
    """Entry point: turns errors into one sentence and an exit status."""
    signal.signal(signal.SIGTERM, _interrupt)
    debug = "--debug" in sys.argv
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    try:
        status = app(arguments, prog_name="tracegen", standalone_mode=False)
    except TracegenError as error:
        if debug:
            raise
        status = error.exit_status
        print(f"tracegen: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        status = 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    except COMMAND_LINE_ERROR as error:
        error.show()
        status = 2
    sys.exit(status or 0)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
