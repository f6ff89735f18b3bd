"""What a tree is worth: exactly as a fraction where that is possible, else to forty digits, and never without limits.

Variables are given values: two expressions are equal if they agree at several points (Schwartz 1980, Zippel 1979). A
point that is outside the domain of the reals raises Undefined, and another one is tried. Functions that nobody knows
(`f(2)`, `a_{n-1}`) are oracles: a hash of their name and arguments.
"""

import hashlib
from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import cache
from math import comb, factorial, gcd, lcm
from typing import Any

import mpmath

from tracegen.verifiers._math.nodes import Node, Num, Op, Sym

DIGITS = 40
BITS = 20_000
"""Size up to which a fraction stays exact."""
EXPONENT = 2**40
"""Largest exponent: beyond it no answer is written as a power."""
FACTORIAL = 3_000
TERMS = 500
"""Terms of a sum that are added up."""
STEPS = 20_000
"""Operations of one evaluation."""

Value = Any
"""A Fraction, or a real or complex number of mpmath."""


class Undefined(Exception):
    """No value here: division by zero, a root of a negative number, infinity where a number is wanted."""


class TooLarge(Exception):
    """Beyond a limit of this module."""


@cache
def _context(digits: int) -> Any:
    context = mpmath.MPContext()
    context.dps = digits
    return context


class Point:
    """One assignment of values to names; `seed` 0, 1, 2 are positive, others of mixed sign."""

    def __init__(self, seed: int, digits: int = DIGITS, complex_: bool = False) -> None:
        self.seed, self.digits, self.complex = seed, digits, complex_
        self.mp = _context(digits)
        self.bound: dict[str, Value] = {}
        self.steps = 0

    def value(self, node: Node) -> Value:
        """The value of a tree; Undefined or TooLarge where it has none."""
        self.steps += 1
        if self.steps > STEPS:
            raise TooLarge
        if isinstance(node, Num):
            return node.value
        if isinstance(node, Sym):
            return self.bound[node.name] if node.name in self.bound else self.variable(node.name)
        rule = _RULES.get(node.name)
        if rule is None:
            raise Undefined
        return rule(self, node)

    def variable(self, name: str) -> Fraction:
        drawn = _drawn(f"{self.seed}/{name}")
        value = Fraction(300 + drawn % 2011, 997)
        return -value if self.seed > 2 and drawn % 3 else value

    def oracle(self, name: str, values: tuple[Value, ...]) -> Fraction:
        shown = ",".join(str(v) if isinstance(v, Fraction) else self.mp.nstr(v, 20) for v in values)
        return self.variable(f"{name}({shown})")

    # -- numbers ------------------------------------------------------------------------------------------------------

    def inexact(self, value: Value) -> Any:
        """As a number of mpmath."""
        if isinstance(value, Fraction):
            return self.mp.mpf(value.numerator) / value.denominator
        return value

    def kept(self, value: Value) -> Value:
        """Exact while it is small; refuses what is no finite number, and complex numbers among variables."""
        if isinstance(value, Fraction):
            if value.numerator.bit_length() + value.denominator.bit_length() > BITS:
                return self.inexact(value)
            return value
        if not self.mp.isfinite(value):
            raise Undefined
        if isinstance(value, self.mp.mpc):
            if value.imag == 0:
                return value.real
            if not self.complex:
                raise Undefined
        return value

    def real(self, value: Value) -> Value:
        if not isinstance(value, Fraction) and isinstance(value, self.mp.mpc):
            raise Undefined
        return value

    def integer(self, value: Value) -> int:
        if isinstance(value, Fraction):
            if value.denominator == 1:
                return int(value)
        elif isinstance(value, self.mp.mpf) and value == int(value) and abs(value) < 2**60:
            return int(value)
        raise Undefined

    def power(self, base: Value, exponent: Value) -> Value:
        if isinstance(exponent, Fraction) and exponent.denominator == 1:
            n = int(exponent)
            if abs(n) > EXPONENT:
                raise TooLarge
            if base == 0 and n <= 0:
                raise Undefined
            if isinstance(base, Fraction):
                size = max(base.numerator.bit_length(), base.denominator.bit_length())
                if size * abs(n) <= BITS:
                    return base**n
            return self.kept(self.inexact(base) ** n)
        if base == 0:
            return Fraction(0)
        if not isinstance(exponent, Fraction) and abs(exponent) > EXPONENT:
            raise TooLarge
        if isinstance(exponent, Fraction) and isinstance(base, Fraction):
            exact = _exact_root(base, exponent)
            if exact is not None:
                return exact
        negative = not (not isinstance(base, Fraction) and isinstance(base, self.mp.mpc)) and base < 0
        if negative and isinstance(exponent, Fraction) and exponent.denominator % 2:
            # The real root of an odd degree, which is what answers mean by it.
            root = self.power(-base, exponent)
            return -root if exponent.numerator % 2 else root
        return self.kept(self.mp.power(self.inexact(base), self.inexact(exponent)))

    def function(self, name: str, value: Value) -> Value:
        argument = self.inexact(value)
        if abs(argument) > 2**64:
            raise TooLarge
        try:
            return self.kept(getattr(self.mp, name)(argument))
        except (ZeroDivisionError, ValueError, OverflowError):
            raise Undefined from None


def _exact_root(base: Fraction, exponent: Fraction) -> Fraction | None:
    """`(4/9)^(3/2)` as 8/27, where the root is rational and everything is small."""
    degree = exponent.denominator
    if base < 0 or degree > 8 or abs(exponent.numerator) > 64 or base.numerator.bit_length() > 256:
        return None
    top, bottom = (round(number ** (1 / degree)) for number in (base.numerator, base.denominator))
    if top**degree == base.numerator and bottom**degree == base.denominator:
        return Fraction(top, bottom) ** exponent.numerator
    return None


def _drawn(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


# -- what every operation is worth ------------------------------------------------------------------------------------

Rule = Callable[[Point, Op], Value]


def _add(point: Point, node: Op) -> Value:
    left, right = (point.value(argument) for argument in node.args)
    if isinstance(left, Fraction) and isinstance(right, Fraction):
        return point.kept(left + right)
    return point.kept(point.inexact(left) + point.inexact(right))


def _mul(point: Point, node: Op) -> Value:
    left, right = (point.value(argument) for argument in node.args)
    if isinstance(left, Fraction) and isinstance(right, Fraction):
        return point.kept(left * right)
    return point.kept(point.inexact(left) * point.inexact(right))


def _div(point: Point, node: Op) -> Value:
    left, right = (point.value(argument) for argument in node.args[:2])
    if right == 0:
        raise Undefined
    if isinstance(left, Fraction) and isinstance(right, Fraction):
        return point.kept(left / right)
    return point.kept(point.inexact(left) / point.inexact(right))


def _ratio(point: Point, node: Op) -> Value:
    if len(node.args) != 2:
        raise Undefined
    return _div(point, node)


def _root(point: Point, node: Op) -> Value:
    degree = point.integer(point.value(node.args[1])) if len(node.args) > 1 else 2
    if not 1 <= degree <= 1000:
        raise Undefined
    return point.power(point.value(node.args[0]), Fraction(1, degree))


def _abs(point: Point, node: Op) -> Value:
    return abs(point.value(node.args[0]))


def _factorial(point: Point, node: Op) -> Value:
    value = point.value(node.args[0])
    if isinstance(value, Fraction) and value.denominator == 1:
        if value < 0:
            raise Undefined
        if value <= FACTORIAL:
            return point.kept(Fraction(factorial(int(value))))
    if abs(value) > 10**9:
        raise TooLarge
    return point.function("factorial", value)


def _binom(point: Point, node: Op) -> Value:
    top, bottom = (point.value(argument) for argument in node.args)
    if all(isinstance(v, Fraction) and v.denominator == 1 and 0 <= v <= FACTORIAL for v in (top, bottom)):
        return point.kept(Fraction(comb(int(top), int(bottom))))
    if max(abs(top), abs(bottom)) > 10**6:
        raise TooLarge
    return point.kept(point.mp.binomial(point.inexact(top), point.inexact(bottom)))


def _whole(round_: str) -> Rule:
    def rule(point: Point, node: Op) -> Value:
        value = point.real(point.value(node.args[0]))
        if isinstance(value, Fraction):
            return Fraction(value.__floor__() if round_ == "floor" else value.__ceil__())
        if abs(value) > 2**4000:
            raise TooLarge
        return Fraction(int(getattr(point.mp, round_)(value)))

    return rule


def _integers(of: Callable[..., int]) -> Rule:
    def rule(point: Point, node: Op) -> Value:
        return Fraction(of(*(point.integer(point.value(argument)) for argument in node.args)))

    return rule


def _extreme(of: Callable[..., Any]) -> Rule:
    def rule(point: Point, node: Op) -> Value:
        if not node.args:
            raise Undefined
        return of((point.real(point.value(argument)) for argument in node.args), key=point.inexact)

    return rule


def _mod(point: Point, node: Op) -> Value:
    left, right = (point.value(argument) for argument in node.args)
    if not (isinstance(left, Fraction) and isinstance(right, Fraction)) or right == 0:
        raise Undefined
    return left % right


def _sum(point: Point, node: Op) -> Value:
    start, end = (point.value(argument) for argument in node.args[:2])
    body, kind = node.args[2], node.name
    if all(isinstance(v, Fraction) and v.denominator == 1 for v in (start, end)) and not point.bound:
        if end - start >= TERMS:
            raise TooLarge
        total: Value = Fraction(0 if kind == "sum" else 1)
        for k in range(int(start), int(end) + 1):
            term = _with(point, node.data, Fraction(k), body)
            if isinstance(total, Fraction) and isinstance(term, Fraction):
                total = total + term if kind == "sum" else total * term
            else:
                left, right = point.inexact(total), point.inexact(term)
                total = left + right if kind == "sum" else left * right
        return point.kept(total)
    terms = tuple(_with(point, node.data, Fraction(k, 7), body) for k in (17, 29))
    return point.oracle(kind, (start, end, *terms))


def _with(point: Point, name: str, value: Value, body: Node) -> Value:
    before = dict(point.bound)
    point.bound[name] = value
    try:
        return point.value(body)
    finally:
        point.bound = before


def _opaque(point: Point, node: Op) -> Value:
    head = node.args[0]
    name = head.name if isinstance(head, Sym | Op) else "number"
    return point.oracle(f"{node.name}:{name}", tuple(point.value(argument) for argument in node.args[1:]))


def _prime(point: Point, node: Op) -> Value:
    return point.oracle("prime", (point.value(node.args[0]),))


def _trigonometric(name: str, inverse: str | None = None) -> Rule:
    def rule(point: Point, node: Op) -> Value:
        value = point.value(node.args[0])
        if value == 0 and name in ("sin", "tan", "arcsin", "arctan", "sinh", "tanh"):
            return Fraction(0)
        return point.function(inverse or name, value)

    return rule


def _constant(name: str) -> Rule:
    return lambda point, _: +getattr(point.mp, name)


def _exp(point: Point, node: Op) -> Value:
    return point.power(+point.mp.e, point.value(node.args[0]))


def _ln(point: Point, node: Op) -> Value:
    value = point.value(node.args[0])
    if value == 0:
        raise Undefined
    if value == 1:
        return Fraction(0)
    return point.kept(point.mp.ln(point.inexact(value)))


def _imaginary(point: Point, _: Op) -> Value:
    point.complex = True
    return point.mp.mpc(0, 1)


def _percent(point: Point, node: Op) -> Value:
    return _div(point, Op("div", (node.args[0], Num(Fraction(100)))))


def _degree(point: Point, node: Op) -> Value:
    return point.kept(point.inexact(point.value(node.args[0])) * point.mp.pi / 180)


def _part(name: str) -> Rule:
    def rule(point: Point, node: Op) -> Value:
        point.complex = True
        value = point.value(node.args[0])
        if isinstance(value, Fraction):
            return value if name == "real" else Fraction(0)
        return getattr(point.mp.mpc(value), name)

    return rule


def _sign(point: Point, node: Op) -> Value:
    value = point.real(point.value(node.args[0]))
    return Fraction((value > 0) - (value < 0))


_RULES: Mapping[str, Rule] = {
    "add": _add,
    "mul": _mul,
    "div": _div,
    "ratio": _ratio,
    "neg": lambda point, node: -point.value(node.args[0]),
    "pow": lambda point, node: point.power(point.value(node.args[0]), point.value(node.args[1])),
    "sqrt": _root,
    "root": _root,
    "abs": _abs,
    "bracket": lambda point, node: point.value(node.args[0]),
    "factorial": _factorial,
    "binom": _binom,
    "floor": _whole("floor"),
    "ceil": _whole("ceil"),
    "gcd": _integers(gcd),
    "lcm": _integers(lcm),
    "max": _extreme(max),
    "min": _extreme(min),
    "mod": _mod,
    "sign": _sign,
    "sum": _sum,
    "prod": _sum,
    "index": _opaque,
    "apply": _opaque,
    "prime": _prime,
    "pi": _constant("pi"),
    "e": _constant("e"),
    "i": _imaginary,
    "exp": _exp,
    "ln": _ln,
    "percent": _percent,
    "degree": _degree,
    "re": _part("real"),
    "im": _part("imag"),
    **{name: _trigonometric(name) for name in ("sin", "cos", "tan", "cot", "sec", "csc", "sinh", "cosh", "tanh", "coth")},
    **{f"arc{name}": _trigonometric(f"arc{name}", f"a{name}") for name in ("sin", "cos", "tan", "cot", "sec", "csc")},
    **{name: _trigonometric(name) for name in ("asinh", "acosh", "atanh")},
}
