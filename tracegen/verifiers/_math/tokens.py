"""An answer's text as tokens, one pass with one regular expression; at most `LIMIT` of them."""

import re
from typing import NamedTuple

from tracegen.verifiers._math.nodes import Unparsable

LIMIT = 1_500
"""Tokens; the longest gold answer of MATH-500 has under a hundred."""

_TOKEN = re.compile(
    r"(?P<number>\d+(?:\.\d+)?|\.\d+)"
    r"|\\(?:text|mbox|hbox|textbf|textit|textrm|texttt|textsf|textnormal|mathrm|mathbf|mathit|mathsf|boldsymbol|rm|bf"
    r"|operatorname\*?)\s*\{(?P<text>[^{}]*)\}"
    r"|\\begin\s*\{(?P<begin>[A-Za-z]+)\*?\}(?:\s*\{[clr| ]*\})?"
    r"|\\end\s*\{(?P<end>[A-Za-z]+)\*?\}"
    r"|(?P<command>\\[A-Za-z]+)"
    r"|(?P<word>[^\W\d_]+)"
    r"|(?P<symbol>\*\*|<=|>=|=<|=>|==|!=|:=|\\\\|\\[{}|%$&#_-]|\.{3}|\S)"
)


class Token(NamedTuple):
    kind: str
    """`number`, `text`, `begin`, `end`, `command`, `word`, `symbol`; at the end of the answer `stop`."""
    value: str
    spaced: bool
    """Whether white space stands before it."""


def tokens(text: str) -> list[Token]:
    """The tokens of a cleaned answer, closed by `stop`; Unparsable beyond the limit."""
    found = []
    end = 0
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup or "symbol"
        found.append(Token(kind, match.group(kind), match.start() > end))
        end = match.end()
        if len(found) > LIMIT:
            raise Unparsable("too many tokens")
    return [*found, Token("stop", "", True)]
