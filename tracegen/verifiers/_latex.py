"""Plain, Unicode and LaTeX spellings of one answer brought together: `number` and `words` for what needs no algebra,
`latex` for what a LaTeX parser will read. Text in, text or a Fraction out; nothing here evaluates anything.
"""

import re
from fractions import Fraction
from itertools import accumulate

_UNICODE = str.maketrans(
    {
        **dict.fromkeys("\u00a0\u2007\u2009\u202f\u3000", " "),
        **dict.fromkeys("−–﹣", "-"),
        **{
            "×": r"\times ",
            "·": r"\cdot ",
            "⋅": r"\cdot ",
            "÷": "/",
            "⁄": "/",
            "∕": "/",
            "π": r"\pi ",
            "∞": r"\infty ",
        },
        **{"≤": r"\le ", "≥": r"\ge ", "≠": r"\ne ", "±": r"\pm ", "∪": r"\cup ", "∩": r"\cap ", "∈": r"\in "},
        **{"°": r"^\circ ", "½": r"\frac12 ", "¼": r"\frac14 ", "¾": r"\frac34 ", "∅": r"\emptyset ", "θ": r"\theta "},
        **{"’": "'", "′": "'"},
    }
)
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻ⁿ", "0123456789-n")
_FUNCTIONS = (
    "sqrt|sin|cos|tan|cot|sec|csc|arcsin|arccos|arctan|sinh|cosh|tanh|ln|log|exp|pi|theta|alpha|beta|infinity|oo"
)
_NAMES = frozenset(_FUNCTIONS.split("|"))
_TEXT_MACRO = re.compile(r"\\(?:text|textbf|textrm|textit|mbox|mathrm|mathbf|operatorname)\s*\{([^{}]*)\}")
_SPACING = re.compile(r"(?<!\\)\\[,;:!>]|(?<!\\)\\ |~|\\q?quad\b|\\(?:left|right|displaystyle)(?![A-Za-z])")
_WHOLE = r"(?:\d{1,3}(?:,\d{3})+|\d{1,3}(?: \d{3})+|\d+)"
_DECIMAL = re.compile(
    rf"([+-]?)\s*({_WHOLE}(?:\.\d*)?|\.\d+)"
    r"(?:\s+([A-Za-z]{2,})(?:\s*\^\s*\{?[23]\}?)?(?: [A-Za-z]{2,}){0,2}|\s*\^\s*\{?\\circ\s*\}?)?"
)
_TIMES = {"dozen": 12, "hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_NO_UNIT = re.compile(
    r"percent|pct|half|halves|quarters?|thirds?|fourths?|fifths?|sixths?|eighths?|tenths?|squared|cubed|factorial|mod"
    r"|modulo|and|or|times|root|choose|over|plus|minus|divided|per|to|the|is"
)
_RATIO = re.compile(
    r"([+-]?)\s*(?:\\[dt]?frac\s*\{\s*(-?\d+)\s*\}\s*\{\s*(-?\d+)\s*\}|\\[dt]?frac\s*(\d)\s*(\d)|(\d+)\s*/\s*(\d+))"
)
_CURRENCY = re.compile(r"^([+-]?)\s*(?:\\?\$|[€£¥₹])\s*")


def dressed_down(text: str) -> str:
    """Without what carries no meaning: math delimiters, bold, spacing commands, a closing full stop."""
    text = text.translate(_UNICODE).strip().removesuffix(".").strip()
    for left, right in (("**", "**"), ("`", "`"), ("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]")):
        if len(text) >= len(left + right) and text.startswith(left) and text.endswith(right):
            text = text[len(left) : len(text) - len(right)].strip()
    text = re.sub(r"(?<=\d)(?:\\[,!]|\{,\}|,\\!\s?)(?=\d{3})", ",", text)
    text = re.sub(r"(?<=\d)\s*percent\b", r"\\%", text)
    return " ".join(_SPACING.sub(" ", text).split()).removesuffix(".").strip()


def number(text: str) -> Fraction | None:
    """The number that `text` is, thousands separators, a currency sign before and a unit behind it aside; or None.

    Conservative: a percentage, a mixed number, scientific notation or a decimal comma is not a plain number.
    """
    if len(text) > 60:
        return None
    text = _CURRENCY.sub(r"\1", _TEXT_MACRO.sub(r" \1", text)).strip()
    if found := _DECIMAL.fullmatch(text):
        sign, digits, unit = found.groups()
        unit = (unit or "").lower()
        if unit in _NAMES or _NO_UNIT.fullmatch(unit):
            return None
        return _TIMES.get(unit, 1) * Fraction(sign + digits.replace(",", "").replace(" ", "").removesuffix("."))
    if found := _RATIO.fullmatch(text):
        sign, *parts = found.groups()
        top, bottom = (int(part) for part in parts if part is not None)
        return Fraction(-top if sign == "-" else top, bottom) if bottom else None
    return None


def words(text: str) -> str | None:
    """`text` in lower case if it is words rather than math (`Evelyn`, `no solution`); else None."""
    plain = " ".join(_TEXT_MACRO.sub(r"\1", text).split()).strip(".'\" ")
    if not re.fullmatch(r"[A-Za-z][A-Za-z' -]*", plain):
        return None
    long = [word for word in re.findall(r"[A-Za-z]{3,}", plain) if word.lower() not in _NAMES]
    return plain.casefold() if long else None


def nesting(text: str) -> int:
    """How deep brackets of any kind stand inside each other."""
    return max(accumulate((1 if bracket in "([{" else -1 for bracket in re.findall(r"[()\[\]{}]", text)), initial=0))


def latex(text: str) -> str:
    """`text` as LaTeX: calculator syntax (`3*sqrt(5)/7`, `x**2`) and Unicode radicals and powers rewritten."""
    text = re.sub(r"[⁰¹²³⁴⁵⁶⁷⁸⁹⁻ⁿ]+", lambda power: "^{" + power.group().translate(_SUPERSCRIPTS) + "}", text)
    text = re.sub(r"√\s*(\d+(?:\.\d+)?|[A-Za-z])", r"\\sqrt{\1}", text).replace("√", r"\sqrt")
    if not re.search(r"\\(?:text|mbox|mathrm|operatorname)", text):
        text = re.sub(rf"(?<![\\A-Za-z])({_FUNCTIONS})(?![A-Za-z])", r"\\\1 ", text)
        text = re.sub(r"\\(?:oo|infinity) ", r"\\infty ", text)
        text = text.replace("**", "^").replace("*", r"\cdot ")
        text = re.sub(r"<=|=<", r"\\le ", re.sub(r">=|=>", r"\\ge ", text)).replace("!=", r"\ne ")
    return _braced(_braced(text, r"\\sqrt\s*\("), r"\^\s*\(")


def _braced(text: str, opening: str) -> str:
    """The argument in round brackets behind `opening` moved into braces, which is how LaTeX groups it."""
    for found in reversed([*re.finditer(opening, text)]):
        if (end := _closing(text, found.end())) is not None:
            text = f"{text[: found.end() - 1]}{{{text[found.end() : end]}}}{text[end + 1 :]}"
    return text


def _closing(text: str, start: int) -> int | None:
    depth = 1
    for bracket in re.compile(r"[()]").finditer(text, start):
        depth += 1 if bracket.group() == "(" else -1
        if depth == 0:
            return bracket.start()
    return None
