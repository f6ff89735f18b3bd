"""What kind of value a tree is: the first thing that a comparison asks."""

from tracegen.verifiers._math.names import ORDER
from tracegen.verifiers._math.nodes import Node, Op, has


def kind(node: Node) -> str:
    """`number`, unless the tree is a list, set, tuple, matrix, region of the reals, relation, text ..."""
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
