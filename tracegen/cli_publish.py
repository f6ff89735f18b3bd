"""The command publish."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from tracegen.cli_judge import Json
from tracegen.cli_target import Overrides, RunDir, Target, load_recipe
from tracegen.records import UsageError

if TYPE_CHECKING:
    from tracegen.publish import Parcel


def publish(
    target: Target,
    overrides: Overrides = None,
    run_dir: RunDir = None,
    repo: Annotated[str | None, typer.Option(help="owner/name; default: the recipe's corpus.repo.")] = None,
    student: Annotated[bool, typer.Option("--student", help="The trained model instead of the corpus.")] = False,
    private: Annotated[bool, typer.Option("--private", help="Make the repository private.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show card and sizes; send nothing.")] = False,
    contaminated_ok: Annotated[
        bool, typer.Option("--contaminated-ok", help="Although a benchmark may stand in it; the card says so.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Upload corpus and card, or the student, to the Hub: one commit, or none where nothing has changed."""
    from tracegen.publish import corpus_parcel, send, student_parcel

    recipe, folder = load_recipe(target, overrides)
    folder = run_dir or folder
    if not (name := repo or (None if student else recipe.corpus.repo)):
        default = "" if student else ", or set corpus.repo in the recipe"
        raise UsageError(f"where to? Say --repo owner/name{default}.")
    parcel = (
        student_parcel(folder, name, recipe, contaminated_ok=contaminated_ok)
        if student
        else corpus_parcel(folder / "corpus", name, recipe, contaminated_ok=contaminated_ok)
    )
    if dry_run:
        _show(parcel, as_json)
        return
    pushed = send(parcel, private=private or recipe.corpus.private)
    if as_json:
        done = {"url": pushed.url, "commit": pushed.commit, "message": pushed.message}
        print(json.dumps({**done, "rows": parcel.rows, "changed": list(pushed.changed)}))
    else:
        print(f"{pushed.url}" if pushed.commit else f"{pushed.url} (nothing has changed)")


def _show(parcel: "Parcel", as_json: bool) -> None:
    """What would be sent, the reason that it would be refused included; a refusal is an error all the same."""
    sizes = parcel.sizes
    if as_json:
        shown = {"repo": parcel.repo, "rows": parcel.rows, "files": sizes, "bytes": sum(sizes.values())}
        print(json.dumps({**shown, "refused": parcel.refused, "card": parcel.card}))
    else:
        from rich.console import Console
        from rich.table import Table

        print(parcel.card)
        table = Table("file", "bytes", title=f"would be sent to {parcel.repo}", title_justify="left")
        table.columns[1].justify = "right"
        for path, size in sizes.items():
            table.add_row(path, f"{size:,}")
        table.add_section()
        rows = ", ".join(f"{config} {count:,}" for config, count in parcel.rows.items())
        table.add_row(f"{len(sizes)} files{f'; rows: {rows}' if rows else ''}", f"{sum(sizes.values()):,}")
        Console(soft_wrap=True).print(table)
    if parcel.refused:
        raise UsageError(parcel.refused)
