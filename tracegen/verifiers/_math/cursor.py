"""Where a parser stands in its tokens, and the rules of the grammar that its rooms call in each other."""

from collections.abc import Callable

from tracegen.verifiers._math.nodes import Node, Unparsable
from tracegen.verifiers._math.tokens import Token

DEPTH = 40
"""Brackets, roots and powers inside each other."""


class Cursor:
    """The tokens and a place in them; `bars` counts the absolute values that are open."""

    def __init__(self, found: list[Token], calls: bool) -> None:
        self.tokens, self.at, self.depth, self.bars, self.calls = found, 0, 0, 0, calls

    @property
    def token(self) -> Token:
        return self.tokens[min(self.at, len(self.tokens) - 1)]

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

    def skip(self, *values: str) -> bool:
        """Passes over these tokens if they all stand here."""
        if any(self.peek(ahead).value != value for ahead, value in enumerate(values)):
            return False
        self.at += len(values)
        return True

    def deeper(self, rule: Callable[[], Node]) -> Node:
        """A rule one level down; Unparsable beyond the limit."""
        self.depth += 1
        if self.depth > DEPTH:
            raise Unparsable("too deep")
        try:
            return rule()
        finally:
            self.depth -= 1

    # Rules: `parse` has the grammar's upper half, `factors` the lower one.

    def answers(self) -> Node:
        raise NotImplementedError

    def answer(self) -> Node:
        raise NotImplementedError

    def sum(self) -> Node:
        raise NotImplementedError

    def product(self) -> Node:
        raise NotImplementedError

    def signed(self) -> Node:
        raise NotImplementedError

    def power(self) -> Node:
        raise NotImplementedError

    def exponent(self) -> Node:
        raise NotImplementedError

    def starts(self) -> bool:
        raise NotImplementedError

    def factor(self) -> Node:
        raise NotImplementedError
