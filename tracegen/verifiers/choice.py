"""Multiple choice: is the letter that the response settles on the right one?

Rule: the final answer (`_answer.find`) is read as a letter: alone (`B`, `(b)`, `**B**`), leading (`B) 42`) or named
(`option B`); without a letter, as the text of exactly one choice. Where no final answer stands out, the letter counts
that the last sentence settles on (`So it must be B.`, `B fits best.`). A letter is no article: `A` before a word says
nothing. Several different letters are wrong, and so is one that is not offered.
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
"""Characters of an answer that are read, and up to which the text of a choice is compared as mathematics."""
LONGEST_SENTENCE = 2_000
"""Characters at the end of a response in which the last sentence is looked for."""
_DRESS = re.compile(r"\\(?:text|textbf|textrm|mathrm|mathbf|mbox|bf|rm|boxed)\b|[{}$*_`\\\"]")
_LIKELY = r"(?:(?:either|both|therefore|thus|hence|so|clearly|definitely|probably|most likely)\s+)?"
_NAMED = (
    rf"{_LIKELY}(?:(?:the\s+)?(?:correct\s+|right\s+|best\s+)?(?:option|choice|answer|letter)s?\s*(?:is|are|:)?\s*)?"
)
_ONE = r"(?:[(\[] ?)?([A-Za-z])(?: ?[)\]])?"
_JOIN = r" ?(?:[,;/&] ?(?:and |or )?|and |or )"
_LIST = re.compile(rf"[^\w(\[]*{_NAMED}{_ONE}(?:{_JOIN}{_NAMED}{_ONE})*+[ .:!]*", re.IGNORECASE)
_LEADING = re.compile(
    r"\W*?(?:(?i:option|choice|answer) ([A-Za-z])(?=[.):,(]| [-–—(]|$)|[(\[]([A-Za-z])[)\]]"
    r"|([A-Z])\s*[.):\-–—,](?=\s)|([A-Z]) \()"
)
_SETTLES = re.compile(
    r"\b(?i:option|choice|answer|statement|letter|choose|pick|select|go with|go for)\s+([A-Z])\b"
    r"|[(\[]([A-Z])[)\]]"
    r"|(?:\b(?i:is|be|are|so|thus|hence|therefore|chose|choose)|:|=>|→)[\s,]*([A-Z])[\s.!]*$"
    r"|(?<![\w'])([A-HJ-Z]) (?:is|fits|seems|matches|works|holds|must|would|should|looks|remains)\b"
)
"""A letter that a sentence names, brackets, ends in, or makes its subject."""
_DENIES = re.compile(
    r"(?:\bnot|n't|\bneither|\bnor|\bexcept|\bunlike)\s+(?:be\s+)?(?:option\s+|choice\s+)?[(\[]?([A-Z])\b"
    r"|[(\[]?\b([A-Z])[)\]]? (?:is|was|seems|can|must|are)(?:n't|not)?\s*(?:not|wrong|incorrect|false|out|be)\b"
)
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z(\[*\"])|\n+")
_POLITE = re.compile(r"I hope this|[Ll]et me know|[Ff]eel free")


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
    found, given = _settled(response, offered)
    if found is None:
        return Verdict("wrong", reason="no_answer")
    shown: dict[str, Any] = {"place": found.place, "span": (found.start, found.end)}
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


def _settled(response: str, offered: Mapping[str, str]) -> tuple[_answer.Found | None, list[str]]:
    """Where the response settles on something, and on which letters: its final answer, else its last sentence."""
    found = _answer.find(response)
    letters = _letters(found.text, offered) if found else []
    if letters or (found and found.place in ("box", "tag")):
        return found, letters
    end = len(response)
    for sentence in reversed(_SENTENCE.split(response[-LONGEST_SENTENCE:])):
        start = response.rfind(sentence, 0, end)
        if sentence.strip() and not _POLITE.search(sentence):
            plain = " ".join(_DRESS.sub(" ", sentence).split())
            said = _different(group for match in _SETTLES.finditer(plain) for group in match.groups() if group)
            denied = _different(group for match in _DENIES.finditer(plain) for group in match.groups() if group)
            letters = [letter for letter in said if letter not in denied] or _letters(plain, offered)
            letters = [] if set(letters) <= set(denied) else letters
            return (_answer.Found(sentence, "last_line", start, start + len(sentence)) if letters else found), letters
        end = start
    return found, []


def _letters(text: str, offered: Mapping[str, str]) -> list[str]:
    """The different letters that a final answer gives, in order; a choice's text stands for its letter."""
    plain = " ".join(_DRESS.sub(" ", text[:LONGEST_CHOICE]).split())
    if _LIST.fullmatch(plain):
        bare = re.sub(r"[A-Za-z]{2,}", " ", plain)
        return _different(re.findall(r"[A-Za-z]", bare))
    if leading := _LEADING.match(plain):
        return _different(group for group in leading.groups() if group)
    return _by_text(text, plain, offered)


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
