"""What new problems are made of: seed problems, topics, personas, passages of documents.

A piece of material is a `Problem` whose statement is the text that a prompt sees as `problem.statement`; of one that is
no seed, `extra` says where it comes from.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from inspect import signature
from pathlib import Path
from typing import Any

import yaml

from tracegen import registry, rows
from tracegen.records import Problem, UsageError

KINDS = {"topic": "topics", "persona": "personas", "document": "documents"}
"""Methods that are named after the material that they need; all others work on seeds."""
PASSAGE = 400
"""Words of a passage of a document: a page, which holds more than one thing to ask about."""
SHORTEST = 40
"""A rest of a document of fewer words is part of the passage before it."""
SUFFIXES = frozenset({".txt", ".md", ".rst"})


def gather(
    seeds: Mapping[str, Any] | None,
    topics: str | None,
    personas: str | None,
    documents: str | None,
    benchmarks_dir: str | None,
) -> dict[str, list[Problem]]:
    """The material that there is, by its kind; UsageError for a file that cannot be read, and for none at all."""
    found: dict[str, list[Problem]] = {}
    if seeds is not None:
        found["seeds"] = list(_seeds(dict(seeds), benchmarks_dir))
    given: dict[str, tuple[str | None, Callable[[Path], Iterator[Problem]]]] = {
        "topics": (topics, _topics),
        "personas": (personas, _personas),
        "documents": (documents, _passages),
    }
    for kind, (path, read) in given.items():
        if path is not None:
            found[kind] = list(read(Path(path)))
    if not found:
        raise UsageError("source 'synthesize' needs something to begin with: seeds, topics, personas or documents.")
    if empty := [kind for kind, pieces in found.items() if not pieces]:
        raise UsageError(f"source 'synthesize': there is nothing in its {empty[0]}.")
    return found


def _seeds(options: dict[str, Any], benchmarks_dir: str | None) -> Iterator[Problem]:
    if not isinstance(name := options.pop("source", None), str):
        raise UsageError(
            "source 'synthesize': `seeds` needs a `source`, as in seeds: {source: jsonl, path: mine.jsonl}."
        )
    if "ask" in signature(registry.load("source", name)).parameters:
        raise UsageError(f"source 'synthesize': its seeds cannot come from {name!r}, which asks a model itself.")
    for problem in registry.bind("source", name, options, benchmarks_dir=benchmarks_dir)():
        if problem.tests is not None:
            raise UsageError(
                f"source 'synthesize': the seed {problem.id} is judged by tests; only problems with a final answer can "
                "be voted on."
            )
        yield problem


def _topics(path: Path) -> Iterator[Problem]:
    """The leaves of a YAML tree of mappings and lists, each with the way to it: `Algebra > Equations > Vieta`."""
    try:
        tree = yaml.safe_load(_read(path, "topics"))
    except yaml.YAMLError as error:
        raise UsageError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    for way in _leaves(tree, ()):
        yield _piece(" > ".join(way), topic=" > ".join(way), domain=way[0].lower())


def _leaves(tree: Any, way: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    if isinstance(tree, Mapping):
        for name, below in tree.items():
            yield from _leaves(below, (*way, str(name)))
    elif isinstance(tree, list):
        for below in tree:
            yield from _leaves(below, way)
    elif tree is not None:
        yield (*way, str(tree))
    elif way:
        yield way


def _personas(path: Path) -> Iterator[Problem]:
    """A persona a line; of a line that is a JSON object, its field `persona`."""
    if path.suffix == ".jsonl":
        texts = [rows.require(row, "persona", where) for where, row in rows.json_lines(_there(path, "personas"))]
    else:
        texts = [line.strip() for line in _read(path, "personas").splitlines()]
    for text in dict.fromkeys(filter(None, texts)):
        yield _piece(text, persona=text)


def _passages(path: Path) -> Iterator[Problem]:
    """A file, or every text file of a folder, in passages that end where a paragraph ends."""
    files = sorted(file for file in path.rglob("*") if file.suffix in SUFFIXES) if path.is_dir() else [path]
    for file in files:
        name = str(file.relative_to(path)) if path.is_dir() else file.name
        for number, passage in enumerate(_paragraphs(_read(file, "documents"))):
            yield _piece(passage, document=f"{name}#{number}")


def _paragraphs(text: str) -> list[str]:
    passages: list[list[str]] = []
    length = PASSAGE
    for paragraph in _pieces(text):
        size = len(paragraph.split())
        if length + size > PASSAGE and (not passages or length >= SHORTEST):
            passages.append([])
            length = 0
        passages[-1].append(paragraph)
        length += size
    if len(passages) > 1 and length < SHORTEST:
        rest = passages.pop()
        passages[-1] += rest
    return ["\n\n".join(passage) for passage in passages]


def _pieces(text: str) -> Iterator[str]:
    """The paragraphs; one that is longer than a passage, such as a book without blank lines, is cut between words."""
    for paragraph in filter(None, (part.strip() for part in text.split("\n\n"))):
        if len(found := paragraph.split()) <= PASSAGE:
            yield paragraph
        else:
            yield from (" ".join(found[start : start + PASSAGE]) for start in range(0, len(found), PASSAGE))


def _read(path: Path, what: str) -> str:
    try:
        return _there(path, what).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"source 'synthesize': cannot read {path} ({rows.one_line(error)}).") from None


def _there(path: Path, what: str) -> Path:
    if not path.is_file():
        raise UsageError(f"source 'synthesize': there is no file {path}; `{what}` names one.")
    return path


def _piece(text: str, *, domain: str | None = None, **where: str) -> Problem:
    return Problem(identity(text), text, domain=domain, extra=where)


def identity(text: str) -> str:
    """The id of a text, the same wherever it is made."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def fingerprint(material: Mapping[str, list[Problem]]) -> str:
    """A hash of all the material."""
    pieces = [[kind, asdict(piece)] for kind, those in material.items() for piece in those]
    return identity(json.dumps(pieces, default=str))
