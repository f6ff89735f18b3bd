"""The answer of a problem that nobody has solved: what most of several independent solutions come to.

Rule: self-consistency (Wang et al. 2022, arXiv:2203.11171), as the verifier `majority` counts it: answers that are
equal as mathematics are one vote. The share is taken of all solutions, those without an answer included, so that a
problem on which most solutions come to nothing is refused as well.
Reasons: unanswered (a request failed), no_answer (fewer than two solutions have one), low_agreement (a tie included),
unverifiable_answer (the verifier does not accept it as its own gold), answer_changed (the same problem in other words,
and another answer).
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from tracegen.format import split
from tracegen.records import Completion, Problem, Trace, Verdict

Hear = Callable[[Problem, Sequence[Trace]], list[Verdict]]
"""What the problem's own verifier says of each of these traces, which are one another's siblings."""


class Vote(NamedTuple):
    """What the solutions come to: an answer, or the reason why there is none."""

    answer: str | None
    reason: str
    about: dict[str, Any]


def vote(problem: Problem, solutions: Sequence[Completion], *, hear: Hear, min_agreement: float) -> Vote:
    """The answer that at least `min_agreement` of the solutions give, and more than any other."""
    if failed := next((solution.error for solution in solutions if solution.error is not None), None):
        return Vote(None, "unanswered", {"error": failed})
    traces = [_trace(problem, number, solution) for number, solution in enumerate(solutions)]
    conventions = {"min_votes": 2, "min_share": min_agreement}
    verdicts = hear(replace(problem, verifier="majority", conventions=conventions), traces)
    agreeing = [verdict.answer for verdict in verdicts if verdict.outcome == "right" and verdict.answer]
    about = {"solutions": len(solutions), "votes": len(agreeing), "agreement": round(len(agreeing) / len(solutions), 4)}
    if all(verdict.reason == "too_few_votes" for verdict in verdicts):
        return Vote(None, "no_answer", about)
    if not agreeing or len(agreeing) < min_agreement * len(solutions) - 1e-9:
        return Vote(None, "low_agreement", about | {"answers": dict(Counter(v.answer for v in verdicts if v.answer))})
    answer = Counter(agreeing).most_common(1)[0][0]
    if _outcome(replace(problem, answer=answer), answer, hear) != "right":
        return Vote(None, "unverifiable_answer", about | {"answer": answer})
    return Vote(answer, "", about)


def keeps_answer(seed: Problem, answer: str, hear: Hear) -> bool:
    """Whether a problem that was only put in other words still has its seed's answer; so where the seed has none."""
    if seed.answer is None:
        return True
    return _outcome(replace(seed, verifier=seed.verifier or "math"), f"\\boxed{{{answer}}}", hear) == "right"


def _outcome(problem: Problem, response: str, hear: Hear) -> str:
    [verdict] = hear(problem, [Trace(problem.id, problem.id, "vote", 0, (), "", response, "complete", "stop", 0)])
    return verdict.outcome


def _trace(problem: Problem, number: int, solution: Completion) -> Trace:
    """A solution as the vote needs it: without its reasoning."""
    parts = split(solution.text, reasoning=solution.reasoning, finish_reason=solution.finish_reason)
    key = f"{problem.id} {number}"
    return Trace(key, problem.id, "vote", number, (), "", parts.response, parts.status, solution.finish_reason, 0)
