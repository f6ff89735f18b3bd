"""The reasoning channel: one model's text becomes reasoning, response and a status, and the other way round.

Shape: `split(text) -> Parts`, `join(reasoning, response) -> text`. The tags are `<think>` and `</think>`, lower case.
A tag inside code is text: inside a fenced block that is closed, or between backticks on one line. A fence that is
never closed hides nothing.

Limits: where a fence is left open in the reasoning and the response holds both a fence and a tag inside it, two
readings produce the very same text; the one that pairs the fences in order is taken.
"""

import re
from collections.abc import Iterator
from itertools import accumulate, islice
from typing import NamedTuple

from tracegen.records import Status

__all__ = ["Parts", "closed", "join", "prefilled", "split", "written"]

_OPEN, _CLOSE = "<think>", "</think>"
ENOUGH = f"\n\nThat is enough thinking; now the answer.\n{_CLOSE}\n\n"
"""How thinking is closed by force (budget forcing: Muennighoff et al. 2025, arXiv:2501.19393, section 3.1)."""
_TAG = re.compile("</?think>")
_PREFILLED = re.compile(r"<think>\s*\Z")
_FENCE = re.compile(r"[ \t]*(`{3,}|~{3,})([^`\n]*)$")
_INLINE = re.compile(r"(?<!`)(`+)(?!`).+?(?<!`)\1(?!`)")
_OWN_PARAGRAPH = re.compile(r"\n</think>[ \t]*\n[ \t]*\n")
_CANDIDATES = 16  # Each costs a pass over the text; one is the usual number.


class Parts(NamedTuple):
    """A completion, taken apart; `reasoning` and `response` without the white space around them."""

    reasoning: str
    response: str
    status: Status


def split(text: str, *, reasoning: str | None = None, finish_reason: str | None = "stop") -> Parts:
    """Take a completion apart. Never raises, and loses nothing but tags and white space around the parts.

    `reasoning` is the server's own channel, where it has one. `text` may miss the opening tag (the template wrote it).

    complete       a block that is not blank, then a response
    truncated      `finish_reason` is "length", whatever is missing; an unterminated block is all reasoning
    no_reasoning   a response without a block, or with a blank one
    malformed      everything else: unpaired tags, a second block, text before the block, no response

    `split(join(r, a)) == (r, a, "complete")` for r and a that are stripped, not blank, and hold no tag outside of code
    (for the exception see the module), and what is called complete is always such a pair. Other pairs cannot be told
    apart once joined: white space around a part looks like join's own, a blank part like a missing one, a bare tag
    like the end of the block.

    Text that cannot be attributed to a part stays whole, tags included, in `response`. A channel and a block that say
    the same count once; if they differ, that is a second block: malformed, `response` holding the text.
    """
    parts = _read(text)
    if reasoning and (channel := reasoning.strip().removeprefix(_OPEN).removesuffix(_CLOSE).strip()):
        parts = _merge(channel, text, parts)
    if finish_reason == "length":
        return parts._replace(status="truncated")
    if parts.status == "complete" and _read(join(parts.reasoning, parts.response)) != parts:
        return parts._replace(status="malformed")
    return parts


def join(reasoning: str, response: str) -> str:
    """The text that a student learns to write: the block, an empty line, the response."""
    return f"{_OPEN}\n{reasoning}\n{_CLOSE}\n\n{response}"


def written(text: str, reasoning: str | None) -> str:
    """What the assistant's turn holds so far, as one text: where it was cut off, the engine can go on from its end."""
    if not reasoning or not reasoning.strip():
        return text
    opened = reasoning if reasoning.lstrip().startswith(_OPEN) else f"{_OPEN}\n{reasoning}"
    return f"{opened.rstrip()}\n{_CLOSE}\n\n{text}" if text.strip() else opened


def closed(text: str, reasoning: str | None, *, opened: bool = False) -> str | None:
    """The turn with its thinking closed by force, so that the answer must follow; None where no thinking is open.

    `opened`: the chat template may have opened it, so that the text need not.
    """
    so_far = written(text, reasoning)
    tags = [tag.group() for tag in _tags(so_far)]
    if tags == [_OPEN] or (opened and not tags):
        return so_far.rstrip() + ENOUGH
    return None


def prefilled(rendered_prompt: str) -> str:
    """The opening tag, with the white space behind it, that a chat template put at the end of the prompt, or "".

    An engine that renders the template itself puts this in front of the text, so that `split` sees the whole block.
    """
    found = _PREFILLED.search(rendered_prompt)
    return found.group() if found else ""


def _merge(channel: str, text: str, parts: Parts) -> Parts:
    if parts.status in ("complete", "no_reasoning") and parts.reasoning in ("", channel):
        return Parts(channel, parts.response, "complete")
    return Parts(channel, text.strip(), "malformed")


def _read(text: str) -> Parts:
    tags = list(_tags(text))
    names = [tag.group() for tag in tags]
    if not tags:
        return _parts("", text)
    if names == [_CLOSE]:
        return _parts(text[: tags[0].start()], text[tags[0].end() :])
    block = names[0] == _OPEN and not text[: tags[0].start()].strip()
    if block and names[1:] == [_CLOSE]:
        return _parts(text[tags[0].end() : tags[1].start()], text[tags[1].end() :])
    if block and len(names) == 1:
        return _close(text[tags[0].end() :])
    return Parts("", text.strip(), "malformed")


def _close(text: str) -> Parts:
    """An unterminated block, unless a fence left open in the reasoning met one of the response and so hid the tag."""
    for tag in islice(_OWN_PARAGRAPH.finditer(text), _CANDIDATES):
        reasoning, response = text[: tag.start()], text[tag.end() :]
        if not any(_tags(reasoning)) and not any(_tags(response)):
            return _parts(reasoning, response)
    return Parts(text.strip(), "", "malformed")


def _parts(reasoning: str, response: str) -> Parts:
    reasoning, response = reasoning.strip(), response.strip()
    return Parts(reasoning, response, "malformed" if not response else "complete" if reasoning else "no_reasoning")


def _tags(text: str) -> Iterator[re.Match[str]]:
    """The tags outside of code."""
    prose, at = "", 0
    for start, end in _code(text) if _TAG.search(text) else ():
        prose, at = prose + text[at:start] + " " * (end - start), end
    return _TAG.finditer(prose + text[at:])


def _code(text: str) -> Iterator[tuple[int, int]]:
    """Spans of code in order: fenced blocks that are closed, and inline code on one line (CommonMark, any indent)."""
    lines = text.split("\n")
    starts = list(accumulate((len(line) + 1 for line in lines), initial=0))
    unclosed: dict[str, int] = {}
    row = 0
    while row < len(lines):
        fence = _FENCE.match(lines[row])
        if fence is None:
            yield from ((starts[row] + m.start(), starts[row] + m.end()) for m in _INLINE.finditer(lines[row]))
        elif len(mark := fence.group(1)) < unclosed.get(mark[0], len(mark) + 1):
            if last := next((i for i in range(row + 1, len(lines)) if _closes(lines[i], mark)), 0):
                yield starts[row], starts[last + 1]
                row = last
            else:
                # No later fence of this length is closed either: without this, a loop of openers costs n² lines.
                unclosed[mark[0]] = len(mark)
        row += 1


def _closes(line: str, mark: str) -> bool:
    bare = line.strip()
    return len(bare) >= len(mark) and bare == mark[0] * len(bare)
