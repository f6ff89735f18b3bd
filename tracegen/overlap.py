"""Words that two texts have in common: what decontamination and the search for near-duplicates count.

words(text)   words and numbers without case and punctuation
masked(words) the same with every number, or row of them, as `#`: problems that differ in their numbers become one
bare(words)   the same without operators, with every number as `#`, word for word
place(text, start, end)  where these of its words stand in a text, in characters
Alike         texts that are found by a share of their words, in any order

Memory: a set of words for each text of `Alike`; it grows with what is added, not with what is looked for.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from html import unescape
from itertools import groupby
from math import ceil

_SPACELESS = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
"""Scripts that put no space between words: each character is one."""
_LETTER = rf"[^\W\d_{_SPACELESS}]"
_DASH = re.compile(rf"-(?:-+|(?<={_LETTER}-)(?={_LETTER}))")
_THOUSANDS = re.compile(r",(?<=\d,)(?=\d{3}(?!\d))")
_OPERATORS = frozenset("-+*/=<>^%()|")
_TOKEN = re.compile(rf"{_LETTER}+|[{_SPACELESS}]|\d+(?:\.\d+)?|[-+*/=<>^%()|]")
_ARTICLES = frozenset("ai")
"""One letter, and in prose a word: what stands in front of it is a quotation's mark or a bracket."""
_SIGNS = {"−": "-", "×": "*", "·": "*", "∙": "*", "⋅": "*", "÷": "/", "⁄": "/", "∕": "/"}
_SIGNS |= {"≤": "<=", "≥": ">=", "√": " sqrt ", "π": " pi "}
_LATIN = dict(zip("авекмнорстухіјѕһԁԛԝαβεζηικμνορτυχ", "abekmhopctyxijshdqwabezhikmvoptux", strict=True))
"""Letters of the Cyrillic and Greek alphabets that, small or capital, look like Latin ones."""
_SPELLINGS = str.maketrans(_SIGNS | _LATIN)
_UNSEEN = re.compile(
    "[\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\U000e0000-\U000e01ef]"
)
"""What takes no room on the page: joiners, marks of direction, variation selectors, tags, the soft hyphen."""
_ACCENTS = re.compile("[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]")
_LAYOUT = re.compile(
    r"\\(?:left|right|displaystyle|textstyle|limits|quad|qquad|text|textbf|textit|mathrm|mathbf|mathit|mathsf|"
    r"operatorname|mbox|[bB]igg?[lr]?)(?![A-Za-z])"
)
"""LaTeX that changes the look of a formula and not what it says."""
_SAME = [
    (re.compile(r"\\[dt]?frac\s*{\s*(\w+)\s*}\s*{\s*(\w+)\s*}"), r"\1/\2"),
    (re.compile(r"\\[dt]?frac\s*(\d)\s*(\d)"), r"\1/\2"),
    (re.compile(r"\\[dt]?frac{([^{}\s]{1,60})}{([^{}\s]{1,60})}"), r"(\1)/(\2)"),
    (re.compile(r"\\[dt]frac(?![a-z])"), r"\\frac"),
    (re.compile(r"\\(?:cdot|times)(?![a-z])"), "*"),
    (re.compile(r"\\leq?(?![a-z])"), "<="),
    (re.compile(r"\\geq?(?![a-z])"), ">="),
]
"""LaTeX that a page without formulas writes otherwise."""
_RAISED = re.compile("[⁰¹²³⁴-⁹]+")
_FOREIGN_DIGIT = re.compile(r"[^\D0-9]")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_UNITS = """
zero - two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen
nineteen
"""
_TENS = "- - twenty thirty forty fifty sixty seventy eighty ninety"
_DIGITS = {word: f"{n}{zero}" for names, zero in ((_UNITS, ""), (_TENS, "0")) for n, word in enumerate(names.split())}
"""Without "one", which is seldom a number in prose."""
_COUNTED = dict.fromkeys(("one", "hundred", "thousand", "million"), "#")


def words(text: str) -> list[str]:
    """Words and numbers without case and punctuation; numbers and letters with the operators in front: `3`, `+4`, `(x`.

    Two texts that look alike have the same words: marks that take no room, accents, letters of other alphabets that
    look Latin, digits of other scripts, and the layout of formulas do not count; a small number may be spelt out.
    """
    if "&" in text:
        text = unescape(text)
    if "\\" in text:
        text = _LAYOUT.sub(" ", text)
        for spelling, same in _SAME:
            text = spelling.sub(same, text)
    if text.isascii():
        text = text.lower()
    else:
        text = unicodedata.normalize("NFKD", _RAISED.sub(r"^\g<0>", _UNSEEN.sub("", text))).casefold()
        text = _ACCENTS.sub("", text).translate(_SPELLINGS)
        text = _FOREIGN_DIGIT.sub(lambda digit: str(int(digit[0])), text)
    found, operators = [], ""
    for token in _TOKEN.findall(_THOUSANDS.sub("", _DASH.sub(" ", text))):
        if token in _OPERATORS:
            operators += token
        else:
            token = _DIGITS.get(token, token)
            found.append(token if token in _ARTICLES or (len(token) > 1 and token.isalpha()) else operators + token)
            operators = ""
    return found


def masked(found: Sequence[str]) -> list[str]:
    """The words with every number as `#`; several equal ones in a row, as in a list of numbers, are one."""
    return [word for word, _ in groupby(_NUMBER.sub("#", word) for word in found)]


def bare(found: Sequence[str]) -> list[str]:
    """The words, one for one, without operators and with every number as `#`, written in digits or not."""
    return [_COUNTED.get(word, word) if word.isalpha() else "#" if word[-1].isdigit() else word[-1] for word in found]


def place(text: str, start: int, end: int) -> tuple[int, int]:
    """Where the words from `start` to before `end` stand in a text, in characters, to the next space."""
    first, last, count = 0, len(text), 0
    for chunk in re.finditer(r"\S+", text):
        here = count
        count += len(words(chunk[0]))
        if here <= start < count:
            first = chunk.start()
        if here < end <= count:
            last = chunk.end()
            break
    return first, last


def numbers(found: Sequence[str]) -> list[str]:
    """The numbers among the words, in a fixed order."""
    return sorted(number for word in found for number in _NUMBER.findall(word))


class Alike:
    """Texts by name, found by others that share most of their words: |A ∩ B| / |A ∪ B| (Jaccard) of at least `least`.

    Exact: two sets that are so alike have a word in common among the few rarest of each (the prefix filter of Chaudhuri
    et al. 2006 and Bayardo et al. 2007), so only texts that share one of those are compared. `frequent` counts the
    words of a typical text, for what is rare; any counts give the same findings, good ones give them fast.
    """

    def __init__(self, least: float, frequent: Mapping[str, int]) -> None:
        self._least, self._frequent = least, frequent
        self._texts: list[tuple[frozenset[str], str]] = []
        self._by_word: dict[str, list[int]] = {}

    def add(self, found: Sequence[str], name: str) -> None:
        """A text, as its words."""
        text = frozenset(found)
        for word in self._rarest(text):
            self._by_word.setdefault(word, []).append(len(self._texts))
        self._texts.append((text, name))

    def find(self, found: Sequence[str]) -> Iterator[tuple[str, float]]:
        """Every text that is alike, by its name, with how alike it is, in the order in which they were added."""
        text = frozenset(found)
        for number in sorted({number for word in self._rarest(text) for number in self._by_word.get(word, ())}):
            other, name = self._texts[number]
            if (share := len(text & other) / len(text | other)) >= self._least:
                yield name, share

    def _rarest(self, text: frozenset[str]) -> list[str]:
        ranked = sorted(text, key=lambda word: (self._frequent.get(word, 0), word))
        # Without these, fewer words are left than two sets that are so alike have in common.
        return ranked[: len(text) - ceil(self._least * len(text) - 1e-9) + 1]
