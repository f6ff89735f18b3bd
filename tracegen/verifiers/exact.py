"""Is the answer, letter for letter, the gold answer?

Rule: the last box, else the last answer tag, else the whole response, compared as text after Unicode NFC and with runs
of white space made one space. Nothing is understood: `1/2` is not `0.5`, a sentence around the answer is wrong.
Reasons: equal, different, no_answer, truncated; of the gold no_gold.
"""

import unicodedata

from tracegen.records import Problem, Trace, Verdict
from tracegen.verifiers._answer import marked

VERSION = "2"


def exact(problem: Problem, response: str, *, trace: Trace | None = None, ignore_case: bool = True) -> Verdict:
    """Equal as text, white space and (unless told otherwise) letter case aside."""
    gold, answer = (_shown(text, ignore_case) for text in (problem.answer or "", response))
    if not gold:
        return Verdict("unverifiable", answer, "no_gold")
    if trace is not None and trace.status == "truncated":
        return Verdict("wrong", answer, "truncated")
    if not answer:
        return Verdict("wrong", None, "no_answer")
    return Verdict("right", answer, "equal") if answer == gold else Verdict("wrong", answer, "different")


def _shown(text: str, ignore_case: bool) -> str:
    inside = marked(text)
    text = " ".join(unicodedata.normalize("NFC", text if inside is None else inside).split())
    return text.casefold() if ignore_case else text
