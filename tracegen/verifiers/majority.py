"""Does the trace agree with most of its siblings? A vote instead of a gold answer.

Rule: self-consistency (Wang et al. 2022, arXiv:2203.11171). Every trace of the problem that came to a final answer has
a vote; answers that are equal as mathematics are one. The answer with most votes wins where it has `min_share` of them
and nobody has as many; otherwise the problem is `unverifiable`. The gold answer is never looked at.
`count` says whose votes: those of the trace's own teacher (`own`), of all teachers, each trace alike (`traces`), or of
all teachers, each teacher alike (`teachers`).
The vote needs all traces of a problem, so it is held when sampling has ended, and again whenever they have changed.
Reasons: agrees, disagrees, no_answer, truncated; no_siblings, too_few_votes, no_majority.
Limits: the answers of a problem are compared in one go, so one that takes too long costs the whole vote.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import Field

from tracegen.records import Problem, Trace, Verdict
from tracegen.verifiers import _answer, math

VERSION = f"1 with math {math.VERSION}"
PACKAGES = math.PACKAGES

warm = math.warm

_REFUSAL = re.compile(
    r"\b(?:cannot|can't|can not|unable|sorry|don't know|do not know|not sure|no idea|impossible to say)\b",
    re.IGNORECASE,
)
"""Many that cannot say are no majority for an answer."""


def majority(
    problem: Problem,
    response: str,
    *,
    trace: Trace | None = None,
    siblings: Sequence[Trace] = (),
    min_votes: Annotated[int, Field(ge=2)] = 3,
    min_share: Annotated[float, Field(gt=0, le=1)] = 0.5,
    count: Literal["own", "traces", "teachers"] = "own",
) -> Verdict:
    """Agrees with the answer that most traces of the problem give; needs no gold answer."""
    if trace is None or not siblings:
        return Verdict("unverifiable", reason="no_siblings")
    voters = [voter for voter in siblings if count != "own" or voter.teacher == trace.teacher]
    votes = {voter.key: (voter.teacher, answer) for voter in voters if (answer := _vote(voter))}
    own = _answer.find(response)
    shown: dict[str, Any] = {"answer": own.text, "place": own.place, "span": (own.start, own.end)} if own else {}
    if len(votes) < min_votes:
        return Verdict("unverifiable", reason="too_few_votes", detail=f"{len(votes)} votes", **shown)
    answers = tuple(answer for _, answer in votes.values())
    groups = _groups(answers)
    weights = _weights([teacher for teacher, _ in votes.values()], groups, by_teacher=count == "teachers")
    best = max(weights, key=lambda group: weights[group])
    share = weights[best] / sum(weights.values())
    said: dict[str, Any] = {
        "share": share,
        "detail": f"{groups.count(best)} of {len(groups)} votes for {answers[best][:100]}",
        **shown,
    }
    # Weights of teachers are sums of fractions, so equal ones may differ in the last bit.
    tied = sum(weight > weights[best] - 1e-9 for weight in weights.values()) > 1
    if tied or share < min_share - 1e-9:
        return Verdict("unverifiable", reason="no_majority", **said)
    if trace.key not in votes:
        return Verdict("wrong", reason="truncated" if trace.status == "truncated" else "no_answer", **said)
    agrees = groups[list(votes).index(trace.key)] == best
    return Verdict("right" if agrees else "wrong", reason="agrees" if agrees else "disagrees", **said)


def gold_is_answer(problem: Problem, **_: object) -> bool:
    """A vote asks for no gold."""
    return False


def _vote(trace: Trace) -> str:
    found = None if trace.status == "truncated" else _answer.find(trace.response)
    return "" if found is None or _REFUSAL.search(found.text) else found.text.strip()[: math.LIMIT]


@lru_cache(maxsize=64)
def _groups(answers: tuple[str, ...]) -> list[int]:
    """For every answer the place of the first one that equals it. Kept, because all siblings ask for the same."""
    firsts: list[int] = []
    groups: list[int] = []
    for place, answer in enumerate(answers):
        group = next((first for first in firsts if _same(answers[first], answer)), place)
        if group == place:
            firsts.append(place)
        groups.append(group)
    return groups


def _same(one: str, other: str) -> bool:
    return one == other or math.equal(one, other) or math.equal(other, one)


def _weights(teachers: Sequence[str], groups: Sequence[int], *, by_teacher: bool) -> dict[int, float]:
    """The votes of every group: one a trace, or one a teacher, shared among its traces."""
    weights: dict[int, float] = {}
    for teacher, group in zip(teachers, groups, strict=True):
        weights[group] = weights.get(group, 0.0) + (1 / teachers.count(teacher) if by_teacher else 1)
    return weights
