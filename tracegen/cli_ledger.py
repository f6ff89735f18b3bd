"""The commands that look after a run's ledger: `tracegen ledger verify | compact | export | import`."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tracegen.cli_judge import Json
from tracegen.cli_target import RunDir, Target, load_recipe
from tracegen.records import TracegenError, UsageError

if TYPE_CHECKING:
    from tracegen.adopt import Adopted
    from tracegen.ledger.check import Check

ledger = typer.Typer(
    no_args_is_help=True, help="Look after the answers of a run: check, mend, pack, take in, hand out."
)
Folder = Annotated[Path, typer.Argument(metavar="RUN", help="A run directory.", show_default=False)]


@ledger.command()
def verify(
    run: Folder,
    mend: Annotated[bool, typer.Option("--repair", help="Put what is damaged aside and go on with the rest.")] = False,
    as_json: Json = False,
) -> None:
    """Read every row of a run's ledgers; exit status 1 if something is damaged or lost.

    With --repair, damaged lines and segments go to `damaged/` inside the ledger; the next launch asks for them again.
    """
    from tracegen import rundir
    from tracegen.ledger.check import check, repair
    from tracegen.ledgers import judged_but_lost, ledgers, planned, sentences

    folders = ledgers(run)
    done: list[str] = []
    if mend:
        with rundir.owned(run):
            done = [sentence for folder in folders for sentence in repair(folder)]
    of_plan = planned(run)
    found = [check(folder, of_plan if folder == run / "traces" else lambda row: None) for folder in folders]
    lacking = judged_but_lost(run)
    if as_json:
        print(json.dumps({"ledgers": [_as_dict(one) for one in found], "judged_but_lost": lacking, "repaired": done}))
    else:
        print("\n".join([*done, *(sentence for one in found for sentence in sentences(one))]))
        if lacking:
            print(f"{lacking:,} answers have a verdict and are not in the ledger: they are asked for again.")
    if damaged := sum(len(one.damaged) for one in found):
        raise TracegenError(f"{damaged} places are damaged; `tracegen ledger verify {run} --repair` puts them aside.")
    if lacking or not all(one.sound for one in found):
        raise TracegenError(f"stored answers are lost; `tracegen generate {run}` asks for them again.")


@ledger.command()
def compact(run: Folder, as_json: Json = False) -> None:
    """Seal all segments as Parquet, and put away texts that no longer count; usage adds up as before."""
    from tracegen import rundir
    from tracegen.ledger.compact import compact as pack
    from tracegen.ledgers import ledgers
    from tracegen.progress import Bar

    folders = ledgers(run)
    sizes = {}
    with rundir.owned(run):
        for folder in folders:
            before = _size(folder)
            with Bar(f"compact {folder}", None, "segments", quiet=as_json) as bar:
                for done, bar.total in pack(folder):
                    bar.at(done)
            sizes[str(folder)] = {"before": before, "after": _size(folder)}
    if as_json:
        print(json.dumps(sizes))
    else:
        for name, size in sizes.items():
            print(f"{name}: {size['before'] / 1e6:,.1f} MB -> {size['after'] / 1e6:,.1f} MB")


@ledger.command()
def export(
    run: Folder,
    target: Annotated[Path, typer.Argument(metavar="PATH", help="The file to write.", show_default=False)],
    format: Annotated[str, typer.Option(help="jsonl, parquet, openai or sharegpt.")] = "jsonl",
    only: Annotated[
        str | None, typer.Option(help="all, complete (not cut off) or right; openai and sharegpt: complete by default.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Write the answers of a run, with their verdicts, to one file."""
    from tracegen.export import export as write
    from tracegen.ledgers import ledgers

    ledgers(run)
    try:
        counts = write(run, target, format=format, only=only)
    except OSError as error:
        raise UsageError(f"cannot write {target}: {error.strerror}.") from None
    if as_json:
        print(json.dumps(counts | {"path": str(target)}))
    else:
        left_out = f"; {counts['left_out']:,} others are left out" if counts["left_out"] else ""
        print(f"{counts['written']:,} traces in {target}{left_out}.")


@ledger.command("import")
def import_(
    target: Target,
    files: Annotated[list[Path], typer.Argument(help="Files, or folders of them.", show_default=False)],
    teacher: Annotated[str, typer.Option(help="The teacher of the recipe whose answers they are.")],
    from_: Annotated[str, typer.Option("--from", help="curator, distilabel, openai-batch or jsonl.")],
    match: Annotated[
        str, typer.Option(help="What makes an answer a problem's: equal messages, user (turn), or statement (in it).")
    ] = "messages",
    same_model: Annotated[
        bool, typer.Option("--same-model", help="Other names of the model in the files mean the teacher's.")
    ] = False,
    run_dir: RunDir = None,
    as_json: Json = False,
) -> None:
    """Take in answers that another program has paid for: they count as the run's own, under the keys of its plan."""
    from tracegen import rundir
    from tracegen.adopt import adopt
    from tracegen.foreign import reader
    from tracegen.prepare import Run
    from tracegen.problems import read_problems

    read = reader(from_)
    recipe, folder = load_recipe(target, None)
    folder = run_dir or folder
    if teacher not in recipe.teachers:
        raise UsageError(f"the recipe has no teacher {teacher!r}; it has {', '.join(recipe.teachers)}.")
    with rundir.owned(folder):
        run = Run(folder, recipe, read_problems(recipe, folder, asking=False))
        rundir.keep_recipe(folder, recipe.to_yaml())
        asker = run.teachers[teacher]
        found = adopt(
            folder, read(files), format=from_, asker=asker, problems=run.problems, match=match, same_model=same_model
        )
    if as_json:
        told = {"problems": len(found.problems), "aside": dict(found.aside)}
        print(json.dumps(asdict(found) | told | {"kept_in": found.kept_in and str(found.kept_in)}))
    else:
        _tell(found, len(run.problems))
    if not found.taken and not found.known and found.aside:
        raise TracegenError("none of the answers could be taken in.")


def _tell(found: "Adopted", problems: int) -> None:
    print(
        f"{found.taken:,} answers taken in, for {len(found.problems):,} of {problems:,} problems: "
        f"{found.finished:,} finished, {found.taken - found.finished:,} cut off, {found.thinking:,} with thinking."
    )
    if found.beyond:
        print(f"{found.beyond:,} of them are beyond sampling.n: they count when it is raised.")
    if found.known:
        print(f"{found.known:,} were taken in before.")
    for why, count in found.aside.most_common():
        print(f"{count:,} kept in {found.kept_in}: {why}.")


def _as_dict(found: "Check") -> dict[str, Any]:
    ranks = {kind.name.lower(): count for kind, count in found.ranks.items()}
    return asdict(found) | {"folder": str(found.folder), "ranks": ranks, "sound": found.sound}


def _size(folder: Path) -> int:
    from tracegen.ledger import segments

    return sum(path.stat().st_size for path in segments(folder))
