"""The two marks that leave no doubt about a final answer: boxes and answer tags."""

import re
from typing import NamedTuple

from tracegen.verifiers._cues import APPROXIMATES, END_OF_SENTENCE, JOINS, TAGS
from tracegen.verifiers._math.units import is_unit

APART = 80
"""Characters between two boxes that may still be one answer."""


class Found(NamedTuple):
    """A final answer and where it stood."""

    text: str
    place: str
    """`box`, `tag`, `sentence`, `bold`, `whole`, `last_line`."""
    start: int
    end: int
    several: str | None = None
    """All boxes that together may list the answers, parted by commas; the gold says whether they are meant."""


_TOKEN = re.compile(r"\\(?:begin)?(?:boxed|fbox|framebox)\s*\{|\\.|[{}]", re.DOTALL)
_BARE_BOX = re.compile(r"\\boxed\s+([^\s{]\S*)")


def tag(text: str) -> Found | None:
    """What stands in the last answer tag."""
    if ">" not in text:
        return None
    lower = text.lower()
    last = None
    for opening, closing in TAGS:
        end = lower.rfind(closing)
        start = lower.rfind(opening, 0, max(end, 0))
        if start >= 0 and (last is None or end > last[1]):
            last = (start + len(opening), end)
    if last is None:
        return None
    return Found(text[slice(*last)].strip(), "tag", *last)


def box(text: str) -> Found | None:
    """The last box; of a box and its approximation the exact one; with the boxes before it that belong to it."""
    if "box" not in text:
        return None
    if not (boxes := _boxes(text)):
        bare = [*_BARE_BOX.finditer(text)]
        return Found(bare[-1].group(1).strip("$.,"), "box", *bare[-1].span(1)) if bare else None
    start, end = boxes.pop()
    while boxes and _walks_back(_between(text, boxes[-1][1], start)):
        start, end = boxes.pop()
    several = [text[start:end]]
    before = start
    while boxes and _belongs(_between(text, boxes[-1][1], before)):
        before, stop = boxes.pop()
        several.append(text[before:stop])
    joined = ", ".join(answer.strip() for answer in reversed(several)) if len(several) > 1 else None
    return Found(text[start:end] + _behind(text[end + 1 : end + 60]), "box", start, end, joined)


def _behind(text: str) -> str:
    """What belongs to the value although it stands behind the box: a percent sign, a factor of pi, a unit."""
    if re.match(r"[\s$}]{0,4}(?:\\?%|percent\b)", text):
        return r"\%"
    if re.match(r"\s?\\pi(?![A-Za-z])", text):
        return r"\pi"
    unit = re.match(
        r"[\s$}~)\\]{0,6}(?:text\s?\{)?\s?([A-Za-z]{1,12}(?:/[a-z]{1,6})?(?:\^\{?[23]\}?)?)\}?[\s$)]{0,3}(?:[.,]|$)",
        text,
    )
    return rf" \text{{{unit.group(1)}}}" if unit and is_unit(unit.group(1).partition("/")[0].partition("^")[0]) else ""


def _between(text: str, end: int, start: int) -> str:
    opening = max(text.rfind("\\boxed", end, start), text.rfind("\\fbox", end, start), end)
    return text[end + 1 : opening] if start - end < 4 * APART else "\n\n"


def _walks_back(between: str) -> bool:
    return len(between) <= APART and "\n\n" not in between and APPROXIMATES.search(between) is not None


def _belongs(between: str) -> bool:
    """Whether the box before is of the same list: `and`, `or`, a comma or nothing stands between, no new thought."""
    if len(between) > APART or "\n" in between.strip() or END_OF_SENTENCE.search(between):
        return False
    return not between.strip(" $\\()[]") or JOINS.search(between) is not None


def _boxes(text: str) -> list[tuple[int, int]]:
    """Start and end of the inside of every complete box that holds no other, in one pass over the text."""
    opened: list[int | None] = []
    found: list[tuple[int, int]] = []
    for token in _TOKEN.finditer(text):
        if token.group().startswith("\\") and token.group().endswith("{") and len(token.group()) > 2:
            opened.append(token.end())
        elif token.group() == "{":
            opened.append(None)
        elif token.group() == "}" and opened:
            start = opened.pop()
            if start is not None and not (found and found[-1][0] > start):
                found.append((start, token.start()))
    return found
