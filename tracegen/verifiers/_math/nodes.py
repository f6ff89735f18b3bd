"""The tree that an answer is read into: numbers, symbols, and operations on them.

    Num("0.50") -> Num(1/2, places=2)      x -> Sym("x")      2x -> Op("mul", (Num(2), Sym("x")))

Operations beside the usual ones: `tuple`, `set`, `list` (no brackets), `interval` (data: its two brackets), `union`,
`matrix` (rows of entries), `chain` (operands; data: the relations between them), `unit` (data: the phrase), `percent`,
`degree`, `base` (a numeral; data: digits and base), `index` and `apply` (opaque functions), `text` (data: the words).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any


class Unparsable(Exception):
    """The text is not an answer that this parser reads."""


class Undefined(Exception):
    """No value here: division by zero, a root of a negative number, infinity where a number is wanted."""


class TooLarge(Exception):
    """Beyond a limit."""


@dataclass(frozen=True, slots=True)
class Num:
    value: Fraction
    places: int = 0
    """Digits behind the decimal point as written; 0 for an integer."""
    digits: int = 0
    """Significant digits as written."""


@dataclass(frozen=True, slots=True)
class Sym:
    name: str


@dataclass(frozen=True, slots=True)
class Op:
    name: str
    args: "tuple[Node, ...]" = ()
    data: Any = None


Node = Num | Sym | Op


def walk(node: Node) -> Iterator[Node]:
    """The node and all below it."""
    stack = [node]
    while stack:
        yield (top := stack.pop())
        if isinstance(top, Op):
            stack.extend(top.args)


def symbols(node: Node) -> set[str]:
    """Names of the variables; constants such as pi are operations."""
    return {part.name for part in walk(node) if isinstance(part, Sym)}


def has(node: Node, *names: str) -> bool:
    """Whether an operation of these names stands in the tree."""
    return any(isinstance(part, Op) and part.name in names for part in walk(node))


def decimals(node: Node) -> list[Num]:
    """The numbers that were written with digits behind the point that are not all zero."""
    return [part for part in walk(node) if isinstance(part, Num) and part.value.denominator != 1 and part.places]
