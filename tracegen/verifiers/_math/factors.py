"""The lower half of the grammar: numbers, names, brackets, functions, roots, matrices."""

from fractions import Fraction

from tracegen.verifiers._math.brackets import CLOSING, Brackets
from tracegen.verifiers._math.names import (
    ALIASES,
    BRACKETED,
    CONSTANTS,
    FUNCTIONS,
    GREEK,
    IGNORED,
    SETS,
    WRAPPERS,
)
from tracegen.verifiers._math.nodes import Node, Num, Op, Sym, Unparsable
from tracegen.verifiers._math.phrases import CURRENCIES
from tracegen.verifiers._math.tokens import Token

CALLED = set("fghpqFGHPQW")
"""Letters that are functions where a bracket follows; `read` tries them as factors too."""


class Factors(Brackets):
    """What a factor can be."""

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
            return number(value)
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

    def word(self) -> Node:
        kind, value, _ = self.take()
        if value in FUNCTIONS and kind == "word":
            return self.function(FUNCTIONS[value])
        if value in CONSTANTS:
            return Op(CONSTANTS[value])
        if value in GREEK:
            return Sym(ALIASES.get(value, value))
        if (
            value in ("Matrix", "FiniteSet", "Interval", "Union", "Eq", "Tuple", "ImmutableMatrix")
            and self.token.value == "("
        ):
            return self.sympy(value)
        if value in ("e", "i"):
            return Op(value)
        if (
            len(value) == 1
            and [self.peek(ahead).kind for ahead in (0, 1)] == ["symbol", "number"]
            and (self.token.value == "(" and self.peek(2).value == ")")
        ):
            return Op("apply", (Sym(value), self.deeper(self.brackets)))
        if value in CALLED and self.calls and self.token.value == "(":
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
            return number(inner)
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
            return Op("sqrt", (number(self.take().value),))
        return Op("sqrt", (self.group(),))

    def series(self, name: str) -> Node:
        """`\\sum_{k=1}^{n} body`: data is the bound variable."""
        self.expect("_")
        self.expect("{")
        start = self.deeper(self.answer)
        self.expect("}")
        if not (
            isinstance(start, Op) and start.name == "chain" and start.data == ("=",) and isinstance(start.args[0], Sym)
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
        if self.token.value in ("(", "[", "{", "\\{"):
            inside = self.deeper(self.brackets)
            if isinstance(inside, Op) and inside.name in ("tuple", "interval", "set", "bracket") and inside.args:
                return inside.args
            return (inside,)
        if name in BRACKETED:
            return (self.deeper(self.factor),)
        node = self.deeper(self.power if self.token.value != "-" else self.signed)
        while self.starts() and not self.begins_function() and self.token.kind != "text":
            if (
                self.token.kind == "word"
                and len(self.token.value) > 1
                and self.token.value not in GREEK | CONSTANTS.keys()
            ):
                break
            node = Op("mul", (node, self.deeper(self.power)))
        if self.is_("/") and isinstance(node, Num | Sym | Op) and self.peek().kind == "number":
            self.at += 1
            node = Op("div", (node, self.deeper(self.factor)))
        return (node,)

    def begins_function(self) -> bool:
        return self.token.kind in ("word", "command") and self.token.value.removeprefix("\\") in FUNCTIONS


def number(written: str) -> Num:
    if len(written) > 1_000:
        raise Unparsable("a number of more than a thousand digits")
    _, _, behind = written.partition(".")
    return Num(Fraction(written), len(behind), len(written.replace(".", "").lstrip("0")))


def _matrix(node: Node) -> Node:
    rows = node.args if isinstance(node, Op) and node.name in ("tuple", "interval", "bracket") else (node,)
    found = []
    for row in rows:
        inner = isinstance(row, Op) and row.name in ("tuple", "interval", "bracket")
        found.append(Op("row", row.args if inner else (row,)))  # type: ignore[union-attr]
    return Op("matrix", tuple(found))
