"""The corpus in the files that other trainers read, with what each of them wants to be told.

    messages    train.jsonl: {"messages": [{"role", "content"}, ...]}, which TRL takes as it is
    sharegpt    train.jsonl: {"conversations": [{"from", "value"}, ...]}, dataset_info.json for LLaMA-Factory and
                axolotl.yaml for Axolotl
    openai      train.jsonl: {"messages": [...]} and nothing else, as OpenAI's fine-tuning wants it

Shape: `write(corpus, folder, ...) -> {"written": n, "left_out": n}`. The thinking stays in the assistant's text between
its tags (`tags`), goes into `reasoning_content` beside it (`field`), or is left out (`none`).
Memory: one batch of rows. Limits: of a row whose tags do not pair nobody knows where its thinking ends, so that `field`
and `none` leave it out.
"""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from tracegen import terms
from tracegen.corpus import shards_of
from tracegen.format import split
from tracegen.markdown import environment
from tracegen.progress import Bar
from tracegen.recipe import Recipe
from tracegen.records import Message, UsageError
from tracegen.sharegpt import FROM, conversation

FORMATS = ("messages", "sharegpt", "openai")
THINKING = ("tags", "field", "none")
DATA = "train.jsonl"
PAGE = "README.md"
OF_TRAINERS = ("dataset_info.json", "axolotl.yaml")
OURS = "written by `tracegen export`"
"""What the page of an export says, and no other file of that name."""
AT_ONCE = 200
"""Rows in memory: some megabytes of long traces."""


def write(
    corpus: Path, folder: Path, *, recipe: Recipe, format: str = "messages", thinking: str = "tags", quiet: bool = False
) -> dict[str, int]:
    """Write the curated rows of a corpus into `folder`; returns how many were written and how many left out.

    What may not be trained on is not handed out either: `terms.refuse_training`.
    """
    check(format, thinking)
    if not shards_of(corpus):
        raise UsageError(f"there is no corpus in {corpus}; run `tracegen curate` first.")
    if not (rows := _rows(corpus)):
        raise UsageError(f"the corpus in {corpus} holds no trace; there is nothing to export.")
    terms.refuse_training(recipe, corpus)
    counts = {"written": 0, "left_out": 0}
    beside = folder / f".{DATA}.new"
    try:
        _refuse_foreign(folder)
        folder.mkdir(parents=True, exist_ok=True)
        with beside.open("w", encoding="utf-8") as file, Bar("export", rows, "rows", quiet=quiet) as bar:
            for messages in _chats(corpus):
                bar.advance()
                turns = _with_thinking(messages, thinking)
                counts["left_out" if turns is None else "written"] += 1
                if turns is not None:
                    file.write(json.dumps(_row(turns, format), ensure_ascii=False) + "\n")
        for name, text in _beside(corpus, folder, recipe, format, thinking, counts["written"]).items():
            if text is None:
                (folder / name).unlink(missing_ok=True)
            else:
                (folder / name).write_text(text, encoding="utf-8")
        os.replace(beside, folder / DATA)
    except OSError as error:
        raise UsageError(f"cannot write into {folder}: {error.strerror}.") from None
    finally:
        if folder.is_dir():
            beside.unlink(missing_ok=True)
    return counts


def check(format: str, thinking: str) -> None:
    """Raise UsageError for a format or a place of the thinking that there is not, or that do not go together."""
    for what, given, allowed in (("format", format, FORMATS), ("thinking", thinking, THINKING)):
        if given not in allowed:
            raise UsageError(f"there is no {what} {given!r}; it is one of {', '.join(allowed)}.")
    if thinking == "field" and format != "messages":
        raise UsageError(f"{format} has no field for the thinking; say --thinking tags or none, or --format messages.")


def _refuse_foreign(folder: Path) -> None:
    """UsageError where a file would be replaced that no export wrote, such as LLaMA-Factory's own dataset_info.json."""
    there = [name for name in (DATA, PAGE, *OF_TRAINERS) if (folder / name).exists()]
    page = folder / PAGE
    if there and not (page.is_file() and OURS in page.read_text(encoding="utf-8", errors="replace")):
        raise UsageError(f"{folder} holds {', '.join(there)}, which no export wrote; give --out a folder of its own.")


def _row(turns: list[dict[str, str]], format: str) -> Mapping[str, Any]:
    return conversation(turns) if format == "sharegpt" else {"messages": turns}


def _with_thinking(messages: list[Message], thinking: str) -> list[dict[str, str]] | None:
    """The turns with the last one's thinking where it is wanted; None where it cannot be told from the response."""
    *prompt, answer = ({"role": message["role"], "content": message["content"]} for message in messages)
    if thinking == "tags":
        return [*prompt, answer]
    parts = split(answer["content"])
    if parts.status not in ("complete", "no_reasoning"):
        return None
    kept = {"reasoning_content": parts.reasoning} if thinking == "field" and parts.reasoning else {}
    return [*prompt, {"role": answer["role"], **kept, "content": parts.response}]


def _chats(corpus: Path) -> Iterator[list[Message]]:
    import pyarrow.parquet as parquet

    for file in shards_of(corpus):
        for batch in parquet.ParquetFile(file).iter_batches(batch_size=AT_ONCE, columns=["messages"]):
            yield from batch.column("messages").to_pylist()


def _rows(corpus: Path) -> int:
    import pyarrow.parquet as parquet

    return sum(parquet.read_metadata(file).num_rows for file in shards_of(corpus))


def _beside(corpus: Path, folder: Path, recipe: Recipe, format: str, thinking: str, rows: int) -> dict[str, str | None]:
    """What goes with the data: a page that says how to load it, and the trainers' own files; None where unwanted."""
    licence = terms.of_corpus(corpus, recipe.corpus.licence).name
    page = environment().get_template("export.md.jinja")
    facts = {"name": recipe.name, "format": format, "thinking": thinking, "rows": rows, "licence": licence}
    files: dict[str, str | None] = {PAGE: page.render(**facts, repo=recipe.corpus.repo)}
    if format != "sharegpt":
        return files | dict.fromkeys(OF_TRAINERS)
    described = json.dumps({recipe.name: LLAMA_FACTORY}, indent=2) + "\n"
    axolotl = yaml.safe_dump(_axolotl(folder / DATA), sort_keys=False)
    return files | dict(zip(OF_TRAINERS, (described, axolotl), strict=True))


# https://github.com/hiyouga/LLaMA-Factory/blob/main/data/README.md, "Sharegpt Format"
LLAMA_FACTORY = {
    "file_name": DATA,
    "formatting": "sharegpt",
    "columns": {"messages": "conversations"},
    "tags": {
        "role_tag": "from",
        "content_tag": "value",
        "user_tag": FROM["user"],
        "assistant_tag": FROM["assistant"],
        "system_tag": "system",
    },
}


def _axolotl(data: Path) -> dict[str, Any]:
    """https://docs.axolotl.ai/docs/dataset-formats/conversation.html, "Migrating from sharegpt"."""
    mapped = {"field_messages": "conversations", "message_property_mappings": {"role": "from", "content": "value"}}
    return {"datasets": [{"path": str(data), "ds_type": "json", "type": "chat_template", **mapped}]}
