"""What commands are given: a recipe or a run directory, and overrides; and the run that they stand for."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tracegen.records import UsageError

if TYPE_CHECKING:
    from tracegen.prepare import Run
    from tracegen.recipe import Recipe

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
    from tracegen.live import watched
    from tracegen.prepare import prepare
    from tracegen.progress import complain

    recipe, folder = load_recipe(target, overrides)
    folder = run_dir or folder
    with rundir.owned(folder), watched(folder):
        verb = next((word for word in sys.argv[1:] if not word.startswith("-")), "run")
        run = prepare(recipe, folder, again=f"tracegen {verb} {folder}")
        try:
            yield run
        except KeyboardInterrupt:
            complain(f"Stopped; what was finished is kept. To go on: {run.again}")
            raise
        finally:
            run.close()
