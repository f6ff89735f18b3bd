"""What a tree is worth: exactly as a fraction where that is possible, else to forty digits, and never without limits.

Variables are given values: two expressions are equal if they agree at several points (Schwartz 1980, Zippel 1979). A
point that is outside the domain of the reals raises Undefined, and another one is tried. Functions that nobody knows
(`f(2)`, `a_{n-1}`) are oracles: a hash of their name and arguments.
"""

import hashlib
from fractions import Fraction
from functools import cache
from typing import Any

import mpmath

from tracegen.verifiers._math.nodes import Node, Num, Sym, TooLarge, Undefined
from tracegen.verifiers._math.operations import RULES

DIGITS = 40
BITS = 20_000
"""Size up to which a fraction stays exact."""
EXPONENT = 2**40
"""Largest exponent: beyond it no answer is written as a power."""
STEPS = 20_000
"""Operations of one evaluation."""

Value = Any
"""A Fraction, or a real or complex number of mpmath."""


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
        rule = RULES.get(node.name)
        if rule is None:
            raise Undefined
        try:
            return rule(self, node)
        except (TypeError, ValueError) as error:  # too many or too few arguments, or of a kind that it does not take
            raise Undefined from error

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
