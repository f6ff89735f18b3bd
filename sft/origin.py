"""Whose signals they are: what must agree between a file of log-probabilities and the training that reads it.

Shape: `origin(...)` is a flat mapping; `refuse` compares what is known here with what a file says of itself.
A model is its files' hash or its name and revision; a tokenizer is all that decides how it cuts and numbers text.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import transformers

from sft.load import load
from tracegen.models import Model
from tracegen.records import UsageError

WHAT = {
    "k": "the number of tokens kept at each place",
    "teacher": "the teacher",
    "teacher_tokenizer": "the teacher's tokenizer",
    "tokenizer": "the student's tokenizer",
    "chat_template": "the student's chat template",
}


def origin(tokenizer: Any, *, teacher: Model | None = None, words: Any = None, k: int | None = None) -> dict[str, Any]:
    """Of a student's tokenizer and, where they are known, teacher, its tokenizer (`words`) and k."""
    known: dict[str, Any] = {"tokenizer": cuts(tokenizer), "chat_template": _hash(str(tokenizer.chat_template))}
    if teacher:
        known["teacher"] = " ".join(str(part) for part in teacher.identity.values() if part)
    if words:
        known["teacher_tokenizer"] = cuts(words)
    if words and k:
        known["k"] = min(k, len(tokenizer.get_vocab().keys() & words.get_vocab().keys()))
    return known


def refuse(found: Mapping[str, Any], due: Mapping[str, Any], folder: Path) -> None:
    """UsageError for the first of `due` that the file does not agree with."""
    for name, what in WHAT.items():
        if name in due and found.get(name) != due[name]:
            raise UsageError(
                f"{what} is {due[name]}, and the signals in {folder} were captured with {found.get(name, 'another')}; "
                "go back to that, or remove the folder and run `tracegen capture`."
            )


def tokenizer_of(teacher: Model, name: str | None) -> Any:
    """The teacher's tokenizer, which a model behind a server may have elsewhere."""
    return load(transformers.AutoTokenizer, name or teacher.path, None if name else teacher.revision)


def cuts(tokenizer: Any) -> str:
    """A hash of the vocabulary with its numbers and of the rules by which text is cut."""
    rules: dict[str, Any] = {}
    if tokenizer.is_fast:
        rules = json.loads(tokenizer.backend_tokenizer.to_str())
        # How the last text was padded or cut to length is no property of a tokenizer.
        rules |= {"padding": None, "truncation": None}
    return _hash(json.dumps([rules, sorted(tokenizer.get_vocab().items())], sort_keys=True))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
