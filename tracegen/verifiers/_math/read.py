"""An answer's text as the trees that it can mean: nearly always one, several where digits and commas are ambiguous.

"1,234" -> 1234 or the list 1, 234        "1,22" -> 1.22 or the list 1, 22        "no solution" -> text
"""

import re
from functools import lru_cache

from tracegen.verifiers._math import dates
from tracegen.verifiers._math.names import CONSTANTS, FUNCTIONS, GREEK, JOINS
from tracegen.verifiers._math.nodes import Node, Num, Op, Unparsable
from tracegen.verifiers._math.parse import parse
from tracegen.verifiers._math.spoken import number
from tracegen.verifiers._math.text import TEXT, clean, nesting, unwrapped, words

LENGTH = 2_000
"""Characters that are parsed; the longest gold answers of competition sets stay under a few hundred."""
NESTING = 40

_THOUSANDS = re.compile(r"(?<![\d.,(\[{])(?:[1-9]\d{0,2}(?:,\d{3})+|[1-9]\d?(?:,\d{2})+,\d{3})(?![\d,])(?!\s*[)\]}])")
_DECIMAL_COMMA = re.compile(r"(?<![\d.,(\[{\w])(\d+),(?!0(?!\d))(\d+)(?![\d.,)\]}])")
_EUROPEAN = re.compile(r"(?<![\d.,(\[{])\d{1,3}(?:\.\d{3})+(?:,\d+)?(?![\d.,])")
_SCIENTIFIC = re.compile(r"(?<![A-Za-z\d.])(\d+(?:\.\d+)?)[eE]([+-]?\d{1,6})(?![\dA-Za-z])")
_SCALES = {"dozen": 12, "hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_SCALED = re.compile(
    r"(?<=\d)\s*(?:\\text\{)?\s*(" + "|".join(_SCALES) + r")s?\b\s*\}?(?!\s*(?:th|of a))", re.IGNORECASE
)
_WORDS = re.compile(r"[^\W\d_]{2,}")
_MACRO = re.compile(r"\\(?:begin|end)\s*\{[^{}]*\}|\\[A-Za-z]+")
_ASIDE = re.compile(
    r"\s*(?:\\text\s*\{\s*)?\(\s*(?:\\text\s*\{\s*)?(?:\\approx|\\text|about|approximately|approx\.?|roughly)[^()]*\)\s*\}?$"
)
_BASED = re.compile(r"\(?([0-9A-Fa-f]+)\)?_\{?\s*(\d{1,2})\s*\}?")
_FRACTION_OF_UNITS = re.compile(
    r"(\d\s*)\\frac\s*\{\s*(?:\\(?:text|mathrm)\s*\{)?\s*([a-z]{1,3})\s*\}?\s*\}\s*\{\s*(?:\\(?:text|mathrm)\s*\{)?\s*"
    r"([a-z]{1,3})\s*\}?\s*\}$"
)
_LAST_SIDE = re.compile(r"(?=.*\\[A-Za-z])[^=<>,;]+=[^=<>,;]+$")
"""An equation whose left side may be anything that a limit or an operator can be written as."""
_ROMAN = re.compile(r"[IVXLCDM]{2,}")
_CALL = re.compile(r"(?<![A-Za-z\\])[fghpqFGHPQW]\s*\(")
_LABEL = re.compile(
    r"(?:\\text\s*\{)?[A-Za-z][A-Za-z ]{3,40}\}?\s*[=:]\s*(?=.)"
    r"|\\text\w*\s*\{[^{}]*(?:\bis|\bare|=|:)\s*\}\s*(?=.)"
    r"|[A-Z]\s*(?=\([^()]*,)"
    r"|(?:\\text\w*\s*\{)?\s*\([A-J]\)\s*\}?\s*(?=[^\s)])"
)
_PREAMBLE = re.compile(r"^(?:there (?:is|are|exists?)|it (?:is|falls on)|this is|answer is|equation has|system has)\s+")
_SYNONYMS = {
    **dict.fromkeys(("no solution", "no solutions", "none", "empty set", "no such solutions exist"), "no solution"),
    **dict.fromkeys(("infinitely many solutions", "infinite", "infinitely many"), "infinitely many"),
    **dict.fromkeys(("dne", "does not exist", "doesn t exist", "limit does not exist"), "does not exist"),
}
_EXCEPT = re.compile(
    r"^(?:\\text\{)?\s*(?:all )?(?:real numbers|reals|real x|real)\s*(?:x )?except (?:for )?(?:x\s*=\s*)?\}?"
    r"\s*(?=\S+$)(.+)"
)
_ALL_REALS = {"all real numbers", "all reals", "all real x", "any real number", "every real number", "real numbers"}


@lru_cache(maxsize=4096)
def read(text: str) -> tuple[Node, ...]:
    """The trees that `text` can mean, likeliest first; text where it is words; none where it cannot be read."""
    if len(text) > LENGTH or nesting(text) > NESTING:
        return ()
    cleaned = _ASIDE.sub("", clean(text))
    if not cleaned:
        return ()
    if based := _BASED.fullmatch(cleaned):
        digits, base = based.group(1).upper().lstrip("0") or "0", int(based.group(2))
        if all(int(digit, 36) < base for digit in digits):
            return (Op("base", (), (digits, base)),)
    cleaned = _EXCEPT.sub(r"x \\ne \1", cleaned)
    if moment := dates.date(unwrapped(cleaned).strip()) or dates.time(unwrapped(cleaned).strip()):
        return (moment, *_parsed(cleaned)) if ":" in cleaned else (moment,)
    if _ROMAN.fullmatch(cleaned):
        return (Op("text", (), cleaned),)
    if wordy(cleaned) or words(cleaned) in _SYNONYMS:
        return _spoken(cleaned)
    found = _parsed(cleaned)
    if not found and wordy(cleaned, share=0.5):
        return (Op("text", (), words(cleaned)),)
    return tuple(dict.fromkeys(found))


def _spoken(text: str) -> tuple[Node, ...]:
    """Words, with the value that they name if they name one."""
    plain = _PREAMBLE.sub("", words(text))
    spoken = Op("text", (), _SYNONYMS.get(plain, plain))
    if (value := number(plain)) is not None:
        return (spoken, Num(value, 0, 2) if value >= 0 else Op("neg", (Num(-value, 0, 2),)))
    if plain in ("infinity", "positive infinity", "negative infinity", "minus infinity"):
        return (spoken, Op("inf") if plain[0] in "ip" else Op("neg", (Op("inf"),)))
    for words_of_unit in (1, 2, 3):
        count, *unit_ = plain.rsplit(" ", words_of_unit)
        if unit_ and unit_[0].split()[0] not in ("or", "and", "to", "not") and (value := number(count)) is not None:
            return (spoken, Op("unit", (Num(value, 0, 2),), " ".join(unit_)))
    if plain in _ALL_REALS:
        return (spoken, Op("reals"))
    return (spoken, Op("set")) if spoken.data == "no solution" else (spoken,)


def _parsed(cleaned: str) -> list[Node]:
    found: list[Node] = []
    for form in (forms := _forms(cleaned)):
        try:
            found.append(parse(form))
            if _CALL.search(form):
                found.append(parse(form, calls=False))
        except Unparsable:
            if _LAST_SIDE.match(form):
                forms.append(form.rpartition("=")[2])
        except RecursionError:
            break
    return found


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
    forms.append(text)
    if label := _LABEL.match(text):
        forms.append(text[label.end() :])
    return [_FRACTION_OF_UNITS.sub(r"\1 \\text{\2/\3}", form) for form in forms]


def wordy(text: str, share: float = 1.0) -> bool:
    """Whether a cleaned answer is words rather than mathematics: at least this share of its words mean none."""
    plain = _MACRO.sub(" ", unwrapped(text))
    found = _WORDS.findall(plain)
    unknown = [word for word in found if not _mathematical(word)]
    if share < 1.0:
        return bool(unknown) and len(unknown) >= share * max(1, len(found))
    if not unknown or any(character in plain for character in "=<>^+*/_|"):
        return False
    return not any(character.isdigit() for character in plain) and not _MACRO.search(TEXT.sub("", text))


def _mathematical(word: str) -> bool:
    if word in FUNCTIONS or word in CONSTANTS or word in GREEK or word.casefold() in JOINS:
        return True
    return word.isascii() and (
        (word.isupper() and len(word) <= 3)
        or (len(word) == 2 and word.casefold() not in ("no", "is", "it", "if", "to", "of"))
    )
