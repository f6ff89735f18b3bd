"""Multiple choice: is the letter that the response settles on the right one?

Rule: the final answer (`_answer.find`) is read as a letter: alone (`B`, `(b)`, `**B**`), leading (`B) 42`) or named
(`option B`); without a letter, as the text of exactly one choice. Where no final answer stands out, a letter
that the last line names or brackets counts. A letter is no article: `A` before a word says nothing. Several different
letters are wrong, and so is one that is not offered.
The gold is a letter or the text of a choice; choices stand in the problem's `extra["choices"]`: a list, a mapping from
letter to text, or the two lists `label` and `text`. Without them the letters A to J are offered, and texts say nothing.
Reasons: equal, different, several, not_offered, no_letter, no_answer, truncated; of the gold no_gold, bad_gold.
"""

import re
from collections.abc import Mapping, Sequence
from string import ascii_uppercase
from typing import Any

from tracegen.records import Problem, Trace, Verdict
from tracegen.verifiers import _answer, math
from tracegen.verifiers.math import equal

VERSION = f"1 with math {math.VERSION}"
PACKAGES = math.PACKAGES

LETTERS = ascii_uppercase[:10]
"""Offered where the problem does not list its choices; MMLU-Pro, the widest of the common sets, goes to J."""
LONGEST_CHOICE = 300
"""Characters up to which texts are compared as mathematics, too."""
_DRESS = re.compile(r"\\(?:text|textbf|textrm|mathrm|mathbf|mbox|bf|rm|boxed)\b|[{}$*_`\\\"]")
_NAMED = r"(?:(?:the\s+)?(?:correct\s+|right\s+)?(?:option|choice|answer|letter)s?\s*(?:is|are|:)?\s*)?"
_ONE = r"[(\[]?\s*([A-Za-z])\s*[)\]]?"
_JOIN = r"\s*(?:,|;|/|&|\band\b|\bor\b|,\s*and\b|,\s*or\b)\s*"
_LIST = re.compile(rf"\W*{_NAMED}{_ONE}(?:{_JOIN}{_NAMED}{_ONE})*[\s.:!]*", re.IGNORECASE)
_LEADING = re.compile(
    r"\W*?(?:(?:option|choice|answer)\s+([A-Za-z])\b|[(\[]([A-Za-z])[)\]]|([A-Z])\s*[.):\-–—,](?=\s))"
)
_NAMES = re.compile(
    r"\b(?:[Oo]ption|[Cc]hoice|[Aa]nswer|[Cc]hoose|[Pp]ick|[Ss]elect|go with)s?\s+[(\[]?([A-Z])\b(?!\s+[a-z])"
)
_BRACKETS = re.compile(r"[(\[]([A-Z])[)\]]")


def choice(problem: Problem, response: str, *, trace: Trace | None = None) -> Verdict:
    """The letter that the response settles on, or the choice whose text it gives, is the gold's."""
    offered = choices(problem.extra.get("choices"))
    if not (problem.answer or "").strip():
        return Verdict("unverifiable", reason="no_gold")
    gold = _letters(problem.answer or "", offered)
    if len(gold) != 1 or gold[0] not in offered:
        return Verdict("unverifiable", reason="bad_gold")
    if trace is not None and trace.status == "truncated":
        return Verdict("wrong", reason="truncated")
    found = _settled(response, offered)
    if found is None:
        return Verdict("wrong", reason="no_answer")
    shown: dict[str, Any] = {"place": found.place, "span": (found.start, found.end)}
    given = _letters(found.text, offered)
    if len(given) != 1:
        return Verdict("wrong", found.text.strip(), "several" if given else "no_letter", **shown)
    if given[0] not in offered:
        return Verdict("wrong", given[0], "not_offered", **shown)
    right = given == gold
    return Verdict("right" if right else "wrong", given[0], "equal" if right else "different", **shown)


def warm() -> None:
    """Pays for imports before any deadline runs."""
    math.warm()


def choices(given: Any) -> dict[str, str]:
    """The offered letters with their texts; without any, all letters with none."""
    if isinstance(given, Mapping) and isinstance(given.get("text"), Sequence) and "label" in given:
        return dict(zip(map(str, given["label"]), map(str, given["text"]), strict=False))
    if isinstance(given, Mapping):
        return {str(letter).strip().upper(): str(text) for letter, text in given.items()}
    if isinstance(given, Sequence) and not isinstance(given, str):
        return dict(zip(ascii_uppercase, map(str, given), strict=False))
    return dict.fromkeys(LETTERS, "")


def _settled(response: str, offered: Mapping[str, str]) -> _answer.Found | None:
    """Where the response settles on a choice: its final answer, else what its last line names."""
    found = _answer.find(response)
    if found is not None and (found.place in ("box", "tag") or _letters(found.text, offered)):
        return found
    end = len(response.rstrip())
    start = response.rfind("\n", 0, end) + 1
    line = response[start:end]
    if _NAMES.search(line) or _BRACKETS.search(line) or _LIST.fullmatch(line):
        return _answer.Found(line, "last_line", start, end)
    return found


def _letters(text: str, offered: Mapping[str, str]) -> list[str]:
    """The different letters that a final answer gives, in order; a choice's text stands for its letter."""
    plain = " ".join(_DRESS.sub(" ", text).split())
    if _LIST.fullmatch(plain):
        bare = re.sub(r"[A-Za-z]{2,}", " ", plain)
        return _different(re.findall(r"[A-Za-z]", bare))
    if leading := _LEADING.match(plain):
        return _different(group for group in leading.groups() if group)
    if named := _by_text(text, plain, offered):
        return named
    return _different(_NAMES.findall(plain)) or _different(_BRACKETS.findall(plain))


def _by_text(text: str, plain: str, offered: Mapping[str, str]) -> list[str]:
    """The letter of the one choice whose text this is."""
    wanted = _bare(plain)
    same = [letter for letter, words in offered.items() if words and _bare(words) == wanted]
    if not same and len(text) <= LONGEST_CHOICE:
        same = [
            letter for letter, words in offered.items() if words and len(words) <= LONGEST_CHOICE and equal(words, text)
        ]
    return same if len(same) == 1 else []


def _bare(text: str) -> str:
    words = " ".join(_DRESS.sub(" ", text).casefold().split()).strip(" .,;:!")
    return re.sub(r"^(?:an?|the)\s+", "", words)


def _different(letters: Any) -> list[str]:
    return list(dict.fromkeys(letter.upper() for letter in letters))
