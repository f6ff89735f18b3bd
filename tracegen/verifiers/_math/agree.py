"""Are two trees one number, or one expression? Computed at points, to forty digits, exactly where both are rational.

An exact gold wants an exact value; a decimal of ten significant digits or more stands for the exact value that rounds
to it, and nothing shorter does. In a gold with variables, coefficients of five digits or more are rounded ones.
"""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from tracegen.verifiers._math.nodes import Node, TooLarge, Undefined, decimals, has, symbols
from tracegen.verifiers._math.numeric import Point

AGREES = Fraction(1, 10**22)
"""Relative difference of two numbers of forty digits that are the same number."""
TEN_DIGITS = Fraction(1, 2 * 10**9)
ROUNDED_DIGITS = 5
FIRST, MIXED = (1, 2, 0, 11, 12), (3, 4, 5)
"""Seeds of the points: variables are positive at 0, 1 and 2, and of either sign at the others."""
ENOUGH = 3
"""Points that tell; a wrong expression agrees at one of them by chance about once in 10^11."""


def same_number(gold: Node, answer: Node, tolerance: float) -> bool | None:
    """Whether both are worth the same at every point where both are defined; None where the gold is defined at none.

    What is too large to compute equals only what is written the same.
    """
    variables = bool(symbols(gold) | symbols(answer)) or has(gold, "index", "apply", "prime", "sum", "prod")
    complex_ = has(gold, "i") or has(answer, "i")
    allowed = _allowed(gold, answer, variables, Fraction(tolerance))
    agreed = 0
    for seed in FIRST if variables else FIRST[:1]:
        left, right = _value(gold, seed, complex_), _value(answer, seed, complex_)
        if right is TooLarge or left is TooLarge:
            return False
        if left is None and right is None:
            continue
        if left is None or right is None:
            return None if left is None and not variables else False
        if not _agree(gold, answer, left, right, allowed, seed, complex_):
            return False
        agreed += 1
        if agreed == ENOUGH:
            break
    if not agreed:
        return None
    # |x| is not x: points of either sign count as well, where both sides are real there.
    for seed in MIXED if variables else ():
        left, right = _value(gold, seed, complex_), _value(answer, seed, complex_)
        told = not any(value is None or value is TooLarge for value in (left, right))
        if told and not _agree(gold, answer, left, right, allowed, seed, complex_):
            return False
    return True


def close(left: Any, right: Any, allowed: Fraction = AGREES) -> bool:
    """Whether two numbers differ by no more than this share of the larger one."""
    if isinstance(left, Fraction) and isinstance(right, Fraction):
        return left == right or (allowed > AGREES and abs(left - right) <= allowed * max(abs(left), abs(right)))
    point = Point(0)
    left, right = point.inexact(left), point.inexact(right)
    return bool(abs(left - right) <= max(abs(left), abs(right)) * point.inexact(allowed))


def at_points(seeds: tuple[int, ...], of: Callable[[Point], Any]) -> list[Any]:
    """`of` at these points, where it is defined."""
    found = []
    for seed in seeds:
        try:
            found.append(of(Point(seed)))
        except (Undefined, TooLarge, ZeroDivisionError, OverflowError):
            continue
    return found


def _value(node: Node, seed: int, complex_: bool) -> Any:
    """A number, None where it is undefined, or TooLarge."""
    try:
        return Point(seed, complex_=complex_).value(node)
    except TooLarge:
        return TooLarge
    except (Undefined, ZeroDivisionError, OverflowError):
        return None


def _agree(gold: Node, answer: Node, left: Any, right: Any, allowed: Fraction, seed: int, complex_: bool) -> bool:
    if close(left, right, allowed):
        return True
    exact = isinstance(left, Fraction) and isinstance(right, Fraction)
    if exact or (abs(left) > 1e-25 and abs(right) > 1e-25):
        return False
    # Zero, or a very small number? More digits tell: what was rounding error shrinks.
    finer = [Point(seed, digits=100, complex_=complex_).value(side) for side in (gold, answer)]
    if close(finer[0], finer[1], allowed):
        return True
    return all(
        value == 0 or abs(value) < abs(before) * 1e-30 for value, before in zip(finer, (left, right), strict=True)
    )


def _allowed(gold: Node, answer: Node, variables: bool, asked: Fraction) -> Fraction:
    """The relative difference that is none, by how both sides are written."""
    written, given = decimals(gold), decimals(answer)
    if variables and not given and any(number.digits >= ROUNDED_DIGITS for number in written):
        # Half a unit in the last place of the coarsest coefficient, and a little for their sum.
        return max(asked, *(Fraction(6, 10 ** (number.places + 1)) / abs(number.value) for number in written))
    if (written or given) and all(number.digits >= 10 for number in (*written, *given)):
        return max(asked, TEN_DIGITS)
    return max(asked, AGREES)
