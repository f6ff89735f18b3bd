"""Rewrites that keep the value and give it another form or another order: what a verifier has to calculate."""

import re
from collections.abc import Iterator
from random import Random

import sympy

from rewrites.families import preserving
from rewrites.golds import Gold


@preserving
def decimal(gold: Gold, random: Random) -> Iterator[str]:
    if gold.number is not None and not gold.number.is_Integer and 10**8 % gold.number.q == 0:
        yield f"{sympy.N(gold.number, 20):f}".rstrip("0")


@preserving
def unsimplified(gold: Gold, random: Random) -> Iterator[str]:
    if gold.number is not None and gold.number > 0:
        factor = random.randint(2, 9)
        yield rf"\frac{{{gold.number.p * factor}}}{{{gold.number.q * factor}}}"
    elif gold.scalar is not None:
        yield rf"\frac{{2({gold.core})}}{{2}}"
        yield f"{gold.core} + 3 - 3"


@preserving
def scientific(gold: Gold, random: Random) -> Iterator[str]:
    if gold.number is not None and re.fullmatch(r"\d{3,}|\.0\d+", gold.core):
        mantissa, exponent = f"{sympy.N(gold.number, 12):.11e}".split("e")
        yield rf"{mantissa.rstrip('0').rstrip('.')} \times 10^{{{int(exponent)}}}"


@preserving
def mixed_number(gold: Gold, random: Random) -> Iterator[str]:
    if gold.number is not None and gold.number > 1 and not gold.number.is_Integer and gold.number.q < 1000:
        whole, rest = divmod(gold.number.p, gold.number.q)
        yield rf"{whole}\frac{{{rest}}}{{{gold.number.q}}}"


@preserving
def mixed_number_in_plain_text(gold: Gold, random: Random) -> Iterator[str]:
    if gold.number is not None and gold.number > 1 and not gold.number.is_Integer and gold.number.q < 1000:
        yield f"{gold.number.p // gold.number.q} {gold.number.p % gold.number.q}/{gold.number.q}"


@preserving
def long_decimal(gold: Gold, random: Random) -> Iterator[str]:
    if gold.scalar is not None and gold.scalar.is_real and gold.scalar.is_number and not gold.scalar.is_Integer:
        yield f"{sympy.N(gold.scalar, 14):f}"


@preserving
def approximation_beside(gold: Gold, random: Random) -> Iterator[str]:
    if gold.scalar is not None and gold.scalar.is_irrational:
        yield rf"{gold.core} \approx {float(gold.scalar):.3f}"


@preserving
def reordered_sum(gold: Gold, random: Random) -> Iterator[str]:
    if gold.scalar is not None and gold.scalar.is_Add:
        terms = [sympy.latex(term) for term in gold.scalar.as_ordered_terms()]
        yield " + ".join(reversed(terms)).replace("+ -", "- ")


@preserving
def reordered_items(gold: Gold, random: Random) -> Iterator[str]:
    if gold.value.kind == "set" and gold.items:
        yield ", ".join(reversed(gold.items))
        yield r" \text{ or } ".join(reversed(gold.items))
    elif gold.value.kind == "union":
        yield r" \cup ".join(reversed(gold.core.split(r" \cup ")))


@preserving
def expanded(gold: Gold, random: Random) -> Iterator[str]:
    if gold.scalar is not None and gold.scalar.free_symbols:
        yield from (sympy.latex(form(gold.scalar)) for form in (sympy.expand, sympy.factor, sympy.together))


@preserving
def rationalized(gold: Gold, random: Random) -> Iterator[str]:
    squared = gold.scalar**2 if gold.scalar is not None and gold.scalar.is_irrational else None
    if squared is not None and squared.is_Rational and gold.scalar > 0:
        yield rf"\sqrt{{{sympy.latex(squared)}}}"
        outer, root = gold.scalar.as_coeff_Mul()
        inner = (root**2).p
        yield rf"\frac{{{outer.p * inner}}}{{{outer.q if outer.q > 1 else ''}\sqrt{{{inner}}}}}"
        half = rf"{'' if outer.p == 1 else outer.p} \cdot {inner}^{{1/2}}".removeprefix(r" \cdot ")
        yield half if outer.q == 1 else rf"\frac{{{half}}}{{{outer.q}}}"


@preserving
def inequality(gold: Gold, random: Random) -> Iterator[str]:
    if gold.value.kind == "interval":
        low, high = gold.items
        left, right = (r"\le" if mark in "[]" else "<" for mark in gold.value.marks)
        if low == r"-\infty":
            yield rf"x {right} {high}"
        elif high == r"\infty":
            yield rf"{low} {left} x"
        else:
            yield rf"{low} {left} x {right} {high}"
        yield rf"x \in {gold.with_items(gold.items)}"


@preserving
def both_signs(gold: Gold, random: Random) -> Iterator[str]:
    if r"\pm" in gold.core and not gold.core.startswith(r"\{"):
        yield ", ".join(gold.core.replace(r"\pm", sign) for sign in "+-")
        yield rf"{gold.core.replace(chr(92) + 'pm', '-')} \text{{ or }} {gold.core.replace(chr(92) + 'pm', '+')}"


@preserving
def equation_scaled(gold: Gold, random: Random) -> Iterator[str]:
    if gold.value.kind == "equation":
        expression = gold.value.expression
        yield f"{sympy.latex(expression)} = 0"
        yield f"{sympy.latex(-3 * expression)} = 0"
        left, _, right = gold.core.partition("=")
        yield f"{right.strip()} = {left.strip()}"
