"""Spellings brought together before anything is read: Unicode, LaTeX dress, thousands marks, escapes, delimiters."""

import html
import re
import unicodedata
from functools import lru_cache
from itertools import accumulate

_SUPERSCRIPT = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ⁿ", "0123456789+-()n")
_SUBSCRIPT = str.maketrans("₀₁₂₃₄₅₆₇₈₉₊₋ₙ", "0123456789+-n")
_UNICODE = {
    **dict.fromkeys("\u00a0\u2007\u2009\u202f\u3000\u2002\u2003\u2005\u2006\u200a", " "),
    **dict.fromkeys("\u200b\u200c\u200d\u2060\ufeff\u00ad\u200e\u200f\u2061\u2062\u2063", ""),
    **dict.fromkeys("−–—﹣－", "-"),
    **dict.fromkeys("×✕⨯∗", r"\times "),
    **dict.fromkeys("·⋅•∙", r"\cdot "),
    **dict.fromkeys("∕⁄", "/"),
    **dict.fromkeys("’′ʹ", "'"),
    **dict.fromkeys("≈≃≅", r"\approx "),
    **{"÷": "/", "≤": r"\le ", "⩽": r"\le ", "≥": r"\ge ", "⩾": r"\ge ", "≠": r"\ne ", "±": r"\pm ", "∓": r"\mp "},
    **{"∪": r"\cup ", "∩": r"\cap ", "∈": r"\in ", "∅": r"\emptyset ", "∞": r"\infty ", "∖": r"\setminus "},
    **{"π": r"\pi ", "θ": r"\theta ", "α": r"\alpha ", "β": r"\beta ", "γ": r"\gamma ", "δ": r"\delta "},
    **{"λ": r"\lambda ", "μ": r"\mu ", "φ": r"\varphi ", "ω": r"\omega ", "σ": r"\sigma ", "ρ": r"\rho "},
    **{"ε": r"\varepsilon ", "Δ": r"\Delta ", "Ω": r"\Omega ", "τ": r"\tau ", "ℝ": r"\mathbb{R}", "ℤ": r"\mathbb{Z}"},
    **{"ℕ": r"\mathbb{N}", "ℚ": r"\mathbb{Q}", "ℂ": r"\mathbb{C}", "∠": r"\angle ", "∨": " or ", "∧": " and "},
    **{"٫": ".", "٬": ","},
    **{"∴": " ", "∵": " ", "⇒": " ", "≡": r"\equiv ", "¢": r"\text{ cents}"},
    **{"°": r"^\circ ", "º": r"^\circ ", "∑": r"\sum ", "∏": r"\prod ", "∫": r"\int ", "⌊": r"\lfloor "},
    **{"⌋": r"\rfloor ", "⌈": r"\lceil ", "⌉": r"\rceil ", "⟨": r"\langle ", "⟩": r"\rangle ", "→": r"\to "},
    **{"½": r"\frac{1}{2}", "⅓": r"\frac{1}{3}", "⅔": r"\frac{2}{3}", "¼": r"\frac{1}{4}", "¾": r"\frac{3}{4}"},
    **{"⅕": r"\frac{1}{5}", "⅛": r"\frac{1}{8}", "⅜": r"\frac{3}{8}", "⅝": r"\frac{5}{8}", "⅞": r"\frac{7}{8}"},
    **{"⅙": r"\frac{1}{6}", "⅚": r"\frac{5}{6}", "⅖": r"\frac{2}{5}", "⅗": r"\frac{3}{5}", "⅘": r"\frac{4}{5}"},
    **{"√": r"\sqrt ", "∛": r"\sqrt[3] ", "∜": r"\sqrt[4] ", "，": ", ", "。": ".", "；": "; ", "：": ":"},
    **{"（": "(", "）": ")", "［": "[", "］": "]", "｛": r"\{", "｝": r"\}", "％": "%", "“": '"', "”": '"', "、": ", "},
}
_TABLE = str.maketrans(_UNICODE)
_PRIMES = re.compile(r"[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ⁿ]+")
_BELOW = re.compile(r"[₀₁₂₃₄₅₆₇₈₉₊₋ₙ]+")
_ESCAPED = re.compile(r"\\\\(?=[A-Za-z(){}\[\],;!%$])")
_DELIMITER = re.compile(r"(?<!\\)\\[()\[\]!]|(?<!\\)\$|`")
_SPACING = re.compile(
    r"(?<!\\)\\[,;:> ]|~|\\q?quad|\\(?:thinspace|medspace|enspace|hfill|displaystyle|textstyle|limits)(?![A-Za-z])"
    r"|\\[hv]space\*?\{[^{}]*\}|\\(?:phantom|label|tag)\*?\{[^{}]*\}"
)
_SIZE = re.compile(r"\\(?:left|right|middle|[bB]igg?[lrm]?)(?![A-Za-z])\s*\.?")
_GROUPED = re.compile(r"(?<=\d)(?:\{,\}|,\s?\\!\s?|\\!\s?|\\[,; ]|_(?=\d{3}(?:_|\b))|'(?=\d{3}))(?=\d{3}(?!\d))")
_LISTED = re.compile(r"\d{4,},\s?\\!|,\s?\\!\s*(?:\d{4,}|\d{1,2}(?!\d))")
_SPACED = re.compile(r"(?<![\d.,])\d{1,3}(?: \d{3})+(?![\d])")
_MIXED = re.compile(r"(?<![\d./^_{,])(?<![\d./^_{,] )(\d+)(?:\s+|\s+and\s+|-)(\d+)\s*/\s*(\d+)(?![\d/^])")
_REPEATING = re.compile(r"(?<![\d.])(\d+)\.(\d*)(?:\\(?:overline|dot|bar|overbar)\s*\{(\d+)\}|\((\d+)\)(?!\s*[\d^]))")
_IN_BASE = re.compile(
    r"(?<=[0-9A-Fa-f])\s*[(,]?\s*(?:\\text\s*\{)?\s*(?:in|with|to)?\s*\(?base[ -]+([A-Za-z]+|\d+)\s*\)?\s*\}?\s*\)?$",
    re.IGNORECASE,
)
_TO = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?) to (\d+(?:\.\d+)?)(?![\w.])")
_ORDINAL = re.compile(r"(?<![\w.])(\d+)(?:\^\{?)?(?:\\text\{)?(?:st|nd|rd|th)\b(?:\}{1,2})?")
_POINT = re.compile(r"(?<![\d.])(\d+)\.(?=[/*+)^-])")
_DOLLAR = re.compile(r"(?<!\\)\$(?=\s?\d)|(?<=\d)(?<!\\)\$")
_AREA = re.compile(r"\[([A-Z]{3,6})\](?=\s*=)")
_MODULUS = re.compile(r"\(\s*\\?b?mod\s*(\w+)\s*\)")
_LETTER = re.compile(r"\\(?:mathbf|boldsymbol|bm|mathit|mathsf|mathcal)\s*\{\s*([A-Za-z])\s*\}")
_ENTITY = re.compile(r"&#?\w{1,8};")
_ELEMENT = re.compile(r"</?(?:p|b|i|em|strong|span|div|sub|code|br)\s?/?>", re.IGNORECASE)
_ANGLES = re.compile(r"^\s*<([^<>=]+,[^<>=]+)>\s*\.?\s*$")
_MACROS = [
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"\\\\\[\d+(?:\.\d+)?(?:pt|em|ex|mm|cm)\]", r"\\\\"),
        (r"\\math(?:open|close)\s*\{\}", ""),
        (r"\\(?:text)?color\s*\{[^{}]*\}", ""),
        (r"\\(?:text|mbox)\s*\{\s*([,.]?)\s*\}", r"\1"),
        (r"\\(?:text|mathrm)\s*\{([0-9A-F]+)\}(?=[0-9A-F]*_)", r"\1"),
        (r"\\text\s*\{\s*to\s*\}", " to "),
        (r"\\(?:bf|rm|it|sf|tt)(?![A-Za-z])", ""),
        (r"^\s*\\(?:text|textbf|mbox|mathrm)\s*\{([^{}]*)\}\s*\.?\s*$", r"\1"),
        (r"\\degrees?(?![A-Za-z])", r"^\\circ "),
        (r"\^\{?\s*(?:\*|\\ast|\\star)\s*\}?(?!\w)", "_{star}"),
        (r"(?<=\d)\s*(?:\\ )?(?:\\(?:mathrm|text)\{)?\s*~?\s*\\Omega\s*\}?\s*$", r" \\text{ ohm}"),
        (r"\\imath(?![A-Za-z])", "i"),
        (r"\\jmath(?![A-Za-z])", "j"),
        (r"\\colon(?![A-Za-z])", ":"),
        (r"\{([^{}]*)\\choose([^{}]*)\}", r"\\binom{\1}{\2}"),
        (r"\\\{\s*\\begin\{array\}\s*\{[lcr]+\}(.*)\\end\{array\}", r"\\begin{cases}\1\\end{cases}"),
        (r"=\s*(\d+\.\d+)\s*\\[lc]?dots", r"\\approx \1"),
        (r"[,(]?\s*(?:\\[ ,;])?\s*\(?\s*[kmn]\s*\\in\s*(?:\\mathbb\s*)?\{?[ZN]\}?\s*\)?[\s$]*$", ""),
    )
]
"""Macros that are another spelling of something, or none of anything."""
_CHOOSE = re.compile(r"(?:\{\})?_\{?(\d+)\}?\s*C_\{?(\d+)\}?|(?<![A-Za-z])C_\{?(\d+)\}?\^\{?(\d+)\}?")
_OUTWARD = re.compile(r"^([\[\]])([^\[\]]+,[^\[\]]+)([\[\]])$")
_SYMPY_INTERVAL = re.compile(r"Interval\.(Lopen|Ropen|open)\(([^()]*)\)")
_AND_MINUTES = re.compile(r"(?<=[a-z]) and (?=\d+ ?(?:min|minutes?|sec|seconds?|inch|inches)\b)")
_GLUED = re.compile(r"(?<=[\d)}\]])(or|and)(?=[A-Z(\d\\])")
_DISPLAY = re.compile(r"\\(?:begin|end)\{(?:align|equation|gather|split|aligned)\*?\}")
TEXT = re.compile(r"\\(?:text|textbf|textrm|textit|textnormal|mbox|mathrm|mathbf|operatorname)\s*\{([^{}]*)\}")
_ENVIRONMENT = re.compile(r"\\begin\{|&")


def ascii_math(text: str) -> str:
    """Unicode mathematics as LaTeX and ASCII; digits of every script as 0 to 9."""
    if text.isascii():
        return text
    text = _PRIMES.sub(lambda found: "^{" + found.group().translate(_SUPERSCRIPT) + "}", text)
    text = _BELOW.sub(lambda found: "_{" + found.group().translate(_SUBSCRIPT) + "}", text)
    text = text.translate(_TABLE)
    if text.isascii():
        return text
    text = unicodedata.normalize("NFKC", text)
    return "".join(str(unicodedata.decimal(c)) if not c.isascii() and c.isdecimal() else c for c in text)


@lru_cache(maxsize=4096)
def clean(text: str) -> str:
    """One line of LaTeX or plain mathematics without what carries no meaning."""
    text = ascii_math(text)
    if not _ENVIRONMENT.search(text):
        text = _ESCAPED.sub(lambda _: "\\", text)
    if "&" in text and _ENTITY.search(text):
        text = ascii_math(html.unescape(text))
    if "<" in text:
        text = _ANGLES.sub(r"\\langle \1 \\rangle", _ELEMENT.sub(" ", text))
    if text.startswith("**"):
        text = text.strip("*")
    if text.count("$") - text.count("\\$") == 1:
        text = _DOLLAR.sub(r"\\$", text)
    if "\\" in text or "^" in text:
        for pattern, replacement in _MACROS:
            text = pattern.sub(replacement, text)
    if _LISTED.search(text):
        text = text.replace("\\!", "")
    text = _GROUPED.sub(_ungrouped, text)
    text = text.replace("{,}", ",")
    text = _SIZE.sub(" ", _SPACING.sub(" ", _DELIMITER.sub("", text)))
    text = _DISPLAY.sub(" ", text)
    text = _GLUED.sub(r" \1 ", text)
    text = _AREA.sub(r"S_{\1}", text)
    text = _MODULUS.sub(r"\\pmod{\1}", text.replace("per cent", "percent"))
    text = _LETTER.sub(r" \1 ", text)
    text = _ORDINAL.sub(r"\1", _POINT.sub(r"\1", text))
    text = _REPEATING.sub(_fraction, text)
    text = _IN_BASE.sub(r"_{\1}", " ".join(text.split()))
    text = _CHOOSE.sub(lambda m: rf"\binom{{{m[1] or m[3]}}}{{{m[2] or m[4]}}}", text.replace("{-}", "-"))
    text = _SYMPY_INTERVAL.sub(lambda m: "[("[m[1] != "Ropen"] + m[2] + "])"[m[1] != "Lopen"], text)
    text = _AND_MINUTES.sub(" ", _OUTWARD.sub(_turned, text))
    text = _SPACED.sub(lambda found: found.group().replace(" ", ""), text)
    text = _TO.sub(r"\1:\2", _MIXED.sub(_mixed, text))
    return stripped(text)


def stripped(text: str) -> str:
    """Without closing punctuation, quotes and a stray backslash."""
    before = None
    while before != text:
        before = text
        text = text.strip().strip('"').strip()
        text = re.sub(r"(?<!\\)\\+$", "", text) if text.endswith("\\") else text
        if text.endswith((".", ",", ";", ":")) and not text.endswith("..."):
            text = text[:-1]
    return text


def _turned(found: "re.Match[str]") -> str:
    """`]0, 1[`, as it is written in France, as `(0, 1)`."""
    left, inside, right = found.groups()
    return f"{'(' if left == ']' else '['}{inside}{')' if right == '[' else ']'}"


def _ungrouped(found: "re.Match[str]") -> str:
    """Nothing for a thousands mark; inside brackets a comma parts a pair, whatever space follows it."""
    before = found.string[: found.start()]
    inside = before.count("(") + before.count("[") > before.count(")") + before.count("]")
    return ", " if inside and found.group().startswith(",") else ""


def _fraction(found: "re.Match[str]") -> str:
    """`0.1\\overline{6}` as a fraction of integers."""
    whole, fixed, period = found.group(1), found.group(2), found.group(3) or found.group(4)
    if len(found.group()) > 60:
        return found.group()
    below = (10 ** len(period) - 1) * 10 ** len(fixed)
    above = int(whole + fixed + period) - int(whole + fixed)
    return f"({above}/{below})"


def _mixed(found: "re.Match[str]") -> str:
    whole, top, bottom = found.groups()
    if "-" in found.group() or int(top[:9]) >= int(bottom[:9]) or len(top) > 6 or len(bottom) > 6:
        return found.group()
    return f"({whole}+{top}/{bottom})"


def nesting(text: str) -> int:
    """How deep brackets of any kind stand inside each other."""
    return max(accumulate((1 if bracket in "([{" else -1 for bracket in re.findall(r"[()\[\]{}]", text)), initial=0))


def unwrapped(text: str) -> str:
    """The text with the words of `\\text{...}` and its like bare."""
    return TEXT.sub(r"\1", text)


def words(text: str) -> str:
    """The text in lower case without macros, punctuation and articles: how words are compared."""
    text = re.sub(r"[{}$\\~\"'`*()\[\].,;:!?]", " ", unwrapped(text)).casefold()
    text = re.sub(r"(?<=[^\W\d_])-(?=[^\W\d_])", " ", text)
    return " ".join(word for word in text.split() if word not in ("the", "a", "an"))
