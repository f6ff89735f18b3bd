"""The command export."""

import json
from pathlib import Path
from typing import Annotated

import typer

from tracegen.cli_judge import Json
from tracegen.cli_target import Overrides, RunDir, Target, load_recipe


def export(
    target: Target,
    out: Annotated[Path, typer.Option(help="The folder to write into.", show_default=False)],
    overrides: Overrides = None,
    format: Annotated[
        str, typer.Option(help="messages (TRL), sharegpt (LLaMA-Factory, Axolotl) or openai.")
    ] = "messages",
    thinking: Annotated[
        str, typer.Option(help="tags (in the text), field (reasoning_content; messages only) or none.")
    ] = "tags",
    run_dir: RunDir = None,
    as_json: Json = False,
) -> None:
    """Write the corpus in the files that another trainer reads."""
    from tracegen.for_trainers import write

    recipe, folder = load_recipe(target, overrides)
    corpus = (run_dir or folder) / "corpus"
    counts = write(corpus, out, recipe=recipe, format=format, thinking=thinking, quiet=as_json)
    if as_json:
        print(json.dumps(counts | {"path": str(out)}))
    else:
        left = counts["left_out"]
        without = f"; left out: {left:,}, whose thinking cannot be told from the response" if left else ""
        print(f"{counts['written']:,} rows in {out}{without}.")
