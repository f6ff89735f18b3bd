"""Does the answer match a regular expression?

Rule: the last box, else the last answer tag, else the whole response, is put before `pattern`, or before the gold
answer where there is no `pattern`. With both, what `group` caught must be the gold answer, runs of white space aside.
Patterns are the user's and in Python's own syntax (`re`); answers are a model's, and one may take a pattern for ever:
the judge's deadline ends that, as an `error`.
Reasons: matches, equal, different, no_match, no_answer, truncated; of the gold no_gold, bad_gold.
"""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator

from tracegen.records import Problem, Trace, Verdict
from tracegen.verifiers._answer import marked

VERSION = "1"


def _compiles(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"it is no regular expression ({error})") from None
    return pattern


def regex(
    problem: Problem,
    response: str,
    *,
    trace: Trace | None = None,
    pattern: Annotated[str, AfterValidator(_compiles)] | None = None,
    match: Literal["full", "search"] = "full",
    group: int | str = 0,
    ignore_case: bool = False,
    whole: bool = False,
) -> Verdict:
    """Matches a pattern: the recipe's, or the gold answer itself. `whole` looks at the whole response."""
    gold = problem.answer if problem.answer and problem.answer.strip() else None
    rule = gold if pattern is None else pattern
    if rule is None:
        return Verdict("unverifiable", reason="no_gold")
    try:
        compiled = re.compile(rule, re.IGNORECASE if ignore_case else 0)
    except re.error as error:
        return Verdict("unverifiable", reason="bad_gold", detail=str(error))
    if trace is not None and trace.status == "truncated":
        return Verdict("wrong", reason="truncated")
    inside = None if whole else marked(response)
    answer = (response if inside is None else inside).strip()
    if not answer:
        return Verdict("wrong", reason="no_answer")
    found = compiled.fullmatch(answer) if match == "full" else compiled.search(answer)
    if found is None:
        return Verdict("wrong", answer, "no_match")
    if pattern is None or gold is None:
        return Verdict("right", found.group(), "matches")
    caught = found.group(group) or ""
    right = _spaced(caught, ignore_case) == _spaced(gold, ignore_case)
    return Verdict("right" if right else "wrong", caught, "equal" if right else "different")


def gold_is_answer(problem: Problem, *, pattern: str | None = None, **_: object) -> bool:
    """A pattern need not match itself."""
    return pattern is None and not problem.answer


def _spaced(text: str, ignore_case: bool) -> str:
    text = " ".join(text.split())
    return text.casefold() if ignore_case else text
