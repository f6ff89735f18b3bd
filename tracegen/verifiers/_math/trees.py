"""What a tree holds, as an answer: its items, rows, relations and unit."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import reduce

from tracegen.verifiers._math.kinds import kind
from tracegen.verifiers._math.names import FLIPPED
from tracegen.verifiers._math.naming import assigned
from tracegen.verifiers._math.nodes import Node, Num, Op, Sym, has, symbols
from tracegen.verifiers._math.units import is_unit, unit


def imaginary(node: Node) -> Node:
    """sympy's `I` as the imaginary unit."""
    return replaced(node, {Sym("I"): Op("i")})


def replaced(node: Node, values: Mapping[Node, Node]) -> Node:
    """The tree with some of its leaves exchanged."""
    if node in values:
        return values[node]
    if not isinstance(node, Op):
        return node
    return Op(node.name, tuple(replaced(argument, values) for argument in node.args), node.data)


def vectorial(gold: Node, answer: Node) -> bool:
    """Whether one side is written by its axes: two of i, j and k at least, and k only beside three entries."""
    number, vector = (gold, answer) if kind(gold) == "number" else (answer, gold)
    axes = [has(number, "i"), "j" in symbols(number), "k" in symbols(number)]
    entries = rows(vector) or [[]]
    size = max(len(entries), len(entries[0]))
    return sum(axes) >= 2 and (size == 3 or (size == 2 and not axes[2]))


def letter_unit(node: Node) -> tuple[Node, str]:
    """`6m` as six metres: asked only where the other side has a unit."""
    if isinstance(node, Op) and node.name == "mul" and isinstance(node.args[1], Sym) and not symbols(node.args[0]):
        return (node.args[0], node.args[1].name) if is_unit(node.args[1].name) else (node, "")
    return node, ""


def components(node: Node, size: int) -> Node:
    """`2i + 5j` as the tuple of its coefficients."""
    zero, one = Num(Fraction(0)), Num(Fraction(1), 0, 1)
    axes: tuple[Node, ...] = (Op("i"), Sym("j"), Sym("k"))
    return Op("tuple", tuple(replaced(node, {a: one if a == axis else zero for a in axes}) for axis in axes[:size]))


def spread(node: Node) -> Node:
    """`1 \\pm 2` as the list 3, -1; in a list or set each item by itself."""
    if not has(node, "pm", "mp"):
        return node
    if isinstance(node, Op) and node.name in ("list", "set"):
        parts = (part for item in node.args for part in items(spread(item), single=True))
        return Op(node.name, tuple(parts), node.data)
    name, value = assigned(node)
    if name is None and kind(node) in ("region", "relation"):
        return node
    return Op("list", tuple(_signs(value, sign) for sign in ("add", "neg")), ",")


def _signs(node: Node, sign: str) -> Node:
    if not isinstance(node, Op):
        return node
    args = tuple(_signs(argument, sign) for argument in node.args)
    if node.name in ("pm", "mp"):
        negative = (sign == "neg") == (node.name == "pm")
        return Op("neg", args) if negative else args[0]
    return Op(node.name, args, node.data)


def items(node: Node, single: bool = False) -> list[Node]:
    """What a list, a set or (unless told otherwise) a tuple holds; of anything else the node itself."""
    several = ("list", "set") if single else ("list", "set", "tuple")
    return list(node.args) if isinstance(node, Op) and node.name in several else [node]


def named(items: Sequence[Node]) -> bool:
    """Whether the items are assigned to different names: then their order says which is which."""
    found = [assigned(item)[0] for item in items]
    return None not in found and len(set(found)) > 1


def rows(node: Node) -> list[list[Node]] | None:
    """The entries of a matrix, of lists in a list, of a tuple as one row; products of matrices are multiplied out."""
    if not isinstance(node, Op):
        return None
    if node.name == "matrix":
        return [list(row.args) for row in node.args]  # type: ignore[union-attr]
    if node.name in ("tuple", "interval", "list", "bracket") and node.args:
        inner = [
            list(item.args)
            for item in node.args
            if isinstance(item, Op) and item.name in ("tuple", "interval", "bracket")
        ]
        if len(inner) == len(node.args) and len({len(row) for row in inner}) == 1:
            return inner
        return [list(node.args)]
    if node.name == "mul" and has(node, "matrix"):
        left, right = (rows(argument) if has(argument, "matrix") else None for argument in node.args)
        if left and right:
            if len(left[0]) != len(right) or len(left) * len(right[0]) * len(right) > 1000:
                return None
            columns = list(zip(*right, strict=True))
            return [[_dot(row, column) for column in columns] for row in left]
        scalar, entries = (node.args[0], right) if right else (node.args[1], left)
        return [[Op("mul", (scalar, entry)) for entry in row] for row in entries] if entries else None
    if node.name == "neg" and (entries := rows(node.args[0])):
        return [[Op("neg", (entry,)) for entry in row] for row in entries]
    if node.name == "div" and not has(node.args[1], "matrix") and (entries := rows(node.args[0])):
        return [[Op("div", (entry, node.args[1])) for entry in row] for row in entries]
    if node.name == "add" and all(has(argument, "matrix") for argument in node.args):
        left, right = (rows(argument) for argument in node.args)
        if left and right and [len(row) for row in left] == [len(row) for row in right]:
            return [[Op("add", pair) for pair in zip(a, b, strict=True)] for a, b in zip(left, right, strict=True)]
    return None


def _dot(row: Sequence[Node], column: Sequence[Node]) -> Node:
    terms: list[Node] = [Op("mul", pair) for pair in zip(row, column, strict=True)]
    return reduce(lambda total, term: Op("add", (total, term)), terms)


def relations(node: Node) -> "list[tuple[str, Node]] | None":
    """Every relation of a chain as `(sign, left - right)`, turned so that the sign is `<`, `<=`, `=` or `!=`."""
    if not isinstance(node, Op) or node.name != "chain":
        return None
    found: list[tuple[str, Node]] = []
    for at, sign in enumerate(node.data):
        if sign not in FLIPPED:
            return None
        left, right = node.args[at], node.args[at + 1]
        if sign in (">", ">="):
            sign, left, right = FLIPPED[sign], right, left
        found.append((sign, Op("add", (left, Op("neg", (right,))))))
    return found


def without_unit(node: Node) -> tuple[Node, str]:
    """The bare value and the unit of a quantity; a degree sign is a unit."""
    if isinstance(node, Op):
        if node.name == "unit":
            inner, before = without_unit(node.args[0])
            return inner, f"{before} {node.data}".strip()
        if node.name == "degree":
            return node.args[0], "degree"
        if node.name == "neg":
            inner, phrase = without_unit(node.args[0])
            return (Op("neg", (inner,)), phrase) if phrase else (node, "")
        if node.name in ("mul", "div", "add"):
            left, right = node.args
            inner, phrase = without_unit(right)
            if phrase and node.name == "mul":
                return Op(node.name, (left, inner)), phrase
            first, before = without_unit(left)
            if phrase and before and node.name == "add" and unit(phrase).dimension == unit(before).dimension:
                return Op("add", (first, times(unit(phrase).factor / unit(before).factor, inner))), before
            if before and not phrase and node.name != "add":
                return Op(node.name, (first, right)), before
    return node, ""


def times(factor: Fraction, node: Node) -> Node:
    return node if factor == 1 else Op("mul", (Num(factor), node))


def shape(node: Node) -> str:
    """The tree without the order of sums and products: equal for one form, different for two."""
    if isinstance(node, Num):
        return str(node.value)
    if isinstance(node, Sym):
        return node.name
    parts = [shape(argument) for argument in _flat(node)]
    if node.name in ("add", "mul", "set", "list"):
        parts.sort()
    return f"{node.name}({','.join(parts)}){node.data or ''}"


def _flat(node: Op) -> list[Node]:
    if node.name not in ("add", "mul"):
        return list(node.args)
    return [
        part
        for argument in node.args
        for part in (_flat(argument) if isinstance(argument, Op) and argument.name == node.name else [argument])
    ]
