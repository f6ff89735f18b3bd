"""What every operation is worth at a point: a table from its name to a rule, each with its limit."""

from collections.abc import Callable, Mapping
from fractions import Fraction
from math import comb, factorial, gcd, lcm
from typing import TYPE_CHECKING, Any

from tracegen.verifiers._math.nodes import Node, Num, Op, Sym, TooLarge, Undefined

if TYPE_CHECKING:
    from tracegen.verifiers._math.numeric import Point

FACTORIAL = 3_000
"""Up to here a factorial is exact."""
TERMS = 500
"""Terms of a sum that are added up."""

Value = Any
Rule = Callable[["Point", Op], Value]


def _add(point: "Point", node: Op) -> Value:
    left, right = (point.value(argument) for argument in node.args)
    if isinstance(left, Fraction) and isinstance(right, Fraction):
        return point.kept(left + right)
    return point.kept(point.inexact(left) + point.inexact(right))


def _mul(point: "Point", node: Op) -> Value:
    left, right = (point.value(argument) for argument in node.args)
    if isinstance(left, Fraction) and isinstance(right, Fraction):
        return point.kept(left * right)
    return point.kept(point.inexact(left) * point.inexact(right))


def _div(point: "Point", node: Op) -> Value:
    left, right = (point.value(argument) for argument in node.args[:2])
    if right == 0:
        raise Undefined
    if isinstance(left, Fraction) and isinstance(right, Fraction):
        return point.kept(left / right)
    return point.kept(point.inexact(left) / point.inexact(right))


def _ratio(point: "Point", node: Op) -> Value:
    if len(node.args) != 2:
        raise Undefined
    return _div(point, node)


def _root(point: "Point", node: Op) -> Value:
    degree = point.integer(point.value(node.args[1])) if len(node.args) > 1 else 2
    if not 1 <= degree <= 1000:
        raise Undefined
    return point.power(point.value(node.args[0]), Fraction(1, degree))


def _abs(point: "Point", node: Op) -> Value:
    return abs(point.value(node.args[0]))


def _factorial(point: "Point", node: Op) -> Value:
    value = point.value(node.args[0])
    if isinstance(value, Fraction) and value.denominator == 1:
        if value < 0:
            raise Undefined
        if value <= FACTORIAL:
            return point.kept(Fraction(factorial(int(value))))
    if abs(value) > 10**9:
        raise TooLarge
    return point.function("factorial", value)


def _binom(point: "Point", node: Op) -> Value:
    top, bottom = (point.value(argument) for argument in node.args)
    if all(isinstance(v, Fraction) and v.denominator == 1 and 0 <= v <= FACTORIAL for v in (top, bottom)):
        return point.kept(Fraction(comb(int(top), int(bottom))))
    if max(abs(top), abs(bottom)) > 10**6:
        raise TooLarge
    return point.kept(point.mp.binomial(point.inexact(top), point.inexact(bottom)))


def _whole(round_: str) -> Rule:
    def rule(point: "Point", node: Op) -> Value:
        value = point.real(point.value(node.args[0]))
        if isinstance(value, Fraction):
            return Fraction(value.__floor__() if round_ == "floor" else value.__ceil__())
        if abs(value) > 2**4000:
            raise TooLarge
        return Fraction(int(getattr(point.mp, round_)(value)))

    return rule


def _integers(of: Callable[..., int]) -> Rule:
    def rule(point: "Point", node: Op) -> Value:
        return Fraction(of(*(point.integer(point.value(argument)) for argument in node.args)))

    return rule


def _extreme(of: Callable[..., Any]) -> Rule:
    def rule(point: "Point", node: Op) -> Value:
        if not node.args:
            raise Undefined
        return of((point.real(point.value(argument)) for argument in node.args), key=point.inexact)

    return rule


def _mod(point: "Point", node: Op) -> Value:
    left, right = (point.value(argument) for argument in node.args)
    if not (isinstance(left, Fraction) and isinstance(right, Fraction)) or right == 0:
        raise Undefined
    return left % right


def _sum(point: "Point", node: Op) -> Value:
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


def _with(point: "Point", name: str, value: Value, body: Node) -> Value:
    before = dict(point.bound)
    point.bound[name] = value
    try:
        return point.value(body)
    finally:
        point.bound = before


def _opaque(point: "Point", node: Op) -> Value:
    head = node.args[0]
    name = head.name if isinstance(head, Sym | Op) else "number"
    return point.oracle(f"{node.name}:{name}", tuple(point.value(argument) for argument in node.args[1:]))


def _prime(point: "Point", node: Op) -> Value:
    return point.oracle("prime", (point.value(node.args[0]),))


def _trigonometric(name: str, inverse: str | None = None) -> Rule:
    def rule(point: "Point", node: Op) -> Value:
        value = point.value(node.args[0])
        if value == 0 and name in ("sin", "tan", "arcsin", "arctan", "sinh", "tanh"):
            return Fraction(0)
        return point.function(inverse or name, value)

    return rule


def _constant(name: str) -> Rule:
    return lambda point, _: +getattr(point.mp, name)


def _exp(point: "Point", node: Op) -> Value:
    return point.power(+point.mp.e, point.value(node.args[0]))


def _ln(point: "Point", node: Op) -> Value:
    value = point.value(node.args[0])
    if value == 0:
        raise Undefined
    if value == 1:
        return Fraction(0)
    return point.kept(point.mp.ln(point.inexact(value)))


def _imaginary(point: "Point", _: Op) -> Value:
    point.complex = True
    return point.mp.mpc(0, 1)


def _percent(point: "Point", node: Op) -> Value:
    return _div(point, Op("div", (node.args[0], Num(Fraction(100)))))


def _degree(point: "Point", node: Op) -> Value:
    return point.kept(point.inexact(point.value(node.args[0])) * point.mp.pi / 180)


def _part(name: str) -> Rule:
    def rule(point: "Point", node: Op) -> Value:
        point.complex = True
        value = point.value(node.args[0])
        if isinstance(value, Fraction):
            return value if name == "real" else Fraction(0)
        return getattr(point.mp.mpc(value), name)

    return rule


def _sign(point: "Point", node: Op) -> Value:
    value = point.real(point.value(node.args[0]))
    return Fraction((value > 0) - (value < 0))


RULES: Mapping[str, Rule] = {
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
    **{
        name: _trigonometric(name)
        for name in ("sin", "cos", "tan", "cot", "sec", "csc", "sinh", "cosh", "tanh", "coth")
    },
    **{f"arc{name}": _trigonometric(f"arc{name}", f"a{name}") for name in ("sin", "cos", "tan", "cot", "sec", "csc")},
    **{name: _trigonometric(name) for name in ("asinh", "acosh", "atanh")},
}
