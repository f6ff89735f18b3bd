"""Are two answers the same typed value, under which conventions?

`equal(gold, answer, conventions)` is not symmetric: the gold decides what is asked for (a list, a decimal, a unit).
Values are compared, not forms: numbers exactly where both are rational, else to 22 digits; expressions at several
points; lists without order, tuples and matrices with it; intervals, unions and inequalities as sets of reals.
None means that this module cannot tell.
"""

import re
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from tracegen.verifiers._math import regions
from tracegen.verifiers._math.agree import AGREES, FIRST, MIXED, at_points, close, same_number
from tracegen.verifiers._math.conventions import DEFAULT, Conventions
from tracegen.verifiers._math.kinds import kind
from tracegen.verifiers._math.naming import approximated, assigned, is_name, same_name, summed
from tracegen.verifiers._math.nodes import Node, Num, Op, Sym, has
from tracegen.verifiers._math.numeric import Point
from tracegen.verifiers._math.read import read
from tracegen.verifiers._math.trees import (
    components,
    imaginary,
    items,
    letter_unit,
    named,
    relations,
    replaced,
    rows,
    shape,
    spread,
    times,
    vectorial,
    without_unit,
)
from tracegen.verifiers._math.units import unit

LARGEST_LIST = 100


def equal(gold: str, answer: str, conventions: Conventions = DEFAULT) -> bool | None:
    """Whether `answer` is the gold answer; None where one of them cannot be read."""
    golds, answers = read(gold), read(answer)
    if not golds or not answers:
        return None
    found: bool | None = False
    for left in golds:
        for right in answers:
            if has(left, "i") != has(right, "i"):
                left, right = imaginary(left), imaginary(right)
            if has(left, "e") != has(right, "e"):
                left, right = (replaced(side, {Sym("E"): Op("e")}) for side in (left, right))
            if shape(left) != shape(right) and conventions.form == "simplified":
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
        meant = [(left, right) for left in approximated(gold) for right in approximated(answer)]
        if meant != [(gold, answer)]:
            return any(self.same(left, right) for left, right in meant)
        gold_name, left = assigned(gold)
        answer_name, right = assigned(answer)
        if gold_name is not None and answer_name is not None and not same_name(gold_name, answer_name):
            return self.same_relation(gold, answer)
        if gold_name is None and answer_name is None and not isinstance(left, Op | Sym) and summed(answer):
            return self.same(left, answer.args[-1])  # type: ignore[union-attr]
        if gold_name is not None or answer_name is not None:
            other = gold if gold_name is None else answer
            if (gold_name is None or answer_name is None) and isinstance(other, Op) and "=" in (other.data or ()):
                return self.same_relation(gold, answer)
            if self.same(left, right):
                return True
            return self.same_relation(gold, answer)
        return self.same_value(spread(gold), spread(answer))

    def same_value(self, gold: Node, answer: Node) -> bool | None:
        names = {kind(gold), kind(answer)}
        if names == {"case"}:
            return all(self.same(left, right) for left, right in zip(gold.args, answer.args, strict=True))  # type: ignore[union-attr]
        if names & {"text", "date", "time"}:
            return self.same_text(gold, answer)
        if names & {"matrix", "tuple"} and "number" in names and vectorial(gold, answer):
            gold, answer = (
                components(side, self.size(gold, answer)) if kind(side) == "number" else side for side in (gold, answer)
            )
        if "matrix" in names:
            return self.same_matrix(gold, answer)
        if "region" in names:
            return self.same_region(gold, answer)
        if names & {"list", "set", "tuple"}:
            return self.same_items(gold, answer)
        if "relation" in names:
            return self.same_relation(gold, answer)
        if "base" in names:
            return kind(gold) == kind(answer) and gold.data == answer.data  # type: ignore[union-attr]
        if "congruent" in names:
            return self.same_class(gold, answer)
        gold, gold_unit = without_unit(gold)
        answer, answer_unit = without_unit(answer)
        if gold_unit or answer_unit:
            return self.same_quantity(gold, gold_unit, answer, answer_unit)
        if kind(gold) == "percent" or kind(answer) == "percent":
            return self.same_percent(gold, answer)
        if kind(gold) == "ratio" and kind(answer) == "ratio" and len(gold.args) > 2:  # type: ignore[union-attr]
            return self.same_ratio(gold, answer)
        return self.number(gold, answer)

    @staticmethod
    def size(gold: Node, answer: Node) -> int:
        entries = rows(gold) or rows(answer) or [[]]
        return min(3, max(len(entries), len(entries[0])))

    def same_text(self, gold: Node, answer: Node) -> bool | None:
        if kind(gold) != kind(answer):
            return False
        left, right = gold.data, answer.data  # type: ignore[union-attr]
        return bool(left == right)

    # -- several ------------------------------------------------------------------------------------------------------

    def same_items(self, gold: Node, answer: Node) -> bool | None:
        """Lists and sets without order, tuples with it; names before the items stand or fall."""
        kinds = kind(gold), kind(answer)
        if kinds[0] == "set" and len(items(gold)) == 1 and kinds[1] not in ("set", "list", "tuple"):
            return self.same(items(gold)[0], answer)
        if kinds[1] == "set" and len(items(answer)) == 1 and kinds[0] not in ("set", "list", "tuple"):
            return self.same(gold, items(answer)[0])
        if kinds[1] == "list" and kinds[0] == "number" and len(once := self.distinct(items(answer))) == 1:
            return self.same(gold, once[0])
        if not {*kinds} <= {"list", "set", "tuple"}:
            return False
        left, right = items(gold), items(answer)
        if len(left) > LARGEST_LIST or len(right) > LARGEST_LIST:
            return None
        if {*kinds} == {"set", "tuple"} or ("tuple" in kinds and "or" in (gold.data, answer.data)):  # type: ignore[union-attr]
            return False
        ordered = "tuple" in kinds or self.conventions.order or named(left) != named(right)
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
        left, right = rows(gold), rows(answer)
        if left is None or right is None or kind(gold) == "region":
            return None if has(gold, "matrix") and has(answer, "matrix") else False
        if kind(gold) != kind(answer) and all(1 in (len(side), len(side[0])) for side in (left, right)):
            # A column or a row written as a tuple.
            left, right = ([[entry for row in side for entry in row]] for side in (left, right))
        if [len(row) for row in left] != [len(row) for row in right]:
            return False
        pairs = [pair for a, b in zip(left, right, strict=True) for pair in zip(a, b, strict=True)]
        return all(self.same(a, b) for a, b in pairs)

    def same_ratio(self, gold: Node, answer: Node) -> bool | None:
        left, right = gold.args, answer.args  # type: ignore[union-attr]
        if len(left) != len(right):
            return False
        return all(
            self.number(Op("div", (left[0], a)), Op("div", (right[0], b)))
            for a, b in zip(left[1:], right[1:], strict=True)
        )

    def same_class(self, gold: Node, answer: Node) -> bool | None:
        """`3 \\pmod 7`: equal moduli and remainders; a bare remainder stands for its class."""
        if kind(gold) != kind(answer):
            bare, full = (gold, answer) if kind(answer) == "congruent" else (answer, gold)
            return self.number(bare, full.args[0])  # type: ignore[union-attr]
        (left, modulus), (right, other) = gold.args, answer.args  # type: ignore[union-attr]
        difference = Op("add", (left, Op("neg", (right,))))
        return bool(self.number(modulus, other) and self.number(Op("mod", (difference, modulus)), Num(Fraction(0))))

    # -- sets of reals, equations, inequalities -----------------------------------------------------------------------

    def same_region(self, gold: Node, answer: Node) -> bool | None:
        variables = regions.variable(gold), regions.variable(answer)
        if None not in variables and variables[0] != variables[1]:
            return self.same_relation(gold, answer)
        if any(name is not None and not is_name(name) for name in variables) and None in variables:
            return False
        for seed in (1, 2):
            point = Point(seed)
            left, right = regions.region(gold, point), regions.region(answer, point)
            if left is None or right is None:
                kinds = {kind(gold), kind(answer)}
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
        return close(left, right, max(AGREES, Fraction(self.conventions.tolerance)))

    def same_relation(self, gold: Node, answer: Node) -> bool | None:
        """Equations and inequalities: side minus side, up to a constant factor."""
        left, right = relations(gold), relations(answer)
        if left is None or right is None or len(left) != len(right):
            return False
        return all(any(_proportional(a, b) for b in right) for a in left)

    # -- numbers ------------------------------------------------------------------------------------------------------

    def number(self, gold: Node, answer: Node) -> bool | None:
        return same_number(gold, answer, self.conventions.tolerance)

    def same_quantity(self, gold: Node, gold_unit: str, answer: Node, answer_unit: str) -> bool | None:
        rule = self.conventions.units
        if rule == "ignore":
            return self.same_value(gold, answer)
        if not (gold_unit and answer_unit):
            gold, gold_unit = (gold, gold_unit) if gold_unit else letter_unit(gold)
            answer, answer_unit = (answer, answer_unit) if answer_unit else letter_unit(answer)
        if "pound sterling" in (gold_unit, answer_unit):
            gold_unit, answer_unit = (
                re.sub(r"^pounds?$", "pound sterling", phrase.strip()) for phrase in (gold_unit, answer_unit)
            )
        left, right = unit(gold_unit), unit(answer_unit)
        if rule == "strict" and (bool(gold_unit) != bool(answer_unit) or not (left.known and right.known)):
            return gold_unit.split() == answer_unit.split() and bool(self.same_value(gold, answer))
        if left.known and right.known:
            if left.dimension != right.dimension:
                return False
            return self.same_value(times(left.factor, gold), times(right.factor, answer))
        if self.same_value(gold, answer):
            return True
        if "degree" in gold_unit + answer_unit and (not gold_unit or not answer_unit):
            return self.number(Op("degree", (gold,)), answer) or self.number(gold, Op("degree", (answer,)))
        return False

    def same_percent(self, gold: Node, answer: Node) -> bool | None:
        bare = [node.args[0] if isinstance(node, Op) and node.name == "percent" else node for node in (gold, answer)]
        if kind(gold) == kind(answer) or self.conventions.percent == "ignore":
            return self.same_value(*bare)
        return self.number(gold, answer) if self.conventions.percent == "value" else False


def _proportional(gold: "tuple[str, Node]", answer: "tuple[str, Node]") -> bool:
    """Whether two relations, each a sign and a left side minus a right side, differ by a constant factor only."""
    if gold[0] != answer[0]:
        return False

    def factor(point: Point) -> Any:
        left, right = point.value(gold[1]), point.value(answer[1])
        return None if left == right == 0 else point.inexact(left) / point.inexact(right)

    factors = [found for found in at_points((*FIRST, *MIXED), factor) if found is not None]
    if len(factors) < 2 or factors[0] == 0 or not all(close(factors[0], found) for found in factors):
        return False
    return gold[0] in ("=", "!=") or bool(factors[0] > 0)
