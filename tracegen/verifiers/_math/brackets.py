"""What stands in brackets: groups, tuples, sets, intervals, absolute values, matrices."""

from tracegen.verifiers._math.cursor import Cursor
from tracegen.verifiers._math.nodes import Node, Op, Unparsable, has
from tracegen.verifiers._math.text import words

CLOSING = {"(": ")", "[": "]", "{": "}", "\\{": "\\}", "langle": "rangle", "lfloor": "rfloor", "lceil": "rceil"}
MATRICES = {"pmatrix", "bmatrix", "matrix", "array", "vmatrix", "smallmatrix", "Bmatrix", "Vmatrix"}


class Brackets(Cursor):
    """Factors that open and close."""

    def brackets(self) -> Node:
        opening = self.take().value
        closings = (")", "]") if opening in ("(", "[") else (CLOSING[opening],)
        bars, self.bars = self.bars, 0
        if self.token.value in closings:
            self.at += 1
            return Op("set")
        condition = self.condition() if opening in ("{", "\\{") else None
        inside = condition or self.answers()
        self.bars = bars
        if self.token.value not in closings:
            raise Unparsable(f"{opening!r} is not closed")
        closing = self.take().value
        if condition:
            return Op("list", condition.args, "and") if condition.name == "list" else condition
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

    def condition(self) -> Op | None:
        """What follows `x \\in \\mathbb{R} :` in a set that is given by a condition; None if none is."""
        start = self.at
        if self.token.kind == "word" and len(self.take().value) == 1:
            if self.accept("in"):
                self.factor()
            if self.accept("|", ":", "mid", "vert"):
                found = self.answers()
                if isinstance(found, Op):
                    return found
        self.at = start
        return None

    def bar(self) -> Node:
        self.at += 1
        self.bars += 1
        inside = self.answers()
        self.bars -= 1
        if self.token.value not in ("|", "\\|"):
            raise Unparsable("a bar is not closed")
        self.at += 1
        return Op("abs", (inside,))

    def matrix(self) -> Node:
        """Rows of entries; a determinant's bars make no difference to which matrix it is."""
        name = self.take().value
        if name not in MATRICES and name != "cases":
            raise Unparsable(f"the environment {name} is unknown")
        if name == "cases" and (found := self.piecewise()):
            return found
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
        if name == "cases":
            return Op("list", tuple(row[0] for row in rows), ",")
        node = Op("matrix", tuple(Op("row", tuple(row)) for row in rows))
        return Op("det", (node,)) if name == "vmatrix" else node

    def piecewise(self) -> Op | None:
        """A function by cases, `value & condition` a row; None if the rows have no conditions."""
        start, cases = self.at, list[Node]()
        while self.token.kind not in ("end", "stop"):
            value = self.deeper(self.sum)
            self.accept(",")
            if not self.accept("&"):
                self.at = start
                return None
            cases.append(Op("case", (value, self.condition_of_case())))
            if self.token.value == "\\\\":
                self.at += 1
        self.at += 1
        return Op("set", tuple(cases))

    def condition_of_case(self) -> Node:
        """What stands behind the `&`: an answer, or words without `if`."""
        while self.token.kind in ("text", "word") and self.token.value.strip().casefold() in ("if", "for", "when"):
            self.at += 1
        start = self.at
        try:
            found = self.answer()
            while self.accept(".", ",", ";"):
                pass
            # `n even` reads as a quantity; it is words.
            if (self.token.value == "\\\\" or self.token.kind == "end") and not has(found, "unit"):
                return found
        except Unparsable:
            pass
        self.at, said = start, ""
        while self.token.value != "\\\\" and self.token.kind not in ("end", "stop"):
            said += self.take().value + " "
        return Op("text", (), " ".join(word for word in words(said).split() if word not in ("is", "if")))
