"""Tokens become a tree: a precedence parser for LaTeX, plain text, calculator and sympy syntax at once.

    answers    := answer ((`,` | `;` | `and` | `or`) answer)*
    answer     := union (relation union)*
    union      := ratio ((cup | cap | setminus) ratio)*
    ratio, sum, product, power: as usual; a product needs no sign between its factors (`factors`)

What it cannot read raises Unparsable. Depth and number of tokens are limited; time is linear in the tokens.
"""

from fractions import Fraction

from tracegen.verifiers._math.factors import Factors
from tracegen.verifiers._math.names import BASES, CONSTANTS, FUNCTIONS, GREEK, JOINS, RELATIONS, WRAPPERS
from tracegen.verifiers._math.nodes import Node, Num, Op, Sym, Unparsable
from tracegen.verifiers._math.phrases import CURRENCIES, SCALES, phrase_at
from tracegen.verifiers._math.tokens import tokens

STARTING = (
    FUNCTIONS.keys()
    | CONSTANTS.keys()
    | GREEK
    | WRAPPERS
    | {"frac", "dfrac", "tfrac", "cfrac", "binom", "dbinom", "tbinom", "sqrt", "lfloor", "lceil", "lvert", "vert"}
    | {"sum", "prod", "mathbb", "angle", "boxed", "langle"}
)


def parse(text: str, calls: bool = True) -> Node:
    """The tree of a cleaned answer; Unparsable if it is none. `calls`: whether `f(x)` is a function, not a product."""
    return _Parser(tokens(text), calls).whole()


class _Parser(Factors):
    """The upper half of the grammar."""

    def whole(self) -> Node:
        node = self.answers()
        if self.token.kind != "stop":
            raise Unparsable(f"{self.token.value!r} was not expected")
        return node

    def answers(self) -> Node:
        """One answer, or a list of them; `;` binds weaker than `,` where both stand."""
        groups: list[list[Node]] = [[]]
        joins: set[str] = set()
        while True:
            groups[-1].append(self.answer())
            join = self.join()
            if join is None:
                break
            joins.add(join)
            if join == ";":
                groups.append([])
            if self.token.kind == "stop":
                break
        groups = [group for group in groups if group]
        if len(groups) > 1 and any(len(group) > 1 for group in groups):
            return Op("list", tuple(g[0] if len(g) == 1 else Op("tuple", tuple(g)) for g in groups), ";")
        flat = [answer for group in groups for answer in group]
        if len(flat) == 1:
            return flat[0]
        return Op("list", tuple(flat), joins.pop() if len(joins) == 1 and joins <= {"and", "or"} else ",")

    def join(self) -> str | None:
        """What parts two answers here, if anything does."""
        found = None
        while True:
            kind, value, _ = self.token
            word = value.strip().casefold().strip(",; ") if kind in ("word", "text") else ""
            if kind == "symbol" and value in (",", ";", "&"):
                found = found or ("," if value == "&" else value)
            elif word in JOINS:
                found = JOINS[word]
            elif kind == "command" and value in ("\\lor", "\\vee", "\\land", "\\wedge"):
                found = "or" if value in ("\\lor", "\\vee") else "and"
            elif kind == "symbol" and value == "\\\\" and self.peek().kind != "stop":
                found = found or ","
            else:
                return found
            self.at += 1

    def answer(self) -> Node:
        operands, relations = [self.union()], []
        while (relation := self.relation()) is not None:
            relations.append(relation)
            operands.append(self.union())
        return Op("chain", tuple(operands), tuple(relations)) if relations else operands[0]

    def relation(self) -> str | None:
        if self.token.kind not in ("symbol", "command"):
            return None
        name = self.token.value.removeprefix("\\")
        if name == "not" and self.peek().value in ("=", "\\in"):
            self.at += 2
            return "!=" if self.tokens[self.at - 1].value == "=" else "notin"
        if name not in RELATIONS or (name == "in" and self.token.kind != "command"):
            return None
        self.at += 1
        return RELATIONS[name]

    def union(self) -> Node:
        node = self.ratio()
        while self.is_("cup", "cap", "setminus", "bigcup", "backslash") or self.joins_sets():
            name = self.take().value.removeprefix("\\")
            name = {"cup": "union", "bigcup": "union", "U": "union", "u": "union", "backslash": "setminus"}.get(
                name, name
            )
            node = Op(name, (node, self.ratio()))
        return node

    def joins_sets(self) -> bool:
        """`(1, 2) U (3, 4)`"""
        return self.token.value in ("U", "u") and self.peek().value in ("(", "[", "\\{", "{")

    def ratio(self) -> Node:
        parts = [self.sum()]
        while self.accept(":"):
            parts.append(self.sum())
        return parts[0] if len(parts) == 1 else Op("ratio", tuple(parts))

    def sum(self) -> Node:
        node = self.product()
        while self.token.kind in ("symbol", "command"):
            if self.is_("+"):
                self.at += 1
                node = Op("add", (node, self.product()))
            elif self.token.value == "-":
                self.at += 1
                node = Op("add", (node, Op("neg", (self.product(),))))
            elif self.is_("pm", "mp"):
                name = self.take().value[1:]
                node = Op("add", (node, Op(name, (self.product(),))))
            else:
                break
        return node

    def product(self) -> Node:
        node = self.signed()
        while True:
            if self.is_("*", "cdot", "times", "ast", "cdotp", "bullet"):
                self.at += 1
                node = Op("mul", (node, self.signed()))
            elif self.is_("/", "div", "over"):
                self.at += 1
                node = Op("div", (node, self.signed()))
            elif self.is_("bmod", "mod") or (self.token.kind == "word" and self.token.value == "mod"):
                self.at += 1
                node = Op("mod", (node, self.signed()))
            elif self.is_("pmod"):
                self.at += 1
                node = Op("congruent", (node, self.group()))
            elif self.starts():
                node = self.beside(node)
            else:
                return node

    def beside(self, left: Node) -> Node:
        """`left` and what follows without a sign: a unit, a mixed number or a product."""
        if self.token.value in CURRENCIES and isinstance(left, Num):
            return Op("unit", (left,), CURRENCIES[self.take().value])
        if (phrase := phrase_at(self, left)) is not None:
            return Op("unit", (left,), phrase) if phrase else self.postfix(left)
        before = self.token
        right = self.power()
        if isinstance(left, Op) and left.name == "unit" and isinstance(right, Num):
            # `2 hours 30 minutes`
            return Op("add", (left, self.beside(right) if self.starts() else right))
        if isinstance(left, Num) and isinstance(right, Num) and before.kind == "number":
            raise Unparsable("two numbers side by side")
        if before.value in ("\\frac", "\\dfrac", "\\tfrac", "\\cfrac") and _whole(left):
            if _proper(right):
                return Op("add", (left, right))
            if isinstance(right, Op) and right.name in ("percent", "degree") and _proper(right.args[0]):
                return Op(right.name, (Op("add", (left, right.args[0])),))
        return Op("mul", (left, right))

    def signed(self) -> Node:
        if self.token.value == "-":
            self.at += 1
            return Op("neg", (self.deeper(self.product_of_signed),))
        if self.accept("+"):
            return self.deeper(self.signed)
        if self.is_("pm", "mp"):
            return Op(self.take().value[1:], (self.deeper(self.product_of_signed),))
        return self.power()

    def product_of_signed(self) -> Node:
        """What a sign in front of a product belongs to: its first factor, mixed numbers and units whole."""
        node = self.signed()
        while self.starts() and isinstance(node, Num):
            node = self.beside(node)
        return node

    def power(self) -> Node:
        base = self.postfix(self.factor())
        while self.is_("^", "**"):
            self.at += 1
            if self.accept("circ") or (
                self.token.value == "{" and self.peek().value == "\\circ" and self.skip("{", "\\circ", "}")
            ):
                scale = SCALES.get(self.token.value.strip()) if self.token.kind in ("word", "text") else None
                self.at += scale is not None
                base = Op("unit", (base,), scale) if scale else self.postfix(Op("degree", (base,)))
                continue
            if self.accept("prime") or (self.peek().value == "\\prime" and self.skip("{", "\\prime", "}")):
                base = self.postfix(Op("prime", (base,)))
                continue
            base = self.postfix(Op("pow", (base, self.exponent())))
        return base

    def exponent(self) -> Node:
        if self.token.value == "{":
            return self.group()
        if self.token.value == "-":
            self.at += 1
            return Op("neg", (self.deeper(self.exponent),))
        self.accept("+")
        return self.deeper(self.power_of_factor)

    def power_of_factor(self) -> Node:
        """`2^3^4` is 2^(3^4)."""
        node = self.postfix(self.factor())
        if self.is_("^", "**") and self.peek().value != "\\circ":
            self.at += 1
            return Op("pow", (node, self.exponent()))
        return node

    def postfix(self, node: Node) -> Node:
        while True:
            if self.token.value == "!" and self.token.kind == "symbol":
                self.at += 1
                node = Op("factorial", (node,))
            elif self.token.value in ("%", "\\%"):
                self.at += 1
                node = Op("percent", (node,))
            elif self.token.value == "'" and not isinstance(node, Num):
                self.at += 1
                node = Op("prime", (node,))
            elif self.token.value == "_" and self.token.kind == "symbol":
                self.at += 1
                node = self.subscript(node)
            else:
                return node

    def subscript(self, node: Node) -> Node:
        """A base below a number, an index below anything else."""
        written, name = self.tokens[self.at - 2], self.label()
        if name is None:
            below = self.group() if self.token.value == "{" else self.factor()
        else:
            below = Num(Fraction(int(name))) if name.isdigit() and len(name) < 4 else Sym(name)
        if not isinstance(node, Num):
            named = isinstance(node, Sym) and isinstance(below, Sym) and len(below.name) > 1
            return Sym(f"{node.name}_{below.name}") if named else Op("index", (node, below))  # type: ignore[union-attr]
        base = BASES.get(below.name.casefold()) if isinstance(below, Sym) else _whole(below) and int(below.value)  # type: ignore[union-attr]
        if not base or not written.value.isdigit():
            raise Unparsable("a subscript of a number that is no base")
        return Op("base", (), (written.value.lstrip("0") or "0", base))

    def label(self) -> str | None:
        """A subscript that is one word, or one macro such as `\\max` or `\\odot`; None if it is anything else."""
        braced = self.token.value == "{"
        token = self.peek() if braced else self.token
        if braced and self.peek(2).value != "}":
            return None
        if token.kind not in ("word", "text") and not (
            token.kind == "command" and token.value[1:] not in STARTING - {"max", "min"}
        ):
            return None
        self.at += 3 if braced else 1
        return token.value.strip().removeprefix("\\")

    def starts(self) -> bool:
        """Whether a factor, and so a product without a sign, may begin here."""
        kind, value, _ = self.token
        if kind in ("number", "begin", "text", "letters"):
            return not (kind == "text" and value.strip().casefold().strip(",; ") in JOINS)
        if kind == "word":
            return value.casefold() not in JOINS and not self.joins_sets()
        if kind == "command":
            name = value[1:]
            return name in STARTING
        return value in ("(", "[", "{", "\\{") or value in CURRENCIES or (value == "|" and not self.bars)


def _whole(node: Node) -> bool:
    return isinstance(node, Num) and node.value.denominator == 1


def _proper(node: Node) -> bool:
    """A fraction of two integers that is less than one: what makes the integer before it a mixed number."""
    if not (isinstance(node, Op) and node.name == "div"):
        return False
    top, bottom = node.args
    return (
        isinstance(top, Num) and isinstance(bottom, Num) and _whole(top) and _whole(bottom) and top.value < bottom.value
    )
