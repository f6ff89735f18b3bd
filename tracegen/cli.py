"""The command line: thin. Every verb is a function of the house; what it needs is imported when it is called.

Exit status: 0 done, 1 failed, 2 the user's mistake, 3 stopped by the budget, 130 interrupted.
"""

import errno
import json
import os
import signal
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tracegen.cli_export import export
from tracegen.cli_judge import Json, audit, grade
from tracegen.cli_ledger import ledger
from tracegen.cli_look import check, doctor, list_, sandbox, show
from tracegen.cli_money import estimate
from tracegen.cli_publish import publish
from tracegen.cli_target import Overrides, RunDir, Target, load_recipe, opened
from tracegen.cli_view import view
from tracegen.cli_watch import status, watchable
from tracegen.records import TracegenError

if TYPE_CHECKING:
    from tracegen.prepare import Run

# typer carries a click of its own, which has no public name; this is its ClickException, in every release of typer.
COMMAND_LINE_ERROR: Any = typer.BadParameter.__mro__[2]

FULL = {errno.ENOSPC, errno.EDQUOT}

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Reasoning traces from a strong teacher, verified and curated, distilled into a small student.",
)


@app.callback()
def house(debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False) -> None:
    """Options that stand before every verb; `main` reads them."""


def print_scores(run: "Run", scores: list[Any], as_json: bool) -> None:
    from rich.console import Console

    from tracegen.scores import table
    from tracegen.status import STAGES

    paths = {stage: run.folder / path for stage, path in STAGES.items()}
    there = {stage: str(path) for stage, path in paths.items() if path.exists()}
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
@watchable
def run_(target: Target, overrides: Overrides = None, run_dir: RunDir = None, as_json: Json = False) -> None:
    """The whole flow: generate, verify, curate, train, evaluate, report. Goes on where it stopped."""
    from tracegen.run import run as whole

    with opened(target, overrides, run_dir) as run:
        print_scores(run, whole(run), as_json)


@app.command()
@watchable
def generate(target: Target, overrides: Overrides = None, run_dir: RunDir = None) -> None:
    """Sample the teachers and judge their answers as they come: traces/ and verdicts/."""
    from tracegen.run import generate as stage

    with opened(target, overrides, run_dir) as run:
        stage(run)


@app.command()
@watchable
def verify(target: Target, overrides: Overrides = None, run_dir: RunDir = None) -> None:
    """Judge stored answers that have no verdict under the present verifiers and golds; samples nothing."""
    from tracegen.run import verify as stage

    with opened(target, overrides, run_dir) as run:
        stage(run)


@app.command()
@watchable
def curate(target: Target, overrides: Overrides = None, run_dir: RunDir = None) -> None:
    """Apply the filters and write corpus/ with its card, and dropped/ with reasons."""
    from tracegen.run import curate as stage

    with opened(target, overrides, run_dir) as run:
        stage(run)


@app.command()
@watchable
def capture(target: Target, overrides: Overrides = None, run_dir: RunDir = None, as_json: Json = False) -> None:
    """Store what teachers think of the corpus' tokens, to distil from without them: signals/."""
    from tracegen.capture import capture as stage

    with opened(target, overrides, run_dir) as run:
        found = stage(run)
        if as_json:
            print(json.dumps(found))


@app.command()
@watchable
def train(target: Target, overrides: Overrides = None, run_dir: RunDir = None) -> None:
    """Train the student on the corpus: student/."""
    from tracegen.run import train as stage

    with opened(target, overrides, run_dir) as run:
        stage(run)


@app.command()
@watchable
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


for other in (publish, export, status, view, check, show, sandbox, doctor, grade, audit):
    app.command()(other)
app.command("list")(list_)
app.command()(watchable(estimate))
app.add_typer(ledger, name="ledger")


def main() -> None:
    """Entry point: turns errors into one sentence and an exit status."""
    signal.signal(signal.SIGTERM, _interrupt)
    debug = "--debug" in sys.argv
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    try:
        exit_status = app(arguments, prog_name="tracegen", standalone_mode=False)
    except TracegenError as error:
        from tracegen.progress import complain

        if debug:
            raise
        exit_status = error.exit_status
        complain(f"tracegen: {error}")
    except KeyboardInterrupt:
        exit_status = 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        exit_status = 0
    except OSError as error:
        from tracegen.progress import complain

        if debug or error.errno not in FULL:
            raise
        exit_status = 1
        complain(f"tracegen: {error.strerror}; what is finished is kept. Make room and start the same command again.")
    except COMMAND_LINE_ERROR as error:
        error.show()
        exit_status = 2
    sys.exit(exit_status or 0)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
