"""Names before a value: `x = 5`, `AB = 4`, `f(x) = 2x`, `x \\in [1, 2]`, and which of two names are one."""

from fractions import Fraction

from tracegen.verifiers._math.kinds import kind
from tracegen.verifiers._math.nodes import Node, Num, Op, Sym, has, symbols, walk


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
