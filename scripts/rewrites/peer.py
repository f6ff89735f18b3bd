"""math-verify by itself, as it is mostly used: one process, the gold first, bare strings wrapped in dollars."""

import logging
from collections.abc import Iterable, Iterator

MARKED = ("$", r"\(", r"\[", "boxed")
"""Text with one of these is given as it is: math-verify looks for LaTeX inside of them."""


def judged(pairs: Iterable[tuple[str, str]]) -> Iterator[bool]:
    """Its verdicts in order, with its own time limits (an alarm of five seconds: main thread only)."""
    from math_verify import parse, verify

    logging.getLogger("math_verify").setLevel(logging.CRITICAL)
    for gold, pred in pairs:
        try:
            yield bool(verify(parse(wrapped(gold)), parse(wrapped(pred))))
        except (TimeoutError, ValueError, TypeError, RecursionError):
            yield False


def wrapped(text: str) -> str:
    return text if any(mark in text for mark in MARKED) else f"${text}$"
