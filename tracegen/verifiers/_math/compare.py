"""Are two answers the same typed value, under which conventions?

`equal(gold, answer, conventions)` is not symmetric: the gold decides what is asked for (a list, a decimal, a unit).
Values are compared, not forms: numbers exactly where both are rational, else to 22 digits; expressions at several
points; lists without order, tuples and matrices with it; intervals, unions and inequalities as sets of reals.
None means that this module cannot tell.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

from tracegen.verifiers._math import regions
from tracegen.verifiers._math.names import FLIPPED, ORDER
from tracegen.verifiers._math.nodes import Node, Num, Op, Sym, decimals, has, symbols, walk
from tracegen.verifiers._math.numeric import Point, TooLarge, Undefined
from tracegen.verifiers._math.read import read
from tracegen.verifiers._math.units import unit

AGREES = Fraction(1, 10**22)
"""Relative difference of two numbers of forty digits that are the same number."""
TEN_DIGITS = Fraction(1, 2 * 10**9)
"""A decimal of ten significant digits or more stands for an exact value that rounds to it."""
ROUNDED_DIGITS, ROUNDED = 5, Fraction(1, 10**5)
"""In an expression with variables, coefficients of so many digits are rounded ones."""
POSITIVE, MIXED = (1, 2, 0, 11, 12), (3, 4, 5)
LARGEST_LIST = 100


@dataclass(frozen=True, slots=True)
class Conventions:
    """What counts as the same answer, where people differ."""

    tolerance: float = 0.0
    """Relative difference up to which numbers are equal."""
    percent: Literal["both", "ignore", "value"] = "both"
    """`both`: 28 % is neither 28 nor 0.28; `ignore`: the sign is passed over; `value`: 28 % is 0.28."""
    units: Literal["lenient", "strict", "ignore"] = "lenient"
    """`lenient`: a unit may be missing or added, not contradict; `strict`: it must be there."""
    form: Literal["value", "simplified"] = "value"
    """`simplified`: a value in another form than the gold's is wrong, the order of sums and products aside."""
    order: bool = False
    """Whether lists without brackets and sets are ordered."""
    case: bool = False
    """Whether words differ by letter case."""


DEFAULT = Conventions()


def equal(gold: str, answer: str, conventions: Conventions = DEFAULT) -> bool | None:
    """Whether `answer` is the gold answer; None where one of them cannot be read."""
    golds, answers = read(gold), read(answer)
    if not golds or not answers:
        return None
    found: bool | None = False
    for left in golds:
        for right in answers:
            if has(left, "i") != has(right, "i"):
                left, right = _imaginary(left), _imaginary(right)
            if _shape(left) != _shape(right) and conventions.form == "simplified":
                continue
            same = _Comparison(conventions).same(left, right)
            if same:
                return True
            if same is None:
                found = None
    return found


class _Comparison:
    def __init__(self, conventions: Conventions) -> None:
        self.conventions = conventions

    # -- kinds --------------------------------------------------------------------------------------------------------

    def same(self, gold: Node, answer: Node) -> bool | None:
        """Whether two trees are one value."""
        if gold == answer:
            return True
        for left in _approximated(gold):
            for right in _approximated(answer):
                if (left, right) != (gold, answer):
                    if self.same(left, right):
                        return True
        if len(_approximated(gold)) + len(_approximated(answer)) > 2:
            return False
        gold_name, left = _assigned(gold)
        answer_name, right = _assigned(answer)
        if gold_name is not None and answer_name is not None and not _same_name(gold_name, answer_name):
            return self.same_relation(gold, answer)
        if gold_name is None and answer_name is None and not isinstance(left, Op | Sym) and _summed(answer):
            return self.same(left, answer.args[-1])  # type: ignore[union-attr]
        if gold_name is not None or answer_name is not None:
            if self.same(left, right):
                return True
            return self.same_relation(gold, answer)
        return self.same_value(_spread(gold), _spread(answer))

    def same_value(self, gold: Node, answer: Node) -> bool | None:
        names = {_kind(gold), _kind(answer)}
        if names & {"text", "date", "time"}:
            return self.same_text(gold, answer)
        if "region" in names:
            return self.same_region(gold, answer)
        if "matrix" in names:
            return self.same_matrix(gold, answer)
        if names & {"list", "set", "tuple"}:
            return self.same_items(gold, answer)
        if "relation" in names:
            return self.same_relation(gold, answer)
        if "base" in names:
            return _kind(gold) == _kind(answer) and gold.data == answer.data  # type: ignore[union-attr]
        gold, gold_unit = _without_unit(gold)
        answer, answer_unit = _without_unit(answer)
        if gold_unit or answer_unit:
            return self.same_quantity(gold, gold_unit, answer, answer_unit)
        if _kind(gold) == "percent" or _kind(answer) == "percent":
            return self.same_percent(gold, answer)
        if _kind(gold) == "ratio" and _kind(answer) == "ratio" and len(gold.args) > 2:  # type: ignore[union-attr]
            return self.same_ratio(gold, answer)
        return self.same_number(gold, answer)

    def same_text(self, gold: Node, answer: Node) -> bool | None:
        if _kind(gold) != _kind(answer):
            return False
        left, right = gold.data, answer.data  # type: ignore[union-attr]
        return bool(left == right)

    # -- several ------------------------------------------------------------------------------------------------------

    def same_items(self, gold: Node, answer: Node) -> bool | None:
        """Lists and sets without order, tuples with it; names before the items stand or fall."""
        kinds = _kind(gold), _kind(answer)
        if kinds[0] == "set" and len(_items(gold)) == 1 and kinds[1] not in ("set", "list", "tuple"):
            return self.same(_items(gold)[0], answer)
        if kinds[1] == "set" and len(_items(answer)) == 1 and kinds[0] not in ("set", "list", "tuple"):
            return self.same(gold, _items(answer)[0])
        if not {*kinds} <= {"list", "set", "tuple"}:
            return False
        left, right = _items(gold), _items(answer)
        if len(left) > LARGEST_LIST or len(right) > LARGEST_LIST:
            return None
        if {*kinds} == {"set", "tuple"}:
            return False
        ordered = "tuple" in kinds or self.conventions.order or _named(left) != _named(right)
        if ordered:
            return len(left) == len(right) and all(self.same(a, b) for a, b in zip(left, right, strict=True))
        return self.same_unordered(left, right)

    def same_unordered(self, gold: Sequence[Node], answer: Sequence[Node]) -> bool:
        left, right = self.distinct(gold), self.distinct(answer)
        if len(left) != len(right):
            return False
        for item in left:
            found = next((at for at, other in enumerate(right) if self.same(item, other)), None)
            if found is None:
                return False
            del right[found]
        return True

    def distinct(self, items: Sequence[Node]) -> list[Node]:
        found: list[Node] = []
        for item in items:
            if not any(item == other or self.same(item, other) for other in found):
                found.append(item)
        return found

    def same_matrix(self, gold: Node, answer: Node) -> bool | None:
        left, right = _rows(gold), _rows(answer)
        if left is None or right is None:
            return None if has(gold, "matrix") and has(answer, "matrix") else False
        if "matrix" not in (_kind(gold), _kind(answer)) or _kind(gold) != _kind(answer):
            # A column or a row written as a tuple.
            left, right = [[x for row in side for x in row] if 1 in (len(side), len(side[0])) else side for side in (left, right)]  # type: ignore[assignment, misc]
            if left and right and not (isinstance(left[0], list) or isinstance(right[0], list)):
                left, right = [left], [right]  # type: ignore[assignment, list-item]
        if [len(row) for row in left] != [len(row) for row in right]:
            return False
        pairs = [pair for a, b in zip(left, right, strict=True) for pair in zip(a, b, strict=True)]
        return all(self.same(a, b) for a, b in pairs)

    def same_ratio(self, gold: Node, answer: Node) -> bool | None:
        left, right = gold.args, answer.args  # type: ignore[union-attr]
        if len(left) != len(right):
            return False
        return all(
            self.same_number(Op("div", (left[0], a)), Op("div", (right[0], b)))
            for a, b in zip(left[1:], right[1:], strict=True)
        )

    # -- sets of reals, equations, inequalities -----------------------------------------------------------------------

    def same_region(self, gold: Node, answer: Node) -> bool | None:
        variables = regions.variable(gold), regions.variable(answer)
        if None not in variables and variables[0] != variables[1]:
            return self.same_relation(gold, answer)
        for seed in (1, 2):
            point = Point(seed)
            left, right = regions.region(gold, point), regions.region(answer, point)
            if left is None or right is None:
                kinds = {_kind(gold), _kind(answer)}
                if kinds & {"tuple", "list", "set"} and left is None and right is None:
                    return self.same_items(gold, answer)
                return self.same_relation(gold, answer)
            if len(left) != len(right):
                return False
            for a, b in zip(left, right, strict=True):
                if a.closed != b.closed or not (self.near(a.low, b.low) and self.near(a.high, b.high)):
                    return False
        return True

    def near(self, left: Any, right: Any) -> bool:
        if isinstance(left, float) or isinstance(right, float):  # infinity
            return bool(left == right)
        return _close(left, right, max(AGREES, Fraction(self.conventions.tolerance)))

    def same_relation(self, gold: Node, answer: Node) -> bool | None:
        """Equations and inequalities: side minus side, up to a constant factor."""
        left, right = _relations(gold), _relations(answer)
        if left is None or right is None or len(left) != len(right):
            return False
        return all(any(self.proportional(a, b) for b in right) for a in left)

    def proportional(self, gold: "tuple[str, Node]", answer: "tuple[str, Node]") -> bool:
        if gold[0] != answer[0]:
            return False
        factors = []
        for seed in (*POSITIVE, *MIXED):
            try:
                left, right = (Point(seed).value(side) for side in (gold[1], answer[1]))
            except (Undefined, TooLarge, ZeroDivisionError, OverflowError):
                continue
            if left == 0 or right == 0:
                if left != right:
                    return False
                continue
            point = Point(seed)
            factors.append(point.inexact(left) / point.inexact(right))
        if len(factors) < 2 or any(not _close(factors[0], factor, AGREES) for factor in factors):
            return False
        return gold[0] in ("=", "!=") or factors[0] > 0

    # -- numbers ------------------------------------------------------------------------------------------------------

    def same_quantity(self, gold: Node, gold_unit: str, answer: Node, answer_unit: str) -> bool | None:
        rule = self.conventions.units
        if rule == "ignore":
            return self.same_value(gold, answer)
        left, right = unit(gold_unit), unit(answer_unit)
        if rule == "strict" and (bool(gold_unit) != bool(answer_unit) or not (left.known and right.known)):
            return gold_unit.split() == answer_unit.split() and bool(self.same_value(gold, answer))
        if left.known and right.known:
            if left.dimension != right.dimension:
                return False
            return self.same_value(_times(left.factor, gold), _times(right.factor, answer))
        if self.same_value(gold, answer):
            return True
        if "degree" in gold_unit + answer_unit and (not gold_unit or not answer_unit):
            return self.same_number(Op("degree", (gold,)), answer) or self.same_number(gold, Op("degree", (answer,)))
        return False

    def same_percent(self, gold: Node, answer: Node) -> bool | None:
        bare = [node.args[0] if isinstance(node, Op) and node.name == "percent" else node for node in (gold, answer)]
        if _kind(gold) == _kind(answer) or self.conventions.percent == "ignore":
            return self.same_value(*bare)
        return self.same_number(gold, answer) if self.conventions.percent == "value" else False

    def same_number(self, gold: Node, answer: Node) -> bool | None:
        """Numbers and expressions, at points until two of them have told."""
        variables = symbols(gold) | symbols(answer) or has(gold, "index", "apply", "prime", "sum", "prod")
        complex_ = has(gold, "i") or has(answer, "i")
        tolerance = self.allowed(gold, answer, bool(variables))
        agreed = 0
        for seed in POSITIVE if variables else POSITIVE[:1]:
            try:
                left = Point(seed, complex_=complex_).value(gold)
            except (Undefined, ZeroDivisionError, OverflowError):
                left = None
            except TooLarge:
                return None if gold != answer else True
            try:
                right = Point(seed, complex_=complex_).value(answer)
            except (Undefined, ZeroDivisionError, OverflowError):
                right = None
            except TooLarge:
                return False
            if left is None and right is None:
                continue
            if left is None or right is None:
                return None if left is None and not variables else False
            if not self.agree(gold, answer, left, right, tolerance, seed, complex_):
                return False
            agreed += 1
            if agreed == 3:
                break
        if not agreed:
            return None
        return not variables or self.agree_everywhere(gold, answer, tolerance)

    def agree_everywhere(self, gold: Node, answer: Node, tolerance: Fraction) -> bool:
        """At points of mixed sign too, where both sides are defined among the reals."""
        for seed in MIXED:
            complex_ = has(gold, "i") or has(answer, "i")
            try:
                left, right = (Point(seed, complex_=complex_).value(side) for side in (gold, answer))
            except (Undefined, TooLarge, ZeroDivisionError, OverflowError):
                continue
            if not self.agree(gold, answer, left, right, tolerance, seed, complex_):
                return False
        return True

    def agree(
        self, gold: Node, answer: Node, left: Any, right: Any, tolerance: Fraction, seed: int, complex_: bool
    ) -> bool:
        if _close(left, right, tolerance):
            return True
        if isinstance(left, Fraction) and isinstance(right, Fraction):
            return False
        if abs(left) > 1e-25 and abs(right) > 1e-25:
            return False
        # Zero, or a very small number? Twice the digits tell: what was rounding error shrinks.
        finer = [Point(seed, 100, complex_=complex_).value(side) for side in (gold, answer)]
        if _close(*finer, tolerance):
            return True
        return all(value == 0 or abs(value) < abs(before) * 1e-30 for value, before in zip(finer, (left, right), strict=True))

    def allowed(self, gold: Node, answer: Node, variables: bool) -> Fraction:
        """The relative difference that is none, by how both sides are written."""
        asked = Fraction(self.conventions.tolerance)
        written, given = decimals(gold), decimals(answer)
        if variables and any(number.digits >= ROUNDED_DIGITS for number in written):
            return max(asked, ROUNDED)
        if (written or given) and all(number.digits >= 10 for number in (*written, *given)):
            return max(asked, TEN_DIGITS)
        return max(asked, AGREES)


# -- trees ------------------------------------------------------------------------------------------------------------


def _imaginary(node: Node) -> Node:
    """sympy's `I` as the imaginary unit."""
    if node == Sym("I"):
        return Op("i")
    return Op(node.name, tuple(map(_imaginary, node.args)), node.data) if isinstance(node, Op) else node


def _kind(node: Node) -> str:
    if not isinstance(node, Op):
        return "number"
    if node.name in ("interval", "union", "cap", "setminus", "reals", "integers", "naturals", "rationals", "complexes"):
        return "region"
    if node.name == "chain":
        return "region" if all(r in (*ORDER, "!=") for r in node.data) else "relation"
    if node.name == "list" and all(_kind(item) == "region" and _item_region(item) for item in node.args):
        return "region"
    if node.name in ("list", "set", "tuple", "matrix", "base", "text", "date", "time", "percent", "ratio"):
        return node.name
    if has(node, "matrix"):
        return "matrix"
    return "number"


def _item_region(node: Node) -> bool:
    return isinstance(node, Op) and (node.name == "chain" or (node.name == "interval" and node.data != "[]"))


def _approximated(node: Node) -> list[Node]:
    """`a = 1/3 \\approx 0.333`: the exact value and the approximation, either of which may be meant."""
    if not (isinstance(node, Op) and node.name == "chain" and "approx" in node.data):
        return [node]
    parts: list[Node] = []
    name: Node | None = None
    for at, operand in enumerate(node.args):
        follows = node.data[at] if at < len(node.data) else None
        if is_name(operand) and at == 0:
            name = operand
        elif follows != "=" or not symbols(operand):
            parts.append(operand)
    if not parts:
        return [node]
    return [part if name is None else Op("chain", (name, part), ("=",)) for part in parts]


def is_name(node: Node) -> bool:
    """Whether a node can be what an answer is assigned to: symbols, `f(x)`, `|AB|`, `A:B`, a tuple of such."""
    if isinstance(node, Sym):
        return True
    if not isinstance(node, Op):
        return False
    if node.name in ("index", "apply", "prime"):
        return True
    if node.name in ("abs", "ratio", "div", "mul", "tuple", "bracket", "degree"):
        return bool(node.args) and all(is_name(argument) for argument in node.args)
    return False


def _assigned(node: Node) -> tuple[Node | None, Node]:
    """The name before the last equals sign or the `in`, if there is one, and the value behind it."""
    if not isinstance(node, Op) or node.name != "chain":
        return None, node
    if node.data == ("in",) and is_name(node.args[0]):
        return node.args[0], node.args[1]
    if any(relation != "=" for relation in node.data):
        return None, node
    first, last = node.args[0], node.args[-1]
    if is_name(first) and not _refers(last, first):
        return first, last
    if is_name(last) and not is_name(first) and not _refers(first, last):
        return last, first
    if not symbols(node) and not has(node, "index", "apply"):
        return Sym("="), last
    return None, node


def _summed(node: Node) -> bool:
    """`a + b + c = 14`, which answers a question for the sum."""
    if not (isinstance(node, Op) and node.name == "chain" and set(node.data) == {"="}):
        return False
    return all(isinstance(part, Sym) or (isinstance(part, Op) and part.name == "add") for part in walk(node.args[0]))


def _refers(value: Node, name: Node) -> bool:
    """`x = 2x + 1` is an equation, no assignment; so is one between two products of letters."""
    return isinstance(name, Sym) and name in set(walk(value))


def _same_name(left: Node, right: Node) -> bool:
    """`W(n)` and `W(x)` are one name; `x` and `y` are two; `f(x)` and `y` may both head a function."""
    if left == right or Sym("=") in (left, right):
        return True
    heads = [node.args[0] if isinstance(node, Op) and node.name == "apply" else node for node in (left, right)]
    if heads[0] == heads[1] and all(isinstance(node, Op) and node.name == "apply" for node in (left, right)):
        return not any(isinstance(argument, Num) for node in (left, right) for argument in node.args)  # type: ignore[union-attr]
    plain = [node for node in (left, right) if node == Sym("y")]
    return bool(plain) and any(isinstance(node, Op) and node.name == "apply" for node in (left, right))


def _spread(node: Node) -> Node:
    """`1 \\pm 2` as the list 3, -1; in a list or set each item by itself."""
    if isinstance(node, Op) and node.name in ("list", "set") and has(node, "pm", "mp"):
        items = [part for item in node.args for part in _items(_spread(item), single=True)]
        return Op(node.name, tuple(items), node.data)
    if not has(node, "pm", "mp"):
        return node
    if isinstance(node, Op) and node.name == "chain":
        name, value = _assigned(node)
        if name is None:
            return node
        return Op("list", tuple(_signs(value, sign) for sign in ("add", "neg")), ",")
    if isinstance(node, Op) and node.name in ("tuple", "matrix"):
        return Op("list", tuple(_signs(node, sign) for sign in ("add", "neg")), ",")
    return Op("list", tuple(_signs(node, sign) for sign in ("add", "neg")), ",")


def _signs(node: Node, sign: str) -> Node:
    if not isinstance(node, Op):
        return node
    args = tuple(_signs(argument, sign) for argument in node.args)
    if node.name in ("pm", "mp"):
        negative = (sign == "neg") == (node.name == "pm")
        return Op("neg", args) if negative else args[0]
    return Op(node.name, args, node.data)


def _items(node: Node, single: bool = False) -> list[Node]:
    if isinstance(node, Op) and node.name in ("list", "set") or (not single and isinstance(node, Op) and node.name == "tuple"):
        return list(node.args)  # type: ignore[union-attr]
    return [node]


def _named(items: Sequence[Node]) -> bool:
    """Whether the items are assigned to different names: then their order says which is which."""
    found = [_assigned(item)[0] for item in items]
    return None not in found and len(set(found)) > 1


def _rows(node: Node) -> list[list[Node]] | None:
    """The entries of a matrix, of lists in a list, of a tuple as one row; products of matrices are multiplied out."""
    if not isinstance(node, Op):
        return None
    if node.name == "matrix":
        return [list(row.args) for row in node.args]  # type: ignore[union-attr]
    if node.name in ("tuple", "interval", "list", "bracket") and node.args:
        inner = [list(item.args) for item in node.args if isinstance(item, Op) and item.name in ("tuple", "interval", "bracket")]
        if len(inner) == len(node.args) and len({len(row) for row in inner}) == 1:
            return inner
        return [list(node.args)]
    if node.name == "mul" and has(node, "matrix"):
        left, right = (_rows(argument) if has(argument, "matrix") else None for argument in node.args)
        if left and right:
            if len(left[0]) != len(right) or len(left) * len(right[0]) * len(right) > 1000:
                return None
            columns = list(zip(*right, strict=True))
            return [[_dot(row, column) for column in columns] for row in left]
        scalar, entries = (node.args[0], right) if right else (node.args[1], left)
        return [[Op("mul", (scalar, entry)) for entry in row] for row in entries] if entries else None
    if node.name == "neg" and (entries := _rows(node.args[0])):
        return [[Op("neg", (entry,)) for entry in row] for row in entries]
    if node.name == "div" and not has(node.args[1], "matrix") and (entries := _rows(node.args[0])):
        return [[Op("div", (entry, node.args[1])) for entry in row] for row in entries]
    if node.name == "add" and all(has(argument, "matrix") for argument in node.args):
        left, right = (_rows(argument) for argument in node.args)
        if left and right and [len(row) for row in left] == [len(row) for row in right]:
            return [[Op("add", pair) for pair in zip(a, b, strict=True)] for a, b in zip(left, right, strict=True)]
    return None


def _dot(row: Sequence[Node], column: Sequence[Node]) -> Node:
    terms: list[Node] = [Op("mul", pair) for pair in zip(row, column, strict=True)]
    total = terms[0]
    for term in terms[1:]:
        total = Op("add", (total, term))
    return total


def _relations(node: Node) -> "list[tuple[str, Node]] | None":
    """Every relation of a chain as `(sign, left - right)`, turned so that the sign is `<`, `<=`, `=` or `!=`."""
    if not isinstance(node, Op) or node.name != "chain":
        return None
    found = []
    for at, sign in enumerate(node.data):
        if sign not in FLIPPED:
            return None
        left, right = node.args[at], node.args[at + 1]
        if sign in (">", ">="):
            sign, left, right = FLIPPED[sign], right, left
        found.append((sign, Op("add", (left, Op("neg", (right,))))))
    return found


def _without_unit(node: Node) -> tuple[Node, str]:
    """The bare value and the unit of a quantity; a degree sign is a unit."""
    if isinstance(node, Op):
        if node.name == "unit":
            inner, before = _without_unit(node.args[0])
            return inner, f"{before} {node.data}".strip()
        if node.name == "degree":
            return node.args[0], "degree"
        if node.name == "neg":
            inner, phrase = _without_unit(node.args[0])
            return (Op("neg", (inner,)), phrase) if phrase else (node, "")
        if node.name in ("mul", "div", "add"):
            left, right = node.args
            inner, phrase = _without_unit(right)
            if phrase and node.name == "mul":
                return Op(node.name, (left, inner)), phrase
            first, before = _without_unit(left)
            if phrase and before and node.name == "add" and unit(phrase).dimension == unit(before).dimension:
                return Op("add", (first, _times(unit(phrase).factor / unit(before).factor, inner))), before
            if before and not phrase and node.name != "add":
                return Op(node.name, (first, right)), before
            if (
                node.name == "mul"
                and isinstance(left, Num)
                and isinstance(right, Sym)
                and right.name in ("m", "g", "s", "h", "L")
            ):
                return node, ""
    return node, ""


def _times(factor: Fraction, node: Node) -> Node:
    return node if factor == 1 else Op("mul", (Num(factor), node))


def _close(left: Any, right: Any, tolerance: Fraction) -> bool:
    if isinstance(left, Fraction) and isinstance(right, Fraction):
        if left == right:
            return True
        return tolerance > AGREES and abs(left - right) <= tolerance * max(abs(left), abs(right))
    point = Point(0)
    left, right = point.inexact(left), point.inexact(right)
    largest = max(abs(left), abs(right))
    return bool(abs(left - right) <= largest * point.inexact(tolerance))


def _shape(node: Node) -> str:
    """The tree without the order of sums and products: equal for one form, different for two."""
    if isinstance(node, Num):
        return str(node.value)
    if isinstance(node, Sym):
        return node.name
    parts = [_shape(argument) for argument in _flat(node)]
    return f"{node.name}({','.join(sorted(parts) if node.name in ('add', 'mul', 'set', 'list') else parts)}){node.data or ''}"


def _flat(node: Op) -> list[Node]:
    if node.name not in ("add", "mul"):
        return list(node.args)
    return [part for argument in node.args for part in (_flat(argument) if isinstance(argument, Op) and argument.name == node.name else [argument])]
