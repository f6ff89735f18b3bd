"""Rows become problems: JSON lines, tables of the Hub, and benchmark files in a folder of the user's own.

Sources and benchmarks share what stands here. Every mistake in a row is a UsageError that names the file and the line.
"""

import hashlib
import itertools
import json
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from tracegen.records import MissingExtra, Problem, Unavailable, UsageError
from tracegen.shipped import find

Item = TypeVar("Item")
Row = tuple[str, dict[str, Any]]
"""Where the row stands, for a sentence about it, and its fields."""

TEXT_FIELDS = ("verifier", "entry_point", "source", "domain", "licence")
FIELDS = frozenset({"id", "statement", "answer", "tests", "conventions", "extra", *TEXT_FIELDS})


def jsonl(path: str, limit: int | None = None) -> Iterator[Problem]:
    """The problems of a file of JSON lines, at most `limit`; a file that comes with tracegen needs no folder."""
    lines: dict[str, str] = {}
    for where, row in first(json_lines(find("data", path)), limit):
        found = problem(row, where)
        if (earlier := lines.setdefault(found.id, where)) != where:
            same = "statement, and no id," if row.get("id") is None else f"id {found.id!r}"
            raise UsageError(f"{where} has the same {same} as {earlier}; every problem needs an id of its own.")
        yield found
    if not lines:
        raise UsageError(f"{path} holds no problems; it needs one JSON object a line, with at least a `statement`.")


def json_lines(path: Path) -> Iterator[Row]:
    """Every line of a JSON lines file that is not blank, as an object."""
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            where = f"{path}, line {number}"
            try:
                text = line.decode("utf-8-sig").strip()
                row = json.loads(text) if text else {}
            except (ValueError, RecursionError) as error:
                raise UsageError(f"{where} is not JSON ({error}); every line must be one JSON object.") from None
            if not isinstance(row, dict):
                raise UsageError(f'{where} is {kind(row)}, not a JSON object such as {{"statement": ...}}.')
            if text:
                yield where, row


def problem(row: Mapping[str, Any], where: str) -> Problem:
    """One row as a problem; keys that a problem does not have go to `extra`, and `extra` itself is merged into it."""
    statement = row.get("statement")
    if statement is None:
        raise UsageError(f"{where} has no `statement`; its keys are {', '.join(row) or 'none'}.")
    if not isinstance(statement, str) or not statement.strip():
        raise UsageError(f"{where}: `statement` must be text, not {kind(statement)}.")
    for name in TEXT_FIELDS:
        if not isinstance(row.get(name), str | None):
            raise UsageError(f"{where}: `{name}` must be text or null, not {kind(row[name])}.")
    extra = row.get("extra") or {}
    if not isinstance(extra, dict):
        raise UsageError(f"{where}: `extra` must be an object, not {kind(extra)}.")
    conventions = row.get("conventions") or {}
    if not isinstance(conventions, dict):
        raise UsageError(f"{where}: `conventions` must be an object, not {kind(conventions)}.")
    return Problem(
        id=text_of(row, "id", where) or hashlib.sha256(statement.encode()).hexdigest()[:16],
        statement=statement,
        answer=text_of(row, "answer", where),
        tests=row.get("tests"),
        conventions=conventions,
        extra={**extra, **{name: value for name, value in row.items() if name not in FIELDS}},
        **{name: row.get(name) for name in TEXT_FIELDS},
    )


def text_of(row: Mapping[str, Any], name: str, where: str) -> str | None:
    """A field that is text, or a number written as one."""
    value = row.get(name)
    if isinstance(value, bool) or not isinstance(value, str | int | float | None):
        raise UsageError(f"{where}: `{name}` must be text or a number, not {kind(value)}.")
    return value if value is None or isinstance(value, str) else json.dumps(value)


def hub(path: str, name: str | None, split: str, *, revision: str | None = None, hint: str = "") -> Iterator[Row]:
    """The rows of a table of the Hub, or of a local folder that `datasets` can read."""
    try:
        import datasets
    except ImportError:
        raise MissingExtra("datasets", "train") from None
    what = f"{path} ({name or 'default'}, {split})"
    with _one_sentence(path, what, hint, datasets.exceptions.DatasetsError):
        table = datasets.load_dataset(path, name, split=split, revision=revision)
    for number, row in enumerate(table):
        yield f"{path} ({split}), row {number}", row


def hub_file(repo: str, file: str, *, hint: str = "") -> Path:
    """One file of a data set of the Hub, in the client's cache: for a data set that `datasets` has no reader for."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HTTPError

    with _one_sentence(repo, f"{repo} ({file})", hint, HTTPError):
        return Path(hf_hub_download(repo, file, repo_type="dataset"))


@contextmanager
def _one_sentence(repo: str, what: str, hint: str, theirs: type[Exception]) -> Iterator[None]:
    """What the libraries of the Hub raise, as one Unavailable."""
    try:
        yield
    except ConnectionError as error:
        sentence = f"{repo} could not be loaded from the Hub ({one_line(error)}){hint}."
        raise Unavailable(sentence, offline=True) from None
    except (OSError, ValueError, theirs) as error:
        raise Unavailable(f"{what} could not be loaded ({one_line(error)}){hint}.") from None


def benchmark(file: str, repo: str, name: str | None, split: str, benchmarks_dir: str | None) -> Iterator[Row]:
    """The rows of a benchmark: `<benchmarks_dir>/<file>` (a pattern) where a folder is given, else the Hub's `repo`."""
    if benchmarks_dir is None:
        return hub(repo, name, split, hint=folder_hint(file))
    return itertools.chain.from_iterable(json_lines(path) for path in local(file, repo, benchmarks_dir))


def local(file: str, repo: str, benchmarks_dir: str) -> list[Path]:
    """The files `<benchmarks_dir>/<file>`, a pattern, by name; Unavailable where there is none or nothing in them.

    That sentence is published with a corpus, so it does not say where on somebody's disk the folder lies.
    """
    pattern = Path(benchmarks_dir) / file
    if not (found := sorted(pattern.parent.glob(pattern.name))):
        raise Unavailable(
            f"benchmarks_dir has no {file}; put it there, or set benchmarks_dir to null to load {repo} from the Hub."
        )
    if not any(path.stat().st_size for path in found):
        raise Unavailable(f"{file} in benchmarks_dir is empty; it needs one JSON object a line.")
    return found


def folder_hint(file: str) -> str:
    """What else to do where the Hub does not give a benchmark."""
    return f"; or name a folder that holds {file} as benchmarks_dir"


def gsm8k(split: str, benchmarks_dir: str | None) -> Iterator[Problem]:
    """GSM8K (Cobbe et al. 2021, arXiv:2110.14168): the answer stands after `####`, with commas between thousands.

    Convention: the golds are bare numbers, of percentages too, so a per cent sign does not count.
    """
    rows = benchmark(f"gsm8k/{split}*.jsonl", "openai/gsm8k", "main", split, benchmarks_dir)
    for number, (where, row) in enumerate(rows):
        _, mark, answer = require(row, "answer", where).rpartition("####")
        if not mark:
            raise UsageError(f"{where}: `answer` has no line '#### <number>'.")
        yield Problem(
            id=f"gsm8k-{split}-{number}",
            statement=require(row, "question", where),
            answer=answer.strip().replace(",", ""),
            verifier="math",
            conventions={"percent": "ignore"},
            source="openai/gsm8k",
            domain="math",
            licence="mit",
        )


def require(row: Mapping[str, Any], name: str, where: str) -> str:
    """A field that must be there, as text."""
    if (value := optional(row, name, where)) is None:
        raise UsageError(f"{where}: `{name}` is empty.")
    return value


def optional(row: Mapping[str, Any], name: str, where: str) -> str | None:
    """A column that must be there, though this row's may be empty: then None."""
    if name not in row:
        raise UsageError(f"{where} has no field {name!r}; it has {', '.join(row) or 'none'}.")
    value = text_of(row, name, where)
    return value if value and value.strip() else None


def either(row: Mapping[str, Any], names: Sequence[str], where: str) -> str:
    """The first of these fields that the row has, as text: copies of one benchmark name their fields differently."""
    name = next((name for name in names if name in row), names[0])
    return require(row, name, where)


def whole(text: str) -> str:
    """A whole number in its plain form: `70.0` and `070` are 70; any other text as it is."""
    found = re.fullmatch(r"(-?\d+)(?:\.0*)?", text.strip())
    return str(int(found[1])) if found else text


def first(items: Iterable[Item], limit: int | None) -> Iterator[Item]:
    """At most `limit` items, and all of them where it is None."""
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
        raise UsageError(f"`limit` is {limit!r}; it must be a whole number from 1, or null for no limit.")
    return itertools.islice(items, limit)


def kind(value: object) -> str:
    """What a JSON value is, in the words of JSON."""
    names = {dict: "an object", list: "a list", bool: "true or false", int: "a number", float: "a number"}
    return names.get(type(value), "null" if value is None else "blank text")


def one_line(error: BaseException) -> str:
    """An error of a library, short enough to stand inside a sentence."""
    line = str(error).strip().partition("\n")[0].rstrip(".")
    return f"{type(error).__name__}: {textwrap.shorten(line, 160, placeholder=' ...')}"
