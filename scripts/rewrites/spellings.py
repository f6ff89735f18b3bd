"""Rewrites that keep the value and write it otherwise: LaTeX, unicode, sympy syntax, units, words."""

import re
from collections.abc import Iterator
from random import Random

import sympy

from rewrites.families import preserving
from rewrites.golds import Gold

MACROS = {r"\pi": "π", r"\infty": "∞", r"\cup": "∪", r"\pm": "±", r"\in": "∈", r"^\circ": "°", r"\frac{1}{2}": "½"}
SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


@preserving
def display_fraction(gold: Gold, random: Random) -> Iterator[str]:
    if r"\frac" in gold.core:
        yield gold.core.replace(r"\frac", r"\dfrac")
        yield gold.core.replace(r"\frac", r"\tfrac")


@preserving
def slash(gold: Gold, random: Random) -> Iterator[str]:
    if gold.number is not None and not gold.number.is_Integer:
        yield f"{gold.number.p}/{gold.number.q}"
    elif found := re.fullmatch(r"\\frac\{([^{}]+)\}\{([^{}]+)\}", gold.core):
        yield f"({found[1]})/({found[2]})"


@preserving
def braceless_fraction(gold: Gold, random: Random) -> Iterator[str]:
    if found := re.fullmatch(r"(-?)\\frac\{(\d)\}\{(\d)\}", gold.core):
        yield rf"{found[1]}\frac{found[2]}{found[3]}"


@preserving
def trailing_zeros(gold: Gold, random: Random) -> Iterator[str]:
    if gold.number is not None and re.fullmatch(r"-?[\d.]+", gold.core):
        yield gold.core + ("0" if "." in gold.core else ".0")


@preserving
def leading_zero(gold: Gold, random: Random) -> Iterator[str]:
    if re.fullmatch(r"\d\d?\d?|\.\d+", gold.core):
        yield "0" + gold.core


@preserving
def thousands(gold: Gold, random: Random) -> Iterator[str]:
    if re.fullmatch(r"-?\d{4,}", gold.core):
        grouped = f"{int(gold.core):,}"
        yield from (grouped.replace(",", mark) for mark in (",", "{,}", r",\!", r"\,", " "))


@preserving
def paired_brackets(gold: Gold, random: Random) -> Iterator[str]:
    if r"\left" in gold.core:
        yield gold.core.replace(r"\left", "").replace(r"\right", "")
    elif gold.value.kind in ("tuple", "interval", "union", "scalar") and re.search(r"[(\[]", gold.core):
        yield re.sub(r"[)\]]", r"\\right\g<0>", re.sub(r"[(\[]", r"\\left\g<0>", gold.core))
    elif gold.value.kind == "scalar" and "=" not in gold.core:
        yield rf"\left({gold.core}\right)"


@preserving
def spacing(gold: Gold, random: Random) -> Iterator[str]:
    if gold.value.kind in ("text", "matrix", "base"):
        return
    loose = re.sub(r"(?<=[\w})]) ?([-+]) ?(?=[\w\\(])", r" \1 ", gold.core)
    for mark in (r"\,", r"\;", "~", r"\!"):
        yield re.sub(r"(?<=,) ?|(?<= [-+]) ", lambda _, mark=mark: f"{mark} ", loose)
    yield "".join(gold.core.split(" ")) if not re.search(r"\\[a-z]+ [a-z]", gold.core) else f" {gold.core} "


@preserving
def unicode(gold: Gold, random: Random) -> Iterator[str]:
    text = re.sub(r"\\left|\\right", "", gold.with_unit(gold.core))
    for macro, character in MACROS.items():
        text = text.replace(macro, character)
    text = re.sub(r"\\sqrt\{(\d+)\}", r"√\1", text)
    text = re.sub(r"\^(\d)", lambda found: found[1].translate(SUPERSCRIPTS), text).replace("-", "−")
    if not text.isascii():
        yield text


@preserving
def sympy_syntax(gold: Gold, random: Random) -> Iterator[str]:
    if gold.scalar is not None and not gold.scalar.is_Integer:
        yield str(gold.scalar)
    elif gold.value.kind == "tuple":
        yield f"({', '.join(str(part.expression) for part in gold.value.parts)})"
    elif gold.value.kind == "matrix":
        rows, columns = map(int, gold.value.marks.split("x"))
        cells = [str(part.expression) for part in gold.value.parts]
        table = [f"[{', '.join(cells[row * columns : (row + 1) * columns])}]" for row in range(rows)]
        yield f"Matrix([{', '.join(table)}])"


@preserving
def times_signs(gold: Gold, random: Random) -> Iterator[str]:
    if gold.scalar is not None and not gold.scalar.is_Rational:
        yield sympy.latex(gold.scalar, mul_symbol="dot")
        yield sympy.latex(gold.scalar, mul_symbol="times")


@preserving
def named(gold: Gold, random: Random) -> Iterator[str]:
    if gold.scalar is not None and not gold.scalar.free_symbols and "=" not in gold.core:
        yield from (f"{name} = {gold.core}" for name in ("x", "AB", "f(3)"))
        yield f"{gold.core} = x"
    elif gold.value.kind == "tuple" and len(gold.items) == 2:
        yield f"(x, y) = {gold.core}"
    elif re.match("[a-z] ?=", gold.core):
        yield gold.core.partition("=")[2].strip()


@preserving
def unit_added(gold: Gold, random: Random) -> Iterator[str]:
    if gold.number is not None and not gold.unit:
        yield rf"{gold.core} \text{{ {random.choice(('cm', 'meters', 'units', 'apples', 'hours'))}}}"
        yield rf"{gold.core}\,\mathrm{{{random.choice(('m', 'kg', 's'))}}}"


@preserving
def unit_changed_in_spelling(gold: Gold, random: Random) -> Iterator[str]:
    if gold.unit:
        yield gold.core
    spellings = {
        r"^\circ": (r"^{\circ}", r"\text{ degrees}"),
        r"\$": (r" \text{ dollars}",),
        r"\mbox{ cm}^2": (r"\text{ cm}^2", r"\,\mathrm{cm}^2"),
        r"\mbox{ inches}^2": (r"\text{ in}^2",),
        r"\text{ degrees}": (r"^\circ", "°"),
        r"\text{ cents}": (r"\text{ cent}",),
    }
    yield from (gold.core + spelling for spelling in spellings.get(gold.unit, ()))


@preserving
def unit_in_words(gold: Gold, random: Random) -> Iterator[str]:
    words = {
        r"^\circ": "degrees",
        r"\$": "dollars",
        r"\mbox{ cm}^2": "square centimeters",
        r"\mbox{ inches}^2": "square inches",
        r"\text{ cents}": "cents",
    }
    if gold.unit in words:
        yield f"{gold.core} {words[gold.unit]}"


@preserving
def matrix_dress(gold: Gold, random: Random) -> Iterator[str]:
    if gold.value.kind == "matrix":
        yield gold.core.replace("pmatrix", "bmatrix")
        columns = "c" * int(gold.value.marks.split("x")[1])
        inner = gold.core.removeprefix(r"\begin{pmatrix}").removesuffix(r"\end{pmatrix}")
        yield rf"\left[\begin{{array}}{{{columns}}}{inner}\end{{array}}\right]"
        yield re.sub(r"(\d+)/(\d+)", r"\\frac{\1}{\2}", gold.core)


@preserving
def base_dress(gold: Gold, random: Random) -> Iterator[str]:
    if gold.value.kind == "base":
        digits, base = gold.value.parts[0], gold.value.marks
        yield from (f"{digits}_{base}", f"{digits}_{{{base}}}", rf"{digits}_{{\text{{{base}}}}}")


@preserving
def base_in_words(gold: Gold, random: Random) -> Iterator[str]:
    if gold.value.kind == "base":
        yield f"{gold.value.parts[0]} (base {gold.value.marks})"
        yield f"{gold.value.parts[0]} in base {gold.value.marks}"


@preserving
def word_dress(gold: Gold, random: Random) -> Iterator[str]:
    if gold.value.kind == "text":
        word = re.sub(r"\\text\{|[()}]", "", gold.core)
        yield from (word, rf"\textbf{{{word}}}", rf"\mathrm{{{word}}}", rf"\text{{{word.lower()}}}", f"({word})")
