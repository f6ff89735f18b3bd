"""Prompts are files: `prompts/<name>.yaml` with `description`, `system`, `shots` and `user`, all Jinja but the first.

Templates see `problem`; that of a judge also sees `response`, `gold`, `gold_first` and `mark`, that of filter
`judge_quality` `reasoning`, `response` and `mark`. An undefined name is an error, never an empty string.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import yaml
from jinja2 import Environment, StrictUndefined, TemplateError

from tracegen import shipped
from tracegen.records import Message, Problem, UsageError

FIELDS = {"description", "system", "shots", "user"}


@dataclass(frozen=True)
class Prompt:
    """A chat prompt: an optional system text, worked examples, and the user's turn."""

    name: str
    description: str
    system: str | None
    shots: tuple[tuple[str, str], ...]
    """(user, assistant) turns that stand before the problem."""
    user: str

    def messages(self, problem: Problem, **given: Any) -> tuple[Message, ...]:
        """The chat messages for one problem; `given` is what the template sees beside it, such as a response."""
        turns = [{"role": "system", "content": self.system}] if self.system else []
        for user, assistant in self.shots:
            turns += [{"role": "user", "content": user}, {"role": "assistant", "content": assistant}]
        try:
            return (*turns, {"role": "user", "content": self._template.render(problem=problem, **given)})
        except TemplateError as error:
            raise UsageError(f"prompt {self.name!r}: {error}.") from None

    @cached_property
    def _template(self) -> Any:
        try:
            return Environment(undefined=StrictUndefined, autoescape=False).from_string(self.user)
        except TemplateError as error:
            raise UsageError(f"prompt {self.name!r}: {error}.") from None

    def as_dict(self) -> dict[str, Any]:
        """JSON-able, for cards and hashes."""
        shots = [{"user": user, "assistant": assistant} for user, assistant in self.shots]
        return {"name": self.name, "system": self.system, "shots": shots, "user": self.user}


def load(name: str) -> Prompt:
    """Read a prompt by its name or by a path to a YAML file."""
    path = shipped.find("prompts", name)
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(tree, dict) or not isinstance(tree.get("user"), str):
        raise UsageError(f"{path} is not a prompt: it needs the field 'user'.")
    if unknown := sorted(set(tree) - FIELDS):
        raise UsageError(f"{path} has an unknown field {unknown[0]!r}; it takes {', '.join(sorted(FIELDS))}.")
    try:
        shots = tuple((shot["user"].strip(), shot["assistant"].strip()) for shot in tree.get("shots") or [])
    except (TypeError, KeyError, AttributeError):
        raise UsageError(f"{path}: each of 'shots' needs the two texts 'user' and 'assistant'.") from None
    system = tree.get("system")
    return Prompt(
        name=path.stem,
        description=(tree.get("description") or "").strip(),
        system=system.strip() if system else None,
        shots=shots,
        user=tree["user"].strip(),
    )
