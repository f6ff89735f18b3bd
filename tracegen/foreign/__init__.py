"""Answers that another program has paid for, read from the files that it wrote.

A shelf: one module a format, each with one function of the same name, `def x(paths) -> Iterator[Answer]`. A row that
holds no answer comes as an `Answer` whose `error` says why, so that nothing is passed over in silence.
"""

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tracegen.records import Message, UsageError

Reader = Callable[[Sequence[Path]], Iterator["Answer"]]


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of a model, as another program kept it; None is what that program did not keep."""

    file: str
    row: int
    """Where it stands: the line or row of the file, from 1."""
    messages: tuple[Message, ...] = ()
    problem_id: str | None = None
    model: str | None = None
    sampling: Mapping[str, Any] = field(default_factory=dict)
    text: str = ""
    reasoning: str | None = None
    finish_reason: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    error: str | None = None


def reader(name: str) -> Reader:
    """The function that reads a format, by its name as users write it: `openai-batch`."""
    there = [module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_")]
    module = name.replace("-", "_")
    if module not in there:
        names = ", ".join(sorted(found.replace("_", "-") for found in there))
        raise UsageError(f"there is no format {name!r}; answers are read from {names}.")
    found: Reader = getattr(importlib.import_module(f"{__name__}.{module}"), module)
    return found
