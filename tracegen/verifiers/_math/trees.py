"""What a tree is, as an answer: its kind, the name that it is assigned to, its items, rows, relations and unit."""

from collections.abc import Mapping, Sequence
from fractions import Fraction

from tracegen.verifiers._math.names import FLIPPED, ORDER
from tracegen.verifiers._math.nodes import Node, Num, Op, Sym, has, symbols, walk
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


def kind(node: Node) -> str:
    if not isinstance(node, Op):
        return "number"
    if node.name in ("interval", "union", "cap", "setminus", "reals", "integers", "naturals", "rationals", "complexes"):
        return "region"
    if node.name == "chain":
        return "region" if all(r in (*ORDER, "!=") for r in node.data) else "relation"
    if node.name == "list" and all(kind(item) == "region" and _item_region(item) for item in node.args):
        return "region"
    if node.name in (
        "list",
        "set",
        "tuple",
        "matrix",
        "base",
        "text",
        "date",
        "time",
        "percent",
        "ratio",
        "congruent",
        "case",
    ):
        return node.name
    if has(node, "matrix"):
        return "matrix"
    return "number"


def _item_region(node: Node) -> bool:
    return isinstance(node, Op) and (node.name == "chain" or (node.name == "interval" and node.data != "[]"))


def approximated(node: Node) -> list[Node]:
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
    if node.name == "pow":
        return is_name(node.args[0]) and node.args[1] == Op("neg", (Num(Fraction(1), 0, 1),))
    if node.name in (
        "sin",
        "cos",
        "tan",
        "cot",
        "max",
        "min",
        "abs",
        "ratio",
        "div",
        "mul",
        "tuple",
        "bracket",
        "degree",
    ):
        return bool(node.args) and all(is_name(argument) for argument in node.args)
    return False


def assigned(node: Node) -> tuple[Node | None, Node]:
    """The name before the last equals sign or the `in`, if there is one, and the value behind it."""
    if not isinstance(node, Op) or node.name != "chain":
        return None, node
    if node.data == ("in",) and is_name(node.args[0]):
        # Behind "in", brackets are an interval's and no list's.
        return node.args[0], Op("cap", (Op("reals"), node.args[1])) if kind(node.args[1]) == "region" else node.args[1]
    if any(relation not in ("=", "equiv") for relation in node.data):
        return None, node
    first, last = node.args[0], node.args[-1]
    if is_name(first) and not _refers(last, first):
        return first, last
    if is_name(last) and not is_name(first) and not _refers(first, last):
        return last, first
    if not symbols(node) and not has(node, "index", "apply"):
        return Sym("="), last
    return None, node


def summed(node: Node) -> bool:
    """`a + b + c = 14`, which answers a question for the sum."""
    if not (isinstance(node, Op) and node.name == "chain" and set(node.data) == {"="}):
        return False
    return all(isinstance(part, Sym) or (isinstance(part, Op) and part.name == "add") for part in walk(node.args[0]))


def _refers(value: Node, name: Node) -> bool:
    """`x = 2x + 1` is an equation, no assignment; so is one between two products of letters."""
    return isinstance(name, Sym) and name in set(walk(value))


def same_name(left: Node, right: Node) -> bool:
    """`W(n)` and `W(x)` are one name; `x` and `y` are two; `f(x)` and `y` may both head a function."""
    if left == right or Sym("=") in (left, right):
        return True
    heads = [
        node.args[0] if isinstance(node, Op) and node.name in ("apply", "index", "mul") else node
        for node in (left, right)
    ]
    if heads[0] == heads[1] and isinstance(heads[0], Sym) and (left == heads[0] or right == heads[1]):
        return True  # `x` and `x_1`, `y` and `y(x)`
    heads = [node.args[0] if isinstance(node, Op) and node.name == "apply" else node for node in (left, right)]
    if heads[0] == heads[1] and all(isinstance(node, Op) and node.name == "apply" for node in (left, right)):
        return not any(isinstance(argument, Num) for node in (left, right) for argument in node.args)  # type: ignore[union-attr]
    plain = [node for node in (left, right) if node == Sym("y")]
    return bool(plain) and any(isinstance(node, Op) and node.name == "apply" for node in (left, right))


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
    if (isinstance(node, Op) and node.name in ("list", "set")) or (
        not single and isinstance(node, Op) and node.name == "tuple"
    ):
        return list(node.args)  # type: ignore[union-attr]
    return [node]


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
    total = terms[0]
    for term in terms[1:]:
        total = Op("add", (total, term))
    return total


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
            if (
                node.name == "mul"
                and isinstance(left, Num)
                and isinstance(right, Sym)
                and right.name in ("m", "g", "s", "h", "L")
            ):
                return node, ""
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
