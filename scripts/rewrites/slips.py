"""Rewrites that change the value: the slips of a student, one at a time.

Whether the value has really changed is for the reader to find, but for the families of `SURE`.
"""

import re
from collections.abc import Iterator
from random import Random

from rewrites.families import breaking
from rewrites.golds import Gold

UNITS = {
    r"^\circ": (r"\text{ radians}",),
    r"\mbox{ cm}^2": (r"\text{ m}^2", r"\text{ cm}^3"),
    r"\mbox{ inches}^2": (r"\text{ feet}^2", r"\text{ cm}^2"),
    r"\text{ degrees}": (r"\text{ radians}",),
    r"\text{ cents}": (r"\text{ dollars}",),
}
WORDS = {"east": "west", "even": "odd", "ellipse": "circle", "evelyn": "Debra", "navin": "Luiz"}


@breaking
def sign(gold: Gold, random: Random) -> Iterator[str]:
    if gold.scalar is not None:
        plain = not (gold.scalar.is_Add or gold.scalar.free_symbols)
        yield gold.core[1:] if gold.core[0] == "-" and plain else f"-{gold.core}" if plain else f"-({gold.core})"


@breaking
def off_by_one(gold: Gold, random: Random) -> Iterator[str]:
    runs = list(re.finditer(r"(?<![._\d])\d+(?!\.\d|\d)", gold.core))
    for found in random.sample(runs, min(3, len(runs))):
        yield gold.core[: found.start()] + str(int(found[0]) + 1) + gold.core[found.end() :]
        if int(found[0]) > 1:
            yield gold.core[: found.start()] + str(int(found[0]) - 1) + gold.core[found.end() :]


@breaking
def swapped_digits(gold: Gold, random: Random) -> Iterator[str]:
    for found in re.finditer(r"(?<!_)(?=([1-9])([1-9]))", gold.core):
        if found[1] != found[2]:
            yield gold.core[: found.start()] + found[2] + found[1] + gold.core[found.start() + 2 :]


@breaking
def tenfold(gold: Gold, random: Random) -> Iterator[str]:
    if gold.number:
        yield str(gold.number * 10)
        yield f"{float(gold.number / 10):.12g}" if 10**6 % gold.number.q == 0 else str(gold.number / 10)


@breaking
def inverted(gold: Gold, random: Random) -> Iterator[str]:
    if gold.number and not gold.number.is_Integer:
        yield rf"\frac{{{gold.number.q}}}{{{gold.number.p}}}"
        yield str(gold.number.p)
    elif found := re.fullmatch(r"\\frac\{([^{},]+)\}\{([^{},]+)\}", gold.core):
        yield rf"\frac{{{found[2]}}}{{{found[1]}}}"


@breaking
def rounded(gold: Gold, random: Random) -> Iterator[str]:
    if gold.scalar is not None and gold.scalar.is_real and gold.scalar.is_number:
        near = float(f"{float(gold.scalar):.3g}")
        yield f"{near + 0.01:.2f}" if gold.scalar.is_Integer else f"{near:.6f}".rstrip("0").rstrip(".")


@breaking
def squared(gold: Gold, random: Random) -> Iterator[str]:
    if gold.scalar is not None and not gold.unit and "=" not in gold.core:
        yield f"({gold.core})^2"


@breaking
def exponent(gold: Gold, random: Random) -> Iterator[str]:
    for found in re.finditer(r"\^(\d)", gold.core):
        yield gold.core[: found.start(1)] + str(int(found[1]) + 1) + gold.core[found.end() :]
        yield gold.core[: found.start()] + gold.core[found.end() :]


@breaking
def inner_sign(gold: Gold, random: Random) -> Iterator[str]:
    if gold.value.kind in ("scalar", "equation", "tuple", "set"):
        for found in re.finditer(r"[-+]", gold.core):
            yield gold.core[: found.start()] + ("+" if found[0] == "-" else "-") + gold.core[found.end() :]


@breaking
def without_pi(gold: Gold, random: Random) -> Iterator[str]:
    if r"\pi" in gold.core:
        bare = re.sub(r"\\frac\{\\pi\}", r"\\frac{1}", gold.core)
        bare = re.sub(r"(?<=\d) ?\\pi(\^2)?", "", bare).replace(r"\pi^2", "1").replace(r"\pi", "1")
        yield bare
        yield gold.core.replace(r"\pi", "e") if gold.value.kind == "scalar" else bare.replace(")", " )")


@breaking
def without_root(gold: Gold, random: Random) -> Iterator[str]:
    if r"\sqrt" in gold.core and r"\sqrt[" not in gold.core:
        yield re.sub(r"(?<=\d) ?\\sqrt\{?(\d+)\}?", r" \\cdot \1", gold.core).replace(r"\sqrt", "")
        yield re.sub(r"\\sqrt(?=\{)", r"\\sqrt[3]", gold.core)
        yield re.sub(r"\\sqrt(?=\{)", r"2\\sqrt", gold.core)


@breaking
def other_letter(gold: Gold, random: Random) -> Iterator[str]:
    letters = re.findall(r"(?<![\\a-zA-Z])[a-hj-zA-Z](?![a-zA-Z])", gold.core)
    if letters and gold.value.kind == "scalar" and "=" not in gold.core:
        letter = random.choice(letters)
        for other in "mwq":
            if other not in letters:
                yield re.sub(rf"(?<![\\a-zA-Z]){letter}(?![a-zA-Z])", other, gold.core)


@breaking
def with_letter(gold: Gold, random: Random) -> Iterator[str]:
    if gold.number is not None and gold.core.isdigit() and not gold.unit and gold.number:
        yield f"{gold.core}{random.choice('nxz')}"
        yield rf"{gold.core}\pi"


@breaking
def percent(gold: Gold, random: Random) -> Iterator[str]:
    if gold.number and not gold.unit and re.fullmatch(r"[\d.]+", gold.core):
        yield rf"{gold.core}\%"


@breaking
def other_unit(gold: Gold, random: Random) -> Iterator[str]:
    yield from (gold.core + unit for unit in UNITS.get(gold.unit, ()))
    if gold.unit == r"\$":
        yield f"€{gold.core}"
        yield rf"{gold.core} \text{{ cents}}"


@breaking
def other_base(gold: Gold, random: Random) -> Iterator[str]:
    if gold.value.kind == "base":
        digits, base = str(gold.value.parts[0]), int(gold.value.marks)
        yield f"{digits}_{base + 1}"
        yield f"{digits}_{{{base + 2}}}"
        yield f"{int(digits) + 1}_{base}"
        yield f"{digits[::-1]}_{base}"


@breaking
def other_word(gold: Gold, random: Random) -> Iterator[str]:
    if gold.value.kind == "text":
        word = str(gold.value.parts[0])
        others = [WORDS[word]] if word in WORDS else [letter.upper() for letter in "abcde" if letter != word]
        yield from (f"\\text{{{other}}}" for other in others)
        yield from others


@breaking
def dropped_item(gold: Gold, random: Random) -> Iterator[str]:
    if gold.items and gold.value.kind in ("set", "tuple"):
        for place in range(len(gold.items)):
            yield gold.with_items(gold.items[:place] + gold.items[place + 1 :])
    if r"\pm" in gold.core:
        yield gold.core.replace(r"\pm", "+")
    if gold.value.kind == "union":
        yield from gold.core.split(r" \cup ")


@breaking
def extra_item(gold: Gold, random: Random) -> Iterator[str]:
    if gold.items and gold.value.kind in ("set", "tuple"):
        yield gold.with_items([*gold.items, "17"])
    elif gold.number is not None and not gold.unit:
        yield f"{gold.core}, {random.choice(('-19', '77', '0.17'))}"


@breaking
def swapped_items(gold: Gold, random: Random) -> Iterator[str]:
    if gold.value.kind in ("tuple", "interval"):
        yield gold.with_items([*gold.items[1:], gold.items[0]])


@breaking
def bracket(gold: Gold, random: Random) -> Iterator[str]:
    if gold.value.kind == "interval" or (gold.value.kind == "union" and r"\infty" not in gold.core):
        for found in re.finditer(r"[()\[\]]", gold.core):
            if r"\infty" not in gold.core[max(0, found.start() - 8) : found.start() + 9]:
                flipped = {"(": "[", "[": "(", ")": "]", "]": ")"}[found[0]]
                yield gold.core[: found.start()] + flipped + gold.core[found.end() :]


@breaking
def other_infinity(gold: Gold, random: Random) -> Iterator[str]:
    if gold.value.kind == "interval" and r"\infty" in gold.core:
        low, high = gold.items
        yield rf"({high}, \infty)" if low == r"-\infty" else rf"(-\infty, {low})"
        yield r"(-\infty, \infty)"


@breaking
def cells(gold: Gold, random: Random) -> Iterator[str]:
    if gold.value.kind == "matrix":
        body = gold.core.removeprefix(r"\begin{pmatrix}").removesuffix(r"\end{pmatrix}")
        rows = [row.strip() for row in body.split(r"\\")]
        for order in (rows[::-1], rows[1:] + rows[:1], rows[:-1], [*rows, rows[0]]):
            yield r"\begin{pmatrix} " + r" \\ ".join(order) + r" \end{pmatrix}"
        negated = [row[1:] if row[0] == "-" else f"-{row}" for row in rows]
        yield r"\begin{pmatrix} " + r" \\ ".join(negated) + r" \end{pmatrix}"
