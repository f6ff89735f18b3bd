"""Is the final answer, as mathematics, the gold answer?

Rule: the final answer (`_answer.final`: last box first) is compared with the gold answer as a plain number, as words,
and only then by Math-Verify (https://github.com/huggingface/Math-Verify), gold first, numbers to 6 decimals.
Math-Verify's own alarms are off: the judge kills a worker that overstays. Text of the model is never evaluated; beyond
plain numbers and words it only reaches a LaTeX grammar, cut at `LIMIT` characters.
Reasons: equal, different, unparsable, no_answer, no_gold, too_long, too_deep, truncated.
"""

import logging
from functools import cache
from typing import Any

from tracegen.records import Problem, Trace, Verdict
from tracegen.verifiers._answer import final, marked
from tracegen.verifiers._latex import dressed_down, latex, nesting, number, words

VERSION = "1"
PACKAGES = ("math-verify", "latex2sympy2_extended", "sympy")

LIMIT = 2_000
"""Characters of an answer that are parsed; the longest gold answers of competition sets stay under a few hundred."""
DEPTH = 20
"""Brackets inside brackets that are parsed; measured: at 20 the grammar takes one to two seconds, at 900 minutes."""
ROUNDED = 1e-5
"""Plain numbers further apart than this differ for Math-Verify too, which rounds to 6 decimals."""


def math(problem: Problem, response: str, *, trace: Trace | None = None) -> Verdict:
    """The last boxed (else the announced) answer equals the gold answer as a number, as words or as an expression."""
    gold = _gold(problem.answer)
    answer = final(response)
    if not gold:
        return Verdict("unverifiable", answer, "no_gold")
    if trace is not None and trace.status == "truncated":
        return Verdict("wrong", answer, "truncated")
    if answer is None and dressed_down(response) == gold:
        answer = response
    if not answer:
        return Verdict("wrong", None, "no_answer")
    if len(answer) > LIMIT:
        return Verdict("wrong", answer[:LIMIT], "too_long")
    plain = dressed_down(answer)
    right = _equal_as_plain(gold, plain)
    if right is None:
        return _compared(gold, plain, answer)
    return Verdict("right", answer, "equal") if right else Verdict("wrong", answer, "different")


def warm() -> None:
    """Pays for imports and grammar tables before any deadline runs."""
    _math_verify()[1](_parsed("x^2"), _parsed(r"\frac{1}{2}"), timeout_seconds=None)


def _gold(text: str | None) -> str:
    """The gold answer without its dress; a worked solution as gold gives the answer that it marks."""
    text = text or ""
    if "####" in text:  # GSM8K closes its solutions so.
        text = text.rsplit("####", 1)[1]
    inside = marked(text)
    return dressed_down(text if inside is None else inside)


def _equal_as_plain(gold: str, answer: str) -> bool | None:
    """Decided without algebra: equal text, two plain numbers, or words; None where it takes a parser."""
    if gold == answer:
        return True
    if (gold_words := words(gold)) is not None:
        return gold_words == words(answer)
    left, right = number(gold), number(answer)
    if left is None or right is None:
        return None
    if left == right:
        return True
    return False if abs(left - right) > ROUNDED else None


def _compared(gold: str, answer: str, shown: str) -> Verdict:
    if not (parsed_gold := _parsed(gold)):
        return Verdict("unverifiable", shown, "no_gold")
    if nesting(answer) > DEPTH:
        return Verdict("wrong", shown, "too_deep")
    if not (parsed_answer := _parsed(answer)):
        return Verdict("wrong", shown, "unparsable")
    equal = _math_verify()[1](parsed_gold, parsed_answer, timeout_seconds=None)
    return Verdict("right", shown, "equal") if equal else Verdict("wrong", shown, "different")


def _parsed(text: str) -> list[Any]:
    parse, _, config = _math_verify()
    found: list[Any] = parse(
        f"${latex(text)}$", extraction_config=[config], fallback_mode="no_fallback", parsing_timeout=None
    )
    return found


@cache
def _math_verify() -> tuple[Any, Any, Any]:
    from math_verify import LatexExtractionConfig, parse, verify

    # It warns once that its alarms are off; here they are off on purpose.
    logging.getLogger("math_verify").setLevel(logging.ERROR)
    return parse, verify, LatexExtractionConfig()
