"""Tokens become a tree: a precedence parser for LaTeX, plain text, calculator and sympy syntax at once.

    answers    := answer ((`,` | `;` | `and` | `or`) answer)*
    answer     := union (relation union)*
    union      := sum ((cup | cap | setminus) sum)*
    sum, product, power, factor: as usual; a product needs no sign between its factors

What it cannot read raises Unparsable. Depth and number of tokens are limited; time is linear in the tokens.
"""

from fractions import Fraction

from tracegen.verifiers._math.names import (
    ALIASES,
    BASES,
    BRACKETED,
    CONSTANTS,
    FUNCTIONS,
    GREEK,
    IGNORED,
    JOINS,
    PERCENT,
    RELATIONS,
    SETS,
    WRAPPERS,
)
from tracegen.verifiers._math.nodes import Node, Num, Op, Sym, Unparsable
from tracegen.verifiers._math.tokens import Token, tokens
from tracegen.verifiers._math.units import is_unit

CURRENCIES = {"\\$": "dollar", "€": "euro", "£": "pound sterling", "¥": "yen"}
DEPTH = 40
"""Brackets, roots and powers inside each other."""
CLOSING = {"(": ")", "[": "]", "{": "}", "\\{": "\\}", "langle": "rangle", "lfloor": "rfloor", "lceil": "rceil"}
MATRICES = {"pmatrix", "bmatrix", "matrix", "array", "vmatrix", "smallmatrix", "Bmatrix", "Vmatrix"}
STATEMENT = {"tuple", "set", "list", "interval", "chain", "union", "cap", "setminus", "matrix", "pm", "text"}


def parse(text: str, calls: bool = True) -> Node:
    """The tree of a cleaned answer; Unparsable if it is none. `calls`: whether `f(x)` is a function, not a product."""
    return _Parser(tokens(text), calls).whole()


class _Parser:
    def __init__(self, found: list[Token], calls: bool) -> None:
        self.tokens, self.at, self.depth, self.bars, self.calls = found, 0, 0, 0, calls

    # -- tokens -------------------------------------------------------------------------------------------------------

    @property
    def token(self) -> Token:
        return self.tokens[self.at]

    def peek(self, ahead: int = 1) -> Token:
        return self.tokens[min(self.at + ahead, len(self.tokens) - 1)]

    def take(self) -> Token:
        token = self.tokens[self.at]
        self.at += token.kind != "stop"
        return token

    def is_(self, *values: str) -> bool:
        return self.token.kind in ("symbol", "command") and self.token.value.removeprefix("\\") in values

    def accept(self, *values: str) -> bool:
        if self.is_(*values):
            self.at += 1
            return True
        return False

    def expect(self, value: str) -> None:
        if self.token.kind not in ("symbol", "command") or self.token.value.lstrip("\\") != value.lstrip("\\"):
            raise Unparsable(f"{value!r} expected")
        self.at += 1

    # -- answers ------------------------------------------------------------------------------------------------------

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
        return Op("list", tuple(flat), "and" if joins == {"and"} else ",")

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
        while self.is_("cup", "cap", "setminus", "bigcup", "backslash") or (
            self.token.kind == "word" and self.token.value in ("U", "u") and self.peek().value in ("(", "[", "\\{", "{")
        ):
            name = self.take().value.removeprefix("\\")
            name = {"cup": "union", "bigcup": "union", "U": "union", "u": "union", "backslash": "setminus"}.get(
                name, name
            )
            node = Op(name, (node, self.ratio()))
        return node

    def ratio(self) -> Node:
        parts = [self.sum()]
        while self.accept(":"):
            parts.append(self.sum())
        return parts[0] if len(parts) == 1 else Op("ratio", tuple(parts))

    # -- arithmetic ---------------------------------------------------------------------------------------------------

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
        if (phrase := self.unit_phrase(left)) is not None:
            return Op("unit", (left,), phrase) if phrase else self.postfix(left)
        before = self.token
        right = self.power()
        if isinstance(left, Op) and left.name == "unit" and isinstance(right, Num):
            # `2 hours 30 minutes`
            return Op("add", (left, self.beside(right) if self.starts() else right))
        if isinstance(left, Num) and isinstance(right, Num):
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
                base = self.postfix(Op("degree", (base,)))
                continue
            if self.is_("prime"):
                self.at += 1
                base = Op("prime", (base,))
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
        written, name = self.tokens[self.at - 2], None
        if self.token.kind == "text" or self.token.kind == "word":
            name = self.take().value.strip()
        elif self.token.value == "{" and self.peek().kind in ("text", "word") and self.peek(2).value == "}":
            name = self.peek().value.strip()
            self.at += 3
        if name is not None and name.isdigit() and isinstance(node, Num):
            return _in_base(written.value, int(name))
        if name is not None:
            pass
        else:
            below = self.group() if self.token.value == "{" else self.factor()
            if isinstance(node, Num) or written.value == ")":
                if isinstance(below, Num) and below.value.denominator == 1 and isinstance(node, Num):
                    return _in_base(written.value, int(below.value))
                raise Unparsable("a subscript of a number that is no base")
            return Op("index", (node, below))
        if isinstance(node, Num):
            if name.casefold() in BASES:
                return _in_base(written.value, BASES[name.casefold()])
            raise Unparsable("a subscript of a number that is no base")
        if isinstance(node, Sym) and len(name) > 1:
            return Sym(f"{node.name}_{name}")
        return Op("index", (node, Sym(name)))

    def starts(self) -> bool:
        """Whether a factor, and so a product without a sign, may begin here."""
        kind, value, _ = self.token
        if kind in ("number", "begin", "text", "letters"):
            return not (kind == "text" and value.strip().casefold().strip(",; ") in JOINS)
        if kind == "word":
            return value.casefold() not in JOINS
        if kind == "command":
            name = value[1:]
            return name in STARTING
        return value in ("(", "[", "{", "\\{", "\\$", "€", "£", "¥") or (value == "|" and not self.bars)

    # -- factors ------------------------------------------------------------------------------------------------------

    def deeper(self, rule: "object") -> Node:
        self.depth += 1
        if self.depth > DEPTH:
            raise Unparsable("too deep")
        try:
            return rule()  # type: ignore[operator, no-any-return]
        finally:
            self.depth -= 1

    def group(self) -> Node:
        """An argument: `{...}`, or one token; of a number without braces one digit, as in `\\frac12`."""
        if self.token.value == "{":
            self.at += 1
            node = self.deeper(self.answers)
            self.expect("}")
            return node
        if self.token.kind == "number" and len(self.token.value) > 1 and self.token.value.isdigit():
            digits = self.token.value
            self.tokens[self.at] = Token("number", digits[1:], False)
            return Num(Fraction(int(digits[0])), 0, 1)
        return self.deeper(self.factor)

    def factor(self) -> Node:
        kind, value, _ = self.token
        if kind == "number":
            self.at += 1
            return _number(value)
        if kind in ("word", "letters"):
            return self.word()
        if kind == "text":
            return self.text()
        if kind == "command":
            return self.command()
        if kind == "begin":
            return self.matrix()
        if value in ("(", "[", "{", "\\{"):
            return self.deeper(self.brackets)
        if value in ("|", "\\|"):
            return self.deeper(self.bar)
        if value in CURRENCIES:
            self.at += 1
            return Op("unit", (self.signed(),), CURRENCIES[value])
        if value == "...":
            self.at += 1
            return Sym("...")
        raise Unparsable(f"{value or 'the end'!r} was not expected")

    def brackets(self) -> Node:
        opening = self.take().value
        closings = (")", "]") if opening in ("(", "[") else (CLOSING[opening],)
        bars, self.bars = self.bars, 0
        if self.token.value in closings:
            self.at += 1
            return Op("set")
        inside = self.answers()
        self.bars = bars
        if self.token.value == "|" or self.token.value in (":", "\\mid"):
            raise Unparsable("a set by its condition")
        if self.token.value not in closings:
            raise Unparsable(f"{opening!r} is not closed")
        closing = self.take().value
        several = inside.args if isinstance(inside, Op) and inside.name == "list" else None
        if opening in ("{", "\\{"):
            if several is None:
                return inside if opening == "{" else Op("set", (inside,))
            return Op("set", several)
        if several is None:
            if closing != CLOSING[opening]:
                raise Unparsable("brackets of two kinds")
            matrix = isinstance(inside, Op) and inside.name == "matrix"
            return inside if opening == "(" or matrix else Op("bracket", (inside,))
        nested = any(isinstance(item, Op) and item.name in ("tuple", "interval", "bracket", "set") for item in several)
        if len(several) == 2 and (opening, closing) != ("(", ")") and not nested:
            return Op("interval", several, opening + closing)
        return Op("tuple", several)

    def bar(self) -> Node:
        self.at += 1
        self.bars += 1
        inside = self.answers()
        self.bars -= 1
        if self.token.value not in ("|", "\\|"):
            raise Unparsable("a bar is not closed")
        self.at += 1
        return Op("abs", (inside,))

    def word(self) -> Node:
        kind, value, _ = self.take()
        if value in FUNCTIONS and kind == "word":
            return self.function(FUNCTIONS[value])
        if value in CONSTANTS:
            return Op(CONSTANTS[value])
        if value in GREEK:
            return Sym(ALIASES.get(value, value))
        if value in ("Matrix", "FiniteSet", "Interval", "Union", "Eq", "Tuple", "ImmutableMatrix") and self.token.value == "(":
            return self.sympy(value)
        if value in ("e", "i"):
            return Op(value)
        if value in ("f", "g", "h", "F", "G", "H", "P", "Q", "p", "q", "W") and self.calls and self.token.value == "(":
            inside = self.deeper(self.brackets)
            arguments = inside.args if isinstance(inside, Op) and inside.name == "tuple" else (inside,)
            return Op("apply", (Sym(value), *arguments))
        if len(value) == 1:
            return Sym(value)
        if value[:1] in "0123456789" or len(value) > 3 or not value.isascii():
            raise Unparsable(f"{value!r} is a word")
        # A product of letters: the others are factors of their own, so that a power binds to the last one alone.
        self.at -= 1
        self.tokens[self.at] = Token("letters", value[1:], False)
        return Op(value[0]) if value[0] in "ei" and value.islower() else Sym(value[0])

    def sympy(self, name: str) -> Node:
        inside = self.deeper(self.brackets)
        parts = inside.args if isinstance(inside, Op) and inside.name in ("tuple", "set") else (inside,)
        if name in ("Matrix", "ImmutableMatrix"):
            return _matrix(inside)
        if name == "Interval" and len(parts) == 2:
            return Op("interval", parts, "[]")
        if name == "Eq" and len(parts) == 2:
            return Op("chain", parts, ("=",))
        if name == "Union" and len(parts) >= 2:
            node = parts[0]
            for part in parts[1:]:
                node = Op("union", (node, part))
            return node
        return Op("tuple" if name == "Tuple" else "set", parts)

    def text(self) -> Node:
        value = self.take().value.strip()
        inner = value.strip("() .")
        if inner in FUNCTIONS:
            return self.function(FUNCTIONS[inner])
        if len(inner) == 1 and inner.isalpha():
            return Op(inner) if inner in "ei" else Sym(inner)
        if inner.isdigit():
            return _number(inner)
        raise Unparsable("words")

    def command(self) -> Node:
        name = self.take().value[1:]
        if name in ("frac", "dfrac", "tfrac", "cfrac"):
            return Op("div", (self.group(), self.group()))
        if name in ("binom", "dbinom", "tbinom"):
            return Op("binom", (self.group(), self.group()))
        if name == "sqrt":
            return self.root()
        if name in FUNCTIONS:
            return self.function(FUNCTIONS[name])
        if name in CONSTANTS:
            return Op(CONSTANTS[name])
        if name in GREEK:
            return Sym(ALIASES.get(name, name))
        if name in ("emptyset", "varnothing"):
            return Op("set")
        if name in ("lfloor", "lceil", "langle"):
            inside = self.deeper(self.answers)
            self.expect(CLOSING[name])
            if name == "langle":
                return Op("tuple", inside.args) if isinstance(inside, Op) and inside.name == "list" else inside
            return Op("floor" if name == "lfloor" else "ceil", (inside,))
        if name in ("lvert", "vert", "lVert"):
            inside = self.deeper(self.answers)
            if not self.accept("rvert", "vert", "rVert"):
                raise Unparsable("a bar is not closed")
            return Op("abs", (inside,))
        if name in ("mathbb", "Bbb"):
            inside = self.group()
            if isinstance(inside, Sym) and inside.name in SETS:
                return Op(SETS[inside.name])
            raise Unparsable("an unknown set")
        if name in WRAPPERS:
            return self.group()
        if name in IGNORED:
            return self.deeper(self.factor)
        if name in ("boxed", "fbox"):
            return self.group()
        if name in ("sum", "prod"):
            return self.series(name)
        if name in ("ldots", "dots", "cdots"):
            return Sym("...")
        raise Unparsable(f"\\{name} is unknown")

    def root(self) -> Node:
        if self.token.value == "[":
            self.at += 1
            degree = self.deeper(self.sum)
            self.expect("]")
            return Op("root", (self.group(), degree))
        if self.token.kind == "number":
            return Op("sqrt", (_number(self.take().value),))
        return Op("sqrt", (self.group(),))

    def series(self, name: str) -> Node:
        """`\\sum_{k=1}^{n} body`: data is the bound variable."""
        self.expect("_")
        self.expect("{")
        start = self.deeper(self.answer)
        self.expect("}")
        if not (
            isinstance(start, Op)
            and start.name == "chain"
            and start.data == ("=",)
            and isinstance(start.args[0], Sym)
        ):
            raise Unparsable("a sum without a bound variable")
        self.expect("^")
        end = self.group()
        return Op(name, (start.args[1], end, self.deeper(self.product)), start.args[0].name)

    def function(self, name: str) -> Node:
        """A function and its argument: in brackets, or all factors up to the next sign or function."""
        exponent = subscript = None
        for _ in range(2):
            if self.token.value == "_" and self.token.kind == "symbol" and subscript is None:
                self.at += 1
                subscript = self.group()
            elif self.is_("^", "**") and exponent is None and name not in BRACKETED:
                self.at += 1
                exponent = self.exponent()
        arguments = self.arguments(name)
        if name == "log" and subscript is not None:
            node = Op("div", (Op("ln", arguments), Op("ln", (subscript,))))
        elif name == "lg":
            node = Op("div", (Op("ln", arguments), Op("ln", (Num(Fraction(10), 0, 2),))))
        elif name == "log" and len(arguments) == 2:
            node = Op("div", (Op("ln", arguments[:1]), Op("ln", arguments[1:])))
        elif subscript is not None:
            raise Unparsable(f"a subscript of {name}")
        elif name == "ratio_of" and len(arguments) == 2:
            node = Op("div", arguments)
        elif name == "power" and len(arguments) == 2:
            node = Op("pow", arguments)
        elif name == "cbrt":
            node = Op("root", (*arguments, Num(Fraction(3), 0, 1)))
        else:
            node = Op("ln" if name == "log" else name, arguments)
        if exponent is None:
            return node
        if isinstance(exponent, Op) and exponent.name == "neg" and exponent.args == (Num(Fraction(1), 0, 1),):
            return Op(f"arc{name}", arguments)
        return Op("pow", (node, exponent))

    def arguments(self, name: str) -> tuple[Node, ...]:
        if self.token.value in ("(", "[", "{"):
            inside = self.deeper(self.brackets)
            if isinstance(inside, Op) and inside.name in ("tuple", "interval", "set", "bracket") and inside.args:
                return inside.args
            return (inside,)
        if name in BRACKETED:
            return (self.deeper(self.factor),)
        node = self.deeper(self.power if self.token.value != "-" else self.signed)
        while self.starts() and not self.begins_function() and self.token.kind != "text":
            if self.token.kind == "word" and len(self.token.value) > 1 and self.token.value not in GREEK | CONSTANTS.keys():
                break
            node = Op("mul", (node, self.deeper(self.power)))
        if self.is_("/") and isinstance(node, Num | Sym | Op) and self.peek().kind == "number":
            self.at += 1
            node = Op("div", (node, self.deeper(self.factor)))
        return (node,)

    def begins_function(self) -> bool:
        return self.token.kind in ("word", "command") and self.token.value.removeprefix("\\") in FUNCTIONS

    def matrix(self) -> Node:
        """Rows of entries; a determinant's bars make no difference to which matrix it is."""
        name = self.take().value
        if name == "cases":
            raise Unparsable("cases")
        if name not in MATRICES:
            raise Unparsable(f"the environment {name} is unknown")
        rows: list[list[Node]] = [[]]
        while self.token.kind != "end":
            if self.accept("hline"):
                continue
            if self.token.value == "\\\\":
                self.at += 1
                if rows[-1]:
                    rows.append([])
                continue
            if self.token.value == "&":
                self.at += 1
                continue
            rows[-1].append(self.deeper(self.answer))
        self.at += 1
        rows = [row for row in rows if row]
        if not rows or len({len(row) for row in rows}) > 1:
            raise Unparsable("a matrix with ragged rows")
        node = Op("matrix", tuple(Op("row", tuple(row)) for row in rows))
        return Op("det", (node,)) if name == "vmatrix" else node

    # -- units --------------------------------------------------------------------------------------------------------

    def unit_phrase(self, left: Node) -> str | None:
        """The unit that begins here, as a phrase; empty if the words are to be passed over; None without one."""
        kind, value, spaced = self.token
        if kind == "text":
            if value.strip() in ("i", "e", "d", "pi") or value.strip() in FUNCTIONS:
                return None
            phrase = value
        elif value in ("min", "mins", "ft", "in") and isinstance(left, Num) and self.peek().value not in ("(", "{"):
            phrase = value
        elif kind == "word" and value not in FUNCTIONS and value not in GREEK and value not in CONSTANTS:
            single = len(value) == 1 and value.isascii()
            if single and not (
                spaced
                and isinstance(left, Num)
                and is_unit(value)
                and (self.peek().kind == "stop" or self.peek().value in ("^", "/", "²"))
            ):
                return None
            if not single and value.isascii() and len(value) <= 3 and not is_unit(value):
                return None
            phrase = value
        else:
            return None
        if phrase.strip().casefold().strip(",; ") in JOINS:
            return None
        if isinstance(left, Op) and left.name in ("chain", "list"):
            return None
        self.at += 1
        while True:
            kind, value, _ = self.token
            if kind in ("word", "text") and value.strip().casefold().strip(",; ") not in JOINS:
                phrase += " " + value
            elif value in ("^", "**") and self.peek().kind == "number":
                phrase += "^" + self.peek().value
                self.at += 1
            elif value in ("^", "**") and self.peek().value == "{":
                power = ""
                self.at += 2
                while self.token.value != "}" and self.token.kind != "stop":
                    power += self.take().value
                phrase += "^" + power
            elif value in ("/", "\\cdot", "*", "-") and self.peek().kind in ("word", "text") and kind != "stop":
                phrase += "/" if value == "/" else " "
            elif value == "." and kind == "symbol":
                pass
            else:
                break
            self.at += 1
        plain = phrase.strip().casefold()
        if plain in PERCENT or plain == "per cent":
            self.tokens.insert(self.at, Token("symbol", "%", False))
            return ""
        return phrase

    def skip(self, *values: str) -> bool:
        """Passes over these tokens if they all stand here."""
        if any(self.peek(ahead).value != value for ahead, value in enumerate(values)):
            return False
        self.at += len(values)
        return True


STARTING = (
    FUNCTIONS.keys()
    | CONSTANTS.keys()
    | GREEK
    | WRAPPERS
    | {"frac", "dfrac", "tfrac", "cfrac", "binom", "dbinom", "tbinom", "sqrt", "lfloor", "lceil", "lvert", "vert"}
    | {"sum", "prod", "mathbb", "angle", "boxed", "langle"}
)


def _whole(node: Node) -> bool:
    return isinstance(node, Num) and node.value.denominator == 1


def _proper(node: Node) -> bool:
    """A fraction of two integers that is less than one: what makes the integer before it a mixed number."""
    if not (isinstance(node, Op) and node.name == "div"):
        return False
    top, bottom = node.args
    return isinstance(top, Num) and isinstance(bottom, Num) and _whole(top) and _whole(bottom) and top.value < bottom.value


def _number(written: str) -> Num:
    if len(written) > 1_000:
        raise Unparsable("a number of more than a thousand digits")
    _, _, behind = written.partition(".")
    return Num(Fraction(written), len(behind), len(written.replace(".", "").lstrip("0")))


def _in_base(written: str, base: int) -> Node:
    return Op("base", (), (written.lstrip("0") or "0", base))


def _matrix(node: Node) -> Node:
    rows = node.args if isinstance(node, Op) and node.name in ("tuple", "interval", "bracket") else (node,)
    found = []
    for row in rows:
        inner = isinstance(row, Op) and row.name in ("tuple", "interval", "bracket")
        found.append(Op("row", row.args if inner else (row,)))  # type: ignore[union-attr]
    return Op("matrix", tuple(found))
