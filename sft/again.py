"""The rows of a training rendered once more, for a teacher that sees another prompt or reads another tokenizer.

Shape: `again(rows, sources, tokenizer)` reads the corpora anew and returns a row for each row, found by its id. With a
`hint`, a Jinja text over the columns of the corpus such as "The answer is {{ answer }}.", the teacher finds it in front
of the last thing that the user says.
Source: a teacher that is the student itself with more in its prompt, Snell et al. 2022, "Learning by Distilling
Context"; Shenfeld et al. 2026, "Self-Distillation Enables Continual Learning".
"""

import sys
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from jinja2 import StrictUndefined, TemplateError, meta
from jinja2.sandbox import SandboxedEnvironment

from sft.data import Row, keep
from sft.messages import Chat, chats
from tracegen.records import UsageError


class Source(NamedTuple):
    """One of the corpora of a training."""

    corpus: str
    part: str = ""
    """What stands in front of its rows' ids."""
    split: str = "train"
    revision: str | None = None


def again(rows: Sequence[Row], sources: Sequence[Source], tokenizer: Any, *, hint: str | None = None) -> list[Row]:
    """The rows in their order, as `tokenizer` has them; UsageError where one cannot be rendered."""
    wanted = {row.sample_id for row in rows}
    found: dict[str, Row] = {}
    refused = ""
    for source in sources:
        given = (_hinted(chat, hint) if hint else chat for chat in _chats(source, hint) if chat.sample_id in wanted)
        kept = keep(given, tokenizer, max_length=sys.maxsize)
        found |= {row.sample_id: row for row in kept.rows}
        refused = refused or kept.refusal
    if missing := wanted - found.keys():
        raise UsageError(
            f"{len(missing)} rows (such as {min(missing)}) cannot be rendered for the teacher's tokenizer "
            f"{tokenizer.name_or_path}{f': {refused}' if refused else ''}; leave that teacher out."
        )
    return [found[row.sample_id] for row in rows]


def columns(hint: str) -> set[str]:
    """The columns of the corpus that a hint names; UsageError for a text that is no template."""
    try:
        return set(meta.find_undeclared_variables(_environment().parse(hint)))
    except TemplateError as error:
        raise UsageError(f"the hint {hint!r} is no template ({error}).") from None


def _chats(source: Source, hint: str | None) -> Iterator[Chat]:
    wanted = columns(hint) if hint else ()
    for chat in chats(source.corpus, split=source.split, revision=source.revision, columns=wanted):
        yield chat._replace(sample_id=f"{source.part}/{chat.sample_id}") if source.part else chat


def _hinted(chat: Chat, hint: str) -> Chat:
    try:
        said = _environment().from_string(hint).render(chat.facts)
    except TemplateError as error:
        raise UsageError(f"{chat.where}: the hint {hint!r} cannot be filled in ({error}).") from None
    last = max((i for i, message in enumerate(chat.messages) if message["role"] == "user"), default=None)
    if last is None:
        raise UsageError(f"{chat.where}: nobody asks anything, so there is no place for the hint.")
    turn = chat.messages[last]
    messages = [*chat.messages]
    messages[last] = {**turn, "content": f"{said}\n\n{turn['content']}"}
    return chat._replace(messages=messages)


def _environment() -> SandboxedEnvironment:
    return SandboxedEnvironment(undefined=StrictUndefined, autoescape=False)
