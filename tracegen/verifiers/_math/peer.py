"""Math-Verify, asked about what the parser of this package cannot read: integrals, limits, case distinctions.

https://github.com/huggingface/Math-Verify; gold first, numbers to 6 decimals, its alarms off: the judge kills a worker
that overstays. Text reaches only its LaTeX grammar, within limits that keep the grammar under a second.
"""

import logging
import re
from functools import cache
from typing import Any

from tracegen.verifiers._math.names import RELATIONS
from tracegen.verifiers._math.parse import STARTING
from tracegen.verifiers._math.read import read
from tracegen.verifiers._math.text import nesting

LENGTH = 300
DEPTH = 10
"""Measured: at 20 brackets inside each other the grammar takes one to two seconds, at 900 minutes."""
_COMMAND = re.compile(r"\\([A-Za-z]+)")
_OPERATORS = {"int", "iint", "iiint", "oint", "lim", "sum", "prod"}
"""What sympy would set out to compute: only where the gold is written with it too."""
_READABLE = (
    _OPERATORS
    | STARTING
    | RELATIONS.keys()
    | {
        *(
            "begin",
            "end",
            "cdot",
            "times",
            "div",
            "pm",
            "mp",
            "mod",
            "pmod",
            "bmod",
            "partial",
            "nabla",
            "text",
            "mathrm",
        ),
        *(
            "operatorname",
            "cup",
            "cap",
            "setminus",
            "circ",
            "prime",
            "ldots",
            "dots",
            "cdots",
            "mathbf",
            "emptyset",
            "forall",
        ),
    }
)
_UNREAD = _OPERATORS | {"begin", "partial", "nabla", "forall"}
"""A side that our parser cannot read must hold one of these: anything else is no mathematics for sympy either."""
_LARGE = re.compile(r"\d{13}|\^\s*\{?\s*-?\d{3}|\^\s*\{[^{}]*\^|\^[^^]*\^[^^]*\^|!")
"""Numbers and powers that sympy would compute to the last digit."""


def equal(gold: str, answer: str) -> bool | None:
    """Whether Math-Verify takes two cleaned answers for one value; None where it may not or cannot read one of them."""
    written, given = (set(_COMMAND.findall(text)) for text in (gold, answer))
    if (written | given) - _READABLE or (given & _OPERATORS) - written:
        return None
    if any(not read(text) and not commands & _UNREAD for text, commands in ((gold, written), (answer, given))):
        return None
    if any(text.count("\\begin") != text.count("\\end") for text in (gold, answer)):
        return None
    if any(len(text) > LENGTH or nesting(text) > DEPTH or _LARGE.search(text) for text in (gold, answer)):
        return None
    parse, verify, config = _math_verify()
    left, right = (
        parse(f"${text}$", extraction_config=[config], fallback_mode="no_fallback", parsing_timeout=None)
        for text in (gold, answer)
    )
    return bool(verify(left, right, timeout_seconds=None)) if left and right else None


def warm() -> None:
    """Pays for imports and grammar tables before any deadline runs."""
    equal(r"\int_0^1 x\,dx", r"\frac{1}{2}")


@cache
def _math_verify() -> tuple[Any, Any, Any]:
    from math_verify import LatexExtractionConfig, parse, verify

    # It warns once that its alarms are off; here they are off on purpose.
    logging.getLogger("math_verify").setLevel(logging.ERROR)
    return parse, verify, LatexExtractionConfig()
