"""Reads the plain LaTeX of a benchmark's gold answers into values, so that every rewrite can be checked by numbers.

A reader of its own, small and strict, on purpose: a rewrite must not be checked by the verifier that it is to measure.
`read` gives a `Value` or None for what it does not know; `same` compares two values at random points.
Limits: numbers, letters, fractions, roots, powers, sums, products and a handful of functions; `i` is the imaginary
unit; what it builds, it builds from sympy's constructors.
"""

import re
from dataclasses import dataclass
from fractions import Fraction

import sympy

KINDS = ("scalar", "tuple", "interval", "set", "union", "matrix", "base", "equation", "text")
SPACE = re.compile(r"\\left(?![a-z])|\\right(?![a-z])|(?<!\\)\\[!,;:]|\\q?quad|[ \n~]")
FUNCTIONS = {"sin": sympy.sin, "cos": sympy.cos, "tan": sympy.tan, "cot": sympy.cot, "ln": sympy.log}
CONSTANTS = {"pi": sympy.pi, "infty": sympy.oo}
POINTS = (sympy.Rational(97, 71), sympy.Rational(53, 89), sympy.Rational(131, 61))
"""Every letter gets each of these, shifted by its code so that no two letters are the same number."""


@dataclass(frozen=True)
class Value:
    """A typed answer: `parts` are values, or for a scalar and an equation (left minus right) a single expression."""

    kind: str
    parts: tuple[object, ...]
    marks: str = ""
    """Brackets of a tuple or an interval; the base of a number."""

    @property
    def expression(self) -> sympy.Expr:
        return self.parts[0]  # type: ignore[return-value]


class Unreadable(ValueError):
    """Outside of the small language."""


def read(text: str) -> Value | None:
    """The value of an answer without dollars, boxes and units."""
    try:
        if r"\text" not in text:
            text = SPACE.sub("", re.sub(r"(\\[a-z]+) +([a-z])", r"\1{\2}", text))
        return _read(text.strip())
    except (Unreadable, RecursionError, ZeroDivisionError):
        return None


def scalar(text: str) -> sympy.Expr | None:
    """The expression, where the answer is one."""
    value = read(text)
    return value.expression if value and value.kind == "scalar" else None


def same(one: Value, other: Value) -> bool:
    """Equal as mathematics, as far as three points can tell."""
    if one.kind != other.kind or one.marks != other.marks or len(one.parts) != len(other.parts):
        return False
    if one.kind == "scalar":
        return all(_close(a, b) for a, b in zip(_numbers(one.expression), _numbers(other.expression), strict=True))
    if one.kind == "equation":
        ratios = [a / b for a, b in zip(_numbers(one.expression), _numbers(other.expression), strict=True) if b]
        return bool(ratios) and all(_close(ratios[0], ratio) for ratio in ratios)
    if one.kind in ("text", "base"):
        return one.parts == other.parts
    if one.kind in ("set", "union"):
        left = list(other.parts)
        for part in one.parts:
            found = next((twin for twin in left if same(part, twin)), None)  # type: ignore[arg-type]
            if found is None:
                return False
            left.remove(found)
        return True
    return all(same(a, b) for a, b in zip(one.parts, other.parts, strict=True))  # type: ignore[arg-type]


def split(text: str, at: str = ",") -> list[str]:
    """The text cut at separators that stand outside of all brackets."""
    parts, depth, start = [], 0, 0
    for place, character in enumerate(text):
        depth += (character in "([{") - (character in ")]}")
        if depth == 0 and text.startswith(at, place):
            parts.append(text[start:place])
            start = place + len(at)
    return [*parts, text[start:]]


def _read(text: str) -> Value:
    if found := re.fullmatch(r"\\text\{\s*\(?([A-Za-z ]+)\)?\s*\}", text):
        return Value("text", (found[1].strip().lower(),))
    if found := re.fullmatch(r"\\begin\{pmatrix\}(.*)\\end\{pmatrix\}", text):
        rows = [[_read(cell) for cell in row.split("&")] for row in found[1].split(r"\\")]
        return Value("matrix", tuple(cell for row in rows for cell in row), f"{len(rows)}x{len(rows[0])}")
    if found := re.fullmatch(r"([0-9A-F]+)_\{?(\d+)\}?", text):
        return Value("base", (found[1],), found[2])
    text = text.removeprefix(r"x\in")
    if len(parts := split(text, r"\cup")) > 1:
        return Value("union", tuple(_read(part) for part in parts))
    if found := re.fullmatch(r"\\\{(.*)\\\}", text):
        return Value("set", tuple(value for part in split(found[1]) for value in _both(part)))
    if re.fullmatch(r"[(\[].*[)\]]", text) and len(split(text)) == 1 and len(parts := split(text[1:-1])) > 1:
        brackets = text[0] + text[-1]
        kind = "interval" if brackets != "()" or "infty" in text else "tuple"
        return Value(kind, tuple(_read(part) for part in parts), brackets)
    if len(parts := split(text)) > 1 or r"\pm" in text:
        return Value("set", tuple(value for part in parts for value in _both(part)))
    if re.fullmatch(r"[a-z]=[^a-zA-Z=]+", text):
        text = text[2:]
    if len(sides := text.split("=")) == 2:
        return Value("equation", (_expression(sides[0]) - _expression(sides[1]),))
    return Value("scalar", (_expression(text),))


def _both(text: str) -> list[Value]:
    if r"\pm" not in text:
        return [_read(text)]
    return [_read(text.replace(r"\pm", sign)) for sign in "+-"]


def _numbers(expression: sympy.Expr) -> list[complex]:
    symbols = sorted(expression.free_symbols, key=str)
    return [
        complex(sympy.N(expression.subs({s: point + ord(str(s)[0]) for s in symbols}), 30))
        if not expression.has(sympy.oo)
        else complex(float("inf") if expression == sympy.oo else float("-inf"))
        for point in POINTS
    ]


def _close(one: complex, other: complex) -> bool:
    return one == other or abs(one - other) <= 1e-11 * max(abs(one), abs(other))


def _expression(text: str) -> sympy.Expr:
    scanner = _Scanner(text)
    found = scanner.sum()
    if scanner.rest:
        raise Unreadable(text)
    return found


class _Scanner:
    """Recursive descent over a string: sum, product, power, atom."""

    def __init__(self, text: str) -> None:
        self.rest = text

    def take(self, pattern: str) -> re.Match[str] | None:
        found = re.match(pattern, self.rest)
        if found:
            self.rest = self.rest[found.end() :]
        return found

    def need(self, pattern: str) -> re.Match[str]:
        found = self.take(pattern)
        if found is None:
            raise Unreadable(self.rest)
        return found

    def sum(self) -> sympy.Expr:
        sign = self.take(r"[+-]")
        total = -self.product() if sign and sign[0] == "-" else self.product()
        while sign := self.take(r"[+-]"):
            total = total + self.product() if sign[0] == "+" else total - self.product()
        return total

    def product(self) -> sympy.Expr:
        mixed = re.match(r"\d+\\[dt]?frac", self.rest)
        total = self.power()
        if mixed and 0 < (part := self.power()) < 1:
            return total + part
        if mixed:
            total *= part
        while self.rest and self.rest[0] not in "+-)}]=,":
            sign = self.take(r"\\cdot(?![a-z])|\\times(?![a-z])|[*/]")
            total = total / self.power() if sign and sign[0] == "/" else total * self.power()
        return total

    def power(self) -> sympy.Expr:
        base = self.atom()
        return base ** self.argument() if self.take(r"\^") else base

    def argument(self) -> sympy.Expr:
        """What follows a power or a fraction: a group in braces, or a single digit, letter or command."""
        if self.take(r"\{"):
            inner = self.sum()
            self.need(r"\}")
            return inner
        if digit := self.take(r"\d"):
            return sympy.Integer(digit[0])
        return self.atom()

    def atom(self) -> sympy.Expr:
        if number := self.take(r"\d*\.?\d+"):
            exact = Fraction(number[0])
            return sympy.Rational(exact.numerator, exact.denominator)
        if self.take(r"\("):
            inner = self.sum()
            self.need(r"\)")
            return inner
        if self.take(r"\{"):
            inner = self.sum()
            self.need(r"\}")
            return inner
        if self.take(r"\\[dt]?frac(?![a-z])"):
            return self.argument() / self.argument()
        if found := self.take(r"\\sqrt(?:\[(\d+)\])?(?![a-z])"):
            return sympy.root(self.argument(), int(found[1] or 2))
        if found := self.take(r"\\([a-z]+)"):
            if found[1] in CONSTANTS:
                return CONSTANTS[found[1]]
            if found[1] in FUNCTIONS:
                return FUNCTIONS[found[1]](self.power())
            raise Unreadable(found[0])
        letter = self.need(r"[A-Za-z]")[0]
        return sympy.I if letter == "i" else sympy.Symbol(letter)
