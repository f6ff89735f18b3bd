"""Where the program of a response stands: its last complete fenced block, or the whole response if that is a program.

Of several blocks the last that defines a wanted name counts, so that an example of its use or of its output behind it
does not; blocks of another language count only where they are the only ones. A fence that is never closed is a program
that was cut off. What stands inside `<think>` never reaches this module. A further language is a row of LANGUAGES.
"""

import ast
import re
import warnings
from collections.abc import Callable, Collection
from textwrap import dedent
from typing import NamedTuple

LIMIT = 200_000
"""Characters of a program; contest sites stop at 65,536."""

_FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,})[ \t]*([^\s`]*)[^\n`]*$", re.MULTILINE)


class Language(NamedTuple):
    """How a language is written in a response."""

    fences: frozenset[str]
    """What may stand behind the opening fence, in lower case."""
    parses: Callable[[str], bool]
    defines: str
    """A pattern for the definition of NAME."""


class Found(NamedTuple):
    """A program and where it stood."""

    text: str
    place: str
    span: tuple[int, int]


def python_parses(text: str) -> bool:
    """Whether the text is a Python program, read by the parser alone."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return bool(ast.parse(text).body)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False


LANGUAGES = {
    "python": Language(
        frozenset({"python", "py", "python3", "py3", "{python}", "{.python}"}),
        python_parses,
        r"^[ \t]*(?:async\s+def|def|class)\s+NAME\b|^NAME\s*(?::[^=\n]*)?=",
    )
}


def find(response: str, language: Language, names: Collection[str] = (), prompt: str = "") -> Found | str:
    """The program, or the reason why there is none: `no_answer`, `truncated` or `too_long`."""
    blocks, open_ended = _blocks(response)
    if open_ended:
        return "truncated"
    if blocks:
        found = _chosen(blocks, response, language, names)
    elif len(response) <= LIMIT and not language.parses("\n".join(assembled(prompt, response, language, None))):
        return "no_answer"
    else:
        found = (0, len(response))
    if found[1] - found[0] > LIMIT:
        return "too_long"
    text = dedent(response[found[0] : found[1]]) if _indented(response, found[0]) else response[found[0] : found[1]]
    return Found(text, "block" if blocks else "whole", found) if text.strip() else "no_answer"


def _indented(response: str, start: int) -> bool:
    """Whether the fence before a block is itself indented, as in a list."""
    fence = response[:start].removesuffix("\n").rpartition("\n")[2]
    return start > 0 and fence[:1] in (" ", "\t")


def assembled(prompt: str, program: str, language: Language, entry_point: str | None) -> tuple[str, str]:
    """What is run first and what then: the prompt and a program of its own, or one text where it only continues it."""
    if not prompt:
        return "", program
    if language.parses(program) and (entry_point is None or _defines(language, [entry_point], program)):
        return runnable(prompt, language), program
    indented, lost = f"{prompt.rstrip()}\n{program.strip(chr(10))}", f"{prompt.rstrip()}\n    {program.strip()}"
    for text in (indented, lost) if program[:1].isspace() else (lost, indented):
        if language.parses(text):
            return "", text
    return runnable(prompt, language), program


def runnable(prompt: str, language: Language) -> str:
    """A prompt that may end in a bare signature, as something to run; empty if nothing can be made of it."""
    return next((text for text in (prompt, f"{prompt.rstrip()} ...") if language.parses(text)), "")


def _defines(language: Language, names: Collection[str], text: str) -> bool:
    return any(re.search(language.defines.replace("NAME", re.escape(name)), text, re.MULTILINE) for name in names)


def _chosen(
    blocks: list[tuple[str, int, int]], response: str, language: Language, names: Collection[str]
) -> tuple[int, int]:
    tagged = [block for block in blocks if block[0] in language.fences]
    candidates = tagged or [block for block in blocks if not block[0]] or blocks
    spans = [(start, end) for _, start, end in candidates]
    defining = [(start, end) for start, end in spans if _defines(language, names, response[start:end])]
    return (defining or spans)[-1]


def _blocks(text: str) -> tuple[list[tuple[str, int, int]], bool]:
    """Tag, start and end of every closed block, and whether one is left open."""
    blocks, mark, tag, start = [], "", "", 0
    for fence in _FENCE.finditer(text):
        if not mark:
            mark, tag, start = fence[1], fence[2].lower(), min(fence.end() + 1, len(text))
        elif fence[1].startswith(mark) and not fence[2]:
            blocks.append((tag, start, max(start, fence.start())))
            mark = ""
    return blocks, bool(mark)
