"""An answer's text as the trees that it can mean: nearly always one, several where digits and commas are ambiguous.

    "1,234" -> 1234 or the list 1, 234        "1,22" -> 1.22 or the list 1, 22        "no solution" -> text
"""

import re
from fractions import Fraction
from functools import lru_cache

from tracegen.verifiers._math.names import CONSTANTS, FUNCTIONS, GREEK, JOINS
from tracegen.verifiers._math.nodes import Node, Num, Op, Unparsable
from tracegen.verifiers._math.parse import parse
from tracegen.verifiers._math.text import clean, nesting, words

LENGTH = 2_000
"""Characters that are parsed; the longest gold answers of competition sets stay under a few hundred."""
NESTING = 40

_THOUSANDS = re.compile(r"(?<![\d.,(\[{])[1-9]\d{0,2}(?:,\d{3})+(?![\d,])(?!\s*[)\]}])")
_DECIMAL_COMMA = re.compile(r"(?<![\d.,(\[{\w])(\d+),(\d+)(?![\d.,)\]}])")
_EUROPEAN = re.compile(r"(?<![\d.,(\[{])\d{1,3}(?:\.\d{3})+(?:,\d+)?(?![\d.,])")
_SCIENTIFIC = re.compile(r"(?<![A-Za-z\d.])(\d+(?:\.\d+)?)[eE]([+-]?\d{1,6})(?![\dA-Za-z])")
_SCALES = {"dozen": 12, "hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_SCALED = re.compile(r"(?<=\d)\s*(?:\\text\{)?\s*(" + "|".join(_SCALES) + r")s?\b\s*\}?(?!\s*(?:th|of a))", re.IGNORECASE)
_WORDS = re.compile(r"[^\W\d_]{2,}")
_MACRO = re.compile(r"\\[A-Za-z]+")
_TEXT = re.compile(r"\\(?:text|textbf|textrm|textit|mbox|mathrm|mathbf|textnormal)\s*\{[^{}]*\}")
_COUNT = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
    " eighteen nineteen twenty"
).split()


@lru_cache(maxsize=4096)
def read(text: str) -> tuple[Node, ...]:
    """The trees that `text` can mean, likeliest first; text where it is words; none where it cannot be read."""
    if len(text) > LENGTH or nesting(text) > NESTING:
        return ()
    cleaned = clean(text)
    if not cleaned:
        return ()
    if wordy(cleaned):
        spoken = words(cleaned)
        number = (Num(Fraction(_COUNT.index(spoken))),) if spoken in _COUNT else ()
        return (Op("text", (), spoken), *number)
    found: list[Node] = []
    for form in _forms(cleaned):
        try:
            found.append(parse(form))
        except Unparsable:
            continue
        except RecursionError:
            break
    if not found and wordy(cleaned, share=0.5):
        return (Op("text", (), words(cleaned)),)
    return tuple(dict.fromkeys(found))


def _forms(text: str) -> list[str]:
    text = _SCALED.sub(lambda found: rf"\cdot {_SCALES[found.group(1).casefold()]}", text)
    text = _SCIENTIFIC.sub(r"(\1*10^{\2})", text)
    forms = []
    if _THOUSANDS.search(text):
        forms.append(_THOUSANDS.sub(lambda found: found.group().replace(",", ""), text))
    elif _DECIMAL_COMMA.search(text):
        forms.append(_DECIMAL_COMMA.sub(r"\1.\2", text))
    if _EUROPEAN.fullmatch(text) and ("," in text or text.count(".") > 1):
        forms.append(text.replace(".", "").replace(",", "."))
    return [*forms, text]


def wordy(text: str, share: float = 1.0) -> bool:
    """Whether a cleaned answer is words rather than mathematics: at least this share of its words mean none."""
    plain = _MACRO.sub(" ", _TEXT.sub(lambda found: found.group().partition("{")[2][:-1], text))
    found = _WORDS.findall(plain)
    unknown = [word for word in found if not _mathematical(word)]
    if share < 1.0:
        return bool(unknown) and len(unknown) >= share * max(1, len(found))
    if not unknown or any(character in plain for character in "=<>^+*/_|"):
        return False
    return not any(character.isdigit() for character in plain) and not _MACRO.search(_TEXT.sub("", text))


def _mathematical(word: str) -> bool:
    if word in FUNCTIONS or word in CONSTANTS or word in GREEK or word.casefold() in JOINS:
        return True
    return word.isascii() and (word.isupper() and len(word) <= 3 or (len(word) == 2 and word not in ("no", "is", "it")))
