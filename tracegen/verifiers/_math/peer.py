"""Math-Verify, asked about what the parser of this package cannot read: integrals, limits, case distinctions.

https://github.com/huggingface/Math-Verify; gold first, numbers to 6 decimals, its alarms off: the judge kills a worker
that overstays. Text reaches only its LaTeX grammar, within limits that keep the grammar under a second.
"""

import logging
import re
from functools import cache
from typing import Any

from tracegen.verifiers._math.text import clean, nesting

LENGTH = 300
DEPTH = 10
"""Measured: at 20 brackets inside each other the grammar takes one to two seconds, at 900 minutes."""
_OPERATORS = re.compile(r"\\(?:i*int|lim|sum|prod|oint)(?![A-Za-z])")
"""What sympy would set out to compute: only where the gold is written with it too."""
TOWER = 2
"""Powers of powers; sympy computes a tower of three."""


def equal(gold: str, answer: str) -> bool | None:
    """Whether Math-Verify takes both for one value; None where it reads one of them as nothing."""
    texts = [clean(gold), clean(answer)]
    if set(_OPERATORS.findall(texts[1])) - set(_OPERATORS.findall(texts[0])):
        return None
    if any(len(text) > LENGTH or nesting(text) > DEPTH or text.count("^") > 2 * TOWER or "!" in text for text in texts):
        return None
    parse, verify, config = _math_verify()
    left, right = (
        parse(f"${text}$", extraction_config=[config], fallback_mode="no_fallback", parsing_timeout=None)
        for text in texts
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
