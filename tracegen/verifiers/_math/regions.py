"""Sets of real numbers: intervals, unions, differences, inequalities in one variable, as sorted disjoint intervals."""

from collections.abc import Sequence
from fractions import Fraction
from math import inf
from typing import Any, NamedTuple

from tracegen.verifiers._math.names import FLIPPED, ORDER
from tracegen.verifiers._math.nodes import Node, Op, Sym, TooLarge, Undefined, has, symbols
from tracegen.verifiers._math.numeric import Point


class Interval(NamedTuple):
    low: Any
    high: Any
    """A Fraction, a number of mpmath, or a float that is infinite."""
    closed: tuple[bool, bool]


Region = list[Interval]
REALS: Region = [Interval(-inf, inf, (False, False))]


def variable(node: Node) -> Node | None:
    """What an inequality bounds; None for an interval, which bounds nothing by name."""
    if isinstance(node, Op):
        if node.name == "chain":
            return _bounded(node)
        if node.name in ("list", "union", "cap"):
            found = {name for argument in node.args if (name := variable(argument)) is not None}
            return found.pop() if len(found) == 1 else None
    return None


def region(node: Node, point: Point) -> Region | None:
    """The set that a tree stands for at a point; None if it is none, or none of the reals that can be told."""
    try:
        return _region(node, point)
    except (Undefined, TooLarge, ZeroDivisionError, OverflowError, TypeError):
        return None


def _region(node: Node, point: Point) -> Region | None:
    if not isinstance(node, Op):
        return None
    if node.name == "interval":
        return _interval(node.args, (node.data[0] == "[", node.data[-1] == "]"), point)
    if node.name == "tuple" and len(node.args) == 2:
        return _interval(node.args, (False, False), point)
    if node.name == "reals":
        return REALS
    if node.name == "set":
        return _merged([Interval(v, v, (True, True)) for v in (_number(item, point) for item in node.args)])
    if node.name == "bracket":
        return _region(node.args[0], point)
    if node.name == "chain":
        if node.data == ("in",):
            return _region(node.args[1], point)
        return _inequality(node, point)
    if node.name in ("union", "cap", "setminus"):
        left, right = (_region(argument, point) for argument in node.args)
        if left is None or right is None:
            return None
        if node.name == "union":
            return _merged([*left, *right])
        return _common(left, right if node.name == "cap" else _complement(right))
    if node.name == "list":
        parts = [_region(argument, point) for argument in node.args]
        if any(part is None for part in parts):
            return None
        if node.data == "and" or all(isinstance(a, Op) and a.name == "chain" and a.data == ("!=",) for a in node.args):
            common = REALS
            for part in parts:
                common = _common(common, part or [])
            if common:
                return common
        return _merged([interval for part in parts for interval in part or []])
    return None


def _interval(ends: Sequence[Node], closed: tuple[bool, bool], point: Point) -> Region | None:
    low, high = (_number(end, point) for end in ends)
    closed = (closed[0] and low != -inf, closed[1] and high != inf)
    left, right = _comparable(low), _comparable(high)
    return [Interval(low, high, closed)] if left < right or (left == right and closed == (True, True)) else None


def _number(node: Node, point: Point) -> Any:
    if has(node, "inf"):
        negative = isinstance(node, Op) and node.name == "neg"
        inner = node.args[0] if negative else node  # type: ignore[union-attr]
        if inner == Op("inf"):
            return -inf if negative else inf
        raise Undefined
    return point.real(point.value(node))


def _bounded(node: Op) -> Node | None:
    """The one operand of a chain that the others bound."""
    open_ = [operand for operand in node.args if symbols(operand) or has(operand, "apply", "index")]
    if len(open_) != 1:
        open_ = [operand for operand in open_ if isinstance(operand, Sym)]
    if len(open_) != 1:
        return None
    operand = open_[0]
    names = symbols(operand)
    return Sym(names.pop()) if len(names) == 1 and not has(operand, "apply", "index") else operand


def _inequality(node: Op, point: Point) -> Region | None:
    name = _bounded(node)
    if name is None:
        return None
    result = REALS
    for at, sign in enumerate(node.data):
        left, right = node.args[at], node.args[at + 1]
        if sign not in (*ORDER, "!="):
            return None
        part = _half(left, sign, right, name, point)
        if part is None:
            return None
        result = _common(result, part)
    return result


def _half(left: Node, sign: str, right: Node, name: Node, point: Point) -> Region | None:
    """The solutions of `left sign right`, which must be linear in `name`."""
    if isinstance(name, Sym):
        for side, other, direction in ((left, right, sign), (right, left, FLIPPED[sign])):
            if side == Op("abs", (name,)) and not symbols(other):
                bound = _number(other, point)
                inner = [Interval(-bound, bound, (direction == "<=", direction == "<="))] if bound > 0 else None
                if inner is None or direction == "!=":
                    return None
                if direction in ("<", "<="):
                    return inner
                return _complement([Interval(-bound, bound, (direction == ">", direction == ">"))])
        values = []
        for at in (0, 1, 2):
            point.bound[name.name] = Fraction(at)
            try:
                difference = [_number(side, point) for side in (left, right)]
            finally:
                del point.bound[name.name]
            if any(isinstance(value, float) for value in difference):
                bound = difference[1] if left == name else difference[0]
                return REALS if isinstance(bound, float) else None
            values.append(_minus(difference[0], difference[1], point))
        slope = _minus(values[1], values[0], point)
        again = _minus(values[2], values[1], point)
        if slope == 0 or abs(point.inexact(_minus(again, slope, point))) > abs(point.inexact(slope)) * 1e-20:
            return None
        root = (
            -values[0] / slope
            if isinstance(values[0], Fraction) and isinstance(slope, Fraction)
            else (-point.inexact(values[0]) / point.inexact(slope))
        )
        if slope < 0 and sign != "!=":
            sign = FLIPPED[sign]
    elif left == name:
        root = _number(right, point)
    elif right == name:
        root, sign = _number(left, point), FLIPPED[sign]
    else:
        return None
    if isinstance(root, float):
        return REALS
    if sign == "!=":
        return [Interval(-inf, root, (False, False)), Interval(root, inf, (False, False))]
    closed = sign in ("<=", ">=")
    return [Interval(-inf, root, (False, closed))] if sign in ("<", "<=") else [Interval(root, inf, (closed, False))]


def _minus(left: Any, right: Any, point: Point) -> Any:
    if isinstance(left, Fraction) and isinstance(right, Fraction):
        return left - right
    return point.inexact(left) - point.inexact(right)


def _comparable(value: Any) -> Any:
    return Point(0).inexact(value)


def _merged(parts: Sequence[Interval]) -> Region:
    found: Region = []
    for part in sorted(parts, key=lambda interval: (_comparable(interval.low), not interval.closed[0])):
        if found:
            last = found[-1]
            low, high = _comparable(part.low), _comparable(last.high)
            if low < high or (low == high and (part.closed[0] or last.closed[1])):
                end = _comparable(part.high)
                if end > high or (end == high and part.closed[1]):
                    found[-1] = Interval(last.low, part.high, (last.closed[0], part.closed[1]))
                continue
        found.append(part)
    return found


def _complement(parts: Sequence[Interval]) -> Region:
    found: Region = []
    low, closed = -inf, False
    for part in _merged(parts):
        if _comparable(low) < _comparable(part.low) or (low == part.low and closed and not part.closed[0]):
            found.append(Interval(low, part.low, (closed, not part.closed[0] and part.low != -inf)))
        low, closed = part.high, not part.closed[1]
    if low != inf:
        found.append(Interval(low, inf, (closed, False)))
    return found


def _common(left: Sequence[Interval], right: Sequence[Interval]) -> Region:
    return _complement([*_complement(left), *_complement(right)])
