"""Is the final answer, as mathematics, the gold answer?

Rule: the final answer (`_answer.find`: the last box first) and the gold answer are read by a parser of our own as typed
values and compared under named conventions (`_math.compare`); what it cannot read goes to Math-Verify
(https://github.com/huggingface/Math-Verify). Text of the model is never evaluated, and limits stand before every step.
Outcomes: `unverifiable` speaks of the gold alone.
Reasons: equal, different, unparsable, no_answer, truncated, too_long; of the gold no_gold, figure, proof, broken_gold.
"""

import re
from typing import Any, Literal

from tracegen.records import Problem, Trace, Verdict
from tracegen.verifiers import _answer
from tracegen.verifiers._cues import PROSE
from tracegen.verifiers._marks import Found
from tracegen.verifiers._math import compare, peer
from tracegen.verifiers._math.conventions import DEFAULT, Conventions
from tracegen.verifiers._math.nodes import Op
from tracegen.verifiers._math.read import read, wordy
from tracegen.verifiers._math.text import clean, unwrapped, words

VERSION = "2"
PACKAGES = ("math-verify", "latex2sympy2_extended", "sympy", "mpmath")

LIMIT = 2_000
"""Characters of an answer that are read; the longest gold answers of competition sets stay under a few hundred."""
_LETTER = re.compile(
    r"(?:(?:option|choice|answer)\s+)?\(?\s*([A-Za-z])\s*\)?\s*(?:[.):]\s*.*|\s(?:is|because)\b.*)?",
    re.IGNORECASE | re.DOTALL,
)
_FIGURE = re.compile(
    r"\[asy\]|\\includegraphics|\\begin\{(?:tikz|asy|figure)|!\[[^\]]*\]\(|<img\b"
    r"|^\W*(?:as shown in|see) (?:the )?(?:figure|graph|diagram)",
    re.IGNORECASE,
)
_HEDGED = re.compile(r"\b(?:not|no|never|or|and|isn|neither|but|cannot|can|unsure|maybe|n t)\b")
_PROOF = re.compile(
    r"^\W*(?:proof|see (?:the )?(?:proof|solution|explanation)|proven?|q\.?e\.?d\.?|证明|略|доказательство)\b[.:\s]?",
    re.IGNORECASE,
)

_PAIRS = (("{", "}"), (r"\\left\b", r"\\right\b"), (r"\\begin\b", r"\\end\b"))
_CUT_OFF = re.compile(r"\\(?:frac|sqrt|boxed|left|right)\s*$")


def math(
    problem: Problem,
    response: str,
    *,
    trace: Trace | None = None,
    tolerance: float = 0.0,
    percent: Literal["both", "ignore", "value"] = "both",
    units: Literal["lenient", "strict", "ignore"] = "lenient",
    form: Literal["value", "simplified"] = "value",
    order: bool = False,
    case: bool = False,
) -> Verdict:
    """The last boxed (else the announced) answer equals the gold answer as a number, as words or as an expression."""
    conventions = Conventions(tolerance, percent, units, form, order, case)
    gold = _gold(problem.answer or "")
    found = _answer.find(response)
    shown: dict[str, Any] = {}
    if found:
        shown = {"answer": found.text[:LIMIT], "place": found.place, "span": (found.start, found.end)}
    if reason := unusable(gold):
        return Verdict("unverifiable", reason=reason, **shown)
    if trace is not None and trace.status == "truncated":
        return Verdict("wrong", reason="truncated", **shown)
    if (found is None or found.place in ("whole", "last_line", "sentence")) and _says(response, gold):
        found = Found(gold, "whole", 0, len(response))
        shown = {"answer": response.strip()[:LIMIT], "place": "whole", "span": (0, len(response))}
    if response.strip() == gold.strip():
        found = Found(gold, "whole", 0, len(response))
        shown = {"answer": gold, "place": "whole", "span": (0, len(response))}
    if found is None or not found.text.strip():
        return Verdict("wrong", reason="no_answer", **shown)
    if len(found.text) > LIMIT:
        return Verdict("wrong", reason="too_long", **shown)
    reason = _judged(gold, found, conventions)
    return Verdict("right" if reason == "equal" else "wrong", reason=reason, **shown)


def equal(gold: str, answer: str, conventions: Conventions = DEFAULT) -> bool:
    """Whether two answers are the same, the first one deciding what is asked for."""
    return _equal(gold, answer, conventions) == "equal"


def unusable(gold: str) -> str | None:
    """Why a gold answer cannot be used, as a reason; None if it can."""
    if len(gold) > LIMIT:
        return "too_long"
    if not clean(gold):
        return "no_gold"
    if _FIGURE.search(gold):
        return "figure"
    if _PROOF.search(gold):
        return "proof"
    if not re.search(
        r"[^\W_]|\\(?:emptyset|varnothing|infty)|∅|∞|^\s*\\\{\s*\\\}\s*$",
        re.sub(r"\\(?:text|boxed|mathrm|mbox)\b|(?<!\\)[{}]", "", gold),
    ):
        return "no_gold"
    bare = re.sub(r"\\[{}\\]", " ", gold)
    uneven = any(len(re.findall(opening, bare)) != len(re.findall(closing, bare)) for opening, closing in _PAIRS)
    return "broken_gold" if uneven or _CUT_OFF.search(gold) else None


def warm() -> None:
    """Pays for imports and grammar tables before any deadline runs."""
    equal(r"\frac{1}{2}", "0.5")
    peer.warm()


def _gold(text: str) -> str:
    """The gold answer without its dress; a worked solution as gold gives the answer that it marks, all its boxes."""
    if "####" in text:  # GSM8K closes its solutions so.
        text = text.rsplit("####", 1)[1]
    unescaped = re.sub(r"\\\\(?=boxed)", lambda _: "\\", text)
    dressed = "\\boxed" in unescaped or "<answer>" in unescaped or len(PROSE.findall(unescaped)) > 1
    found = _answer.find(unescaped) if dressed else None
    if found is not None and found.place not in ("box", "tag", "sentence"):
        found = None
    if found is None or not found.text.strip():
        return unescaped
    return found.several or found.text


def _says(response: str, gold: str) -> bool:
    """Whether a short response is the gold's words, or one sentence around them (`It falls on a Tuesday.`)."""
    if len(response) > _answer.BARE or "\\boxed" in response or not wordy(cleaned := clean(gold), 0.5):
        return False
    said, wanted = words(clean(response)), words(cleaned)
    if said == wanted and not any(character.isdigit() for character in wanted):
        return True
    if not wordy(cleaned) or len(wanted) < 3 or "\n" in response.strip() or _HEDGED.search(said.replace(wanted, "")):
        return False
    return f" {wanted} " in f" {said} "


def _judged(gold: str, found: Found, conventions: Conventions) -> str:
    reason = _equal(gold, found.text, conventions)
    if reason != "equal" and found.several is not None and _many(gold):
        return _equal(gold, found.several, conventions)
    return reason


def _many(gold: str) -> bool:
    """Whether the gold lists several answers."""
    nodes = read(gold)
    several = any(isinstance(node, Op) and node.name in ("list", "set", "tuple", "chain") for node in nodes)
    return several or (bool(nodes) and "\\pm" in gold)


def _equal(gold: str, answer: str, conventions: Conventions) -> str:
    """`equal`, `different` or `unparsable`."""
    left, right = clean(gold), clean(answer)
    if left == right and left:
        return "equal"
    if conventions.case and words(left) == words(right) and wordy(left):
        return "different"
    if (letter := _letter(left)) and (given := _LETTER.fullmatch(_plain(right))):
        return "equal" if letter == given.group(1).upper() else "different"
    same = compare.equal(gold, answer, conventions)
    unread = not read(gold) or not read(answer)
    if unread and conventions.form == "value" and not (wordy(left, 0.5) or wordy(right, 0.5)):
        same = peer.equal(left, right)
    if same is None and wordy(left, 0.5) and words(left) == words(right):
        same = True
    if same is None:
        return "unparsable" if not read(answer) else "different"
    return "equal" if same else "different"


def _letter(gold: str) -> str | None:
    """The letter of a multiple-choice gold such as `C`, `(C)` or `\\text{(C)}`."""
    found = re.fullmatch(r"\(?\s*([A-J])\s*\)?\.?(?:(?<=[.)])\s+\S.*)?", _plain(gold), re.DOTALL)
    return found.group(1) if found else None


def _plain(text: str) -> str:
    return unwrapped(text).strip(" {}\\").strip()
