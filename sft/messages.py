"""Chats from a corpus: a run's own folder, a file, another local folder, or a data set on the Hub.

Shape: `chats(corpus)` yields a `Chat` a row. A turn's `reasoning_content` is put into its content as a `<think>` block,
text that comes in parts is joined, `conversations` of from and value (ShareGPT) are read like `messages`, and calls of
tools stay beside the content for the template. Every mistake in a row is a UsageError that names the row.
Limits: text only.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from tracegen import rows
from tracegen.format import join
from tracegen.records import UsageError
from tracegen.sharegpt import message

Messages = list[dict[str, Any]]
IDS = ("key", "sample_id", "id", "uuid")
"""Columns that may name a row, the most specific first."""
FACTS = ("problem_id", "teacher", "domain", "source", "finish_reason", "pass_rate")
"""What else is kept of a row, where it has it: what teachers, order and weights go by."""
TOOLS = ("tool_calls", "tool_call_id", "name")
"""What a turn may hold beside role and content."""
SUFFIXES = (".jsonl", ".json", ".parquet")


class Chat(NamedTuple):
    """One row of a corpus."""

    where: str
    """Where it stands, for a sentence about it."""
    sample_id: str
    """Its own in this corpus: what the row is named, else a hash of its messages; the second of a name is `name#2`."""
    messages: Messages
    facts: Mapping[str, Any]
    tools: list[Any] | None = None
    """The tools that the prompt offers."""


def chats(
    corpus: str, *, split: str = "train", revision: str | None = None, columns: Collection[str] = ()
) -> Iterator[Chat]:
    """Every row of the corpus, with `columns` among its facts; `name:config` picks a configuration on the Hub."""
    wanted = {*FACTS, *columns}
    rates = _pass_rates(Path(corpus))
    seen: Counter[str] = Counter()
    for where, row in _read(corpus, split, revision, wanted):
        given = row.get("messages") if row.get("messages") is not None else row.get("conversations")
        if given is None:
            raise UsageError(
                f"{where} has no `messages`; its columns are {', '.join(row) or 'none'}. A corpus needs a column "
                "`messages` of chat messages, each with role and content."
            )
        messages = _messages(given, where)
        named = next((str(row[name]) for name in IDS if row.get(name) not in (None, "")), None) or _hash(messages)
        facts = {name: row[name] for name in wanted if row.get(name) is not None}
        if "pass_rate" not in facts and facts.get("problem_id") in rates:
            facts["pass_rate"] = rates[facts["problem_id"]]
        yield Chat(where, _own(named, seen), messages, facts, _listed(row.get("tools")))


def _own(name: str, seen: Counter[str]) -> str:
    """The name, or where it was seen before, the name with a number behind it."""
    seen[name] += 1
    return name if seen[name] == 1 else _own(f"{name}#{seen[name]}", seen)


def _read(corpus: str, split: str, revision: str | None, wanted: Collection[str]) -> Iterator[rows.Row]:
    path = Path(corpus)
    # A run's own corpus, or any data set that was downloaded: the Hub's usual place for files.
    found = sorted(path.glob(f"data/curated/{split}-*.parquet")) or sorted(path.glob(f"data/{split}-*.parquet"))
    if found:
        return (row for file in found for row in _parquet(file, wanted))
    if path.is_file() and path.suffix in (".jsonl", ".json"):
        return rows.json_lines(path)
    if path.is_file() and path.suffix == ".parquet":
        return _parquet(path, wanted)
    refuse_missing(corpus)
    name, _, config = corpus.partition(":") if not path.is_dir() else (corpus, "", "")
    return rows.hub(name, config or None, split, revision=revision)


def refuse_missing(corpus: str) -> None:
    """UsageError for a file that is no corpus, and for what can be no name on the Hub where nothing is."""
    path = Path(corpus)
    if path.is_file() and path.suffix not in SUFFIXES:
        raise UsageError(f"{corpus} is not a corpus; a file must be .jsonl or .parquet.")
    if not path.exists() and (corpus.startswith((".", "/", "~")) or path.suffix in SUFFIXES):
        raise UsageError(f"there is no corpus {corpus}; name a folder, a .jsonl or .parquet file, or a Hub data set.")


def _parquet(file: Path, wanted: Collection[str]) -> Iterator[rows.Row]:
    import pyarrow
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.ParquetFile(file)
    except pyarrow.ArrowInvalid as error:
        raise UsageError(f"{file} is not a Parquet file ({rows.one_line(error)}).") from None
    present = table.schema_arrow.names
    # Some tables carry whole model outputs in columns that nobody asked for.
    columns = [name for name in present if name in {"messages", "conversations", "tools", *IDS, *wanted}]
    chatty = {"messages", "conversations"} & set(present)
    number = 0
    for batch in table.iter_batches(batch_size=1000, columns=columns if chatty else None):
        for row in batch.to_pylist():
            yield f"{file}, row {number}", row
            number += 1


def _pass_rates(corpus: Path) -> dict[str, float]:
    """How often each problem of a run's corpus was solved, from its table of problems."""
    import pyarrow.parquet

    rates: dict[str, float] = {}
    for file in sorted(corpus.glob("data/problems/train-*.parquet")):
        table = pyarrow.parquet.read_table(file, columns=["problem_id", "pass_rate"])
        rates |= {row["problem_id"]: row["pass_rate"] for row in table.to_pylist() if row.get("pass_rate") is not None}
    return rates


def _messages(given: Any, where: str) -> Messages:
    if not isinstance(given, Sequence) or isinstance(given, str):
        raise UsageError(f"{where}: `messages` must be a list of chat messages, not {rows.kind(given)}.")
    messages = []
    for turn in given:
        if isinstance(turn, Mapping) and "from" in turn:
            turn = message(turn)
        role, content = (turn.get("role"), _text(turn.get("content"))) if isinstance(turn, Mapping) else (None, None)
        if not isinstance(role, str) or not isinstance(content, str):
            raise UsageError(f"{where}: every message needs a role and a content that is text.")
        if (reasoning := turn.get("reasoning_content")) and "</think>" not in content:
            content = join(str(reasoning).strip(), content.strip())
        kept = {name: turn[name] for name in TOOLS if turn.get(name)}
        if calls := _listed(kept.pop("tool_calls", None)):
            kept["tool_calls"] = [_call(call, where) for call in calls]
        messages.append({"role": role, "content": content, **kept})
    return messages


def _text(content: Any) -> Any:
    """A content as one text: none is blank, and parts are joined if all of them are text."""
    if isinstance(content, Sequence) and not isinstance(content, str):
        parts = [part.get("text") if isinstance(part, Mapping) else part for part in content]
        texts = [part for part in parts if isinstance(part, str)]
        return "".join(texts) if len(texts) == len(parts) else None
    return "" if content is None else content


def _call(call: Any, where: str) -> Mapping[str, Any]:
    """A call of a tool with its arguments as an object, which templates write out, and not as text that holds JSON."""
    function = call.get("function", call) if isinstance(call, Mapping) else None
    if not isinstance(function, Mapping):
        raise UsageError(f"{where}: every call of a tool must be an object with a function.")
    if isinstance(function.get("arguments"), str):
        with suppress(ValueError):  # Then the template writes what the model wrote.
            return {**call, "function": {**function, "arguments": json.loads(function["arguments"])}}
    return {**call, "function": function}


def _listed(given: Any) -> list[Any] | None:
    """A list, or JSON of one, as many data sets of the Hub have tools and their calls."""
    try:
        found = json.loads(given) if isinstance(given, str) else given
    except ValueError:
        return None
    return list(found) if isinstance(found, Sequence) and found else None


def _hash(messages: Messages) -> str:
    return hashlib.sha256(json.dumps(messages, sort_keys=True, default=str).encode()).hexdigest()[:16]
