"""What is wrong with problems, said before anything is sampled: a bad gold answer makes every right one wrong.

`lint` puts each gold answer before its own verifiers, those that work by rule: no model is asked. A finding is one
sentence on one problem: the gold is missing or unusable, its verifier rejects it, or the same problem stands there
twice with answers that differ. Problems without a gold answer are fine where a verifier judges without one.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Set
from concurrent.futures import Future
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain

from tracegen.panel import decide
from tracegen.records import Problem, Verdict
from tracegen.verify import Judge, gold_trace, in_order

SHOWN = 80
"""Characters of an answer that a sentence quotes."""
UNUSABLE = {
    "no_gold": "there is no answer in it",
    "figure": "it is a figure",
    "proof": "it is a proof, not an answer",
    "broken_gold": "its LaTeX is broken: braces, \\left and \\right, or \\begin and \\end do not pair up",
    "bad_gold": "its verifier cannot read it",
    "bad_schema": "its schema is none",
    "too_long": "it is too long for an answer",
    "timeout": "its verifier does not come to an end with it",
}
"""What a verifier's reason says of the gold, as a clause."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem that cannot be used as it is."""

    id: str
    answer: str | None
    outcome: str
    reason: str
    verifier: str
    why: str
    """What is wrong, as a clause: `it is empty`."""


def lint(problems: Collection[Problem], judge: Judge) -> Iterator[Finding]:
    """Every finding, one a problem at most: first the golds by themselves, then those that contradict another.

    Walks the problems several times and keeps none of them.
    """
    found: set[str] = set()
    for problem, verdicts in check(problems, judge):
        verdict = decide(verdicts)
        if why := _why(problem, verdict, judge):
            said = verdict or Verdict("unverifiable", None, "no_verifier")
            found.add(problem.id)
            yield Finding(problem.id, problem.answer, said.outcome, said.reason, said.verifier, why)
    for (first, second), verdicts in in_order(_twins(problems, found, judge)):
        said = decide(verdicts) or Verdict("wrong")
        if said.outcome == "wrong":
            why = f"{first.id} asks the same, and its answer is {_shown(first.answer)}: one of the two is wrong"
            yield Finding(second.id, second.answer, "wrong", "contradicts", said.verifier, why)


def check(problems: Iterable[Problem], judge: Judge) -> Iterator[tuple[Problem, list[Verdict]]]:
    """Every problem with what its rules say of its own gold answer, in order; `no_gold` where it has none."""
    return in_order((problem, _heard(problem, problem.answer, judge)) for problem in problems)


def _heard(problem: Problem, answer: str | None, judge: Judge) -> Future[list[Verdict]]:
    if answer is not None:
        return judge.submit(problem, gold_trace(problem.id, answer), by_rule=True)
    future: Future[list[Verdict]] = Future()
    future.set_result([Verdict("unverifiable", None, "no_gold", key=problem.id)])
    return future


def _why(problem: Problem, verdict: Verdict | None, judge: Judge) -> str:
    """What is wrong with the problem's gold; empty where nothing is."""
    if verdict is not None and verdict.outcome == "right":
        return ""
    if problem.answer is None:
        return "" if judge.has_other_rule(problem) else "there is none, and no verifier here judges without one"
    if verdict is None:
        return "" if judge.left_to_others(problem, "unverifiable") else "there is no verifier to judge by it"
    if verdict.outcome == "wrong":
        read = "" if verdict.answer in (None, problem.answer) else f", and reads it as {_shown(verdict.answer)}"
        return "" if judge.has_other_rule(problem) else f"its own verifier calls it wrong{read}"
    if judge.left_to_others(problem, verdict.outcome):
        return ""
    return UNUSABLE.get(verdict.reason, "its own verifier cannot use it")


def _twins(
    problems: Collection[Problem], unsound: Set[str], judge: Judge
) -> Iterator[tuple[tuple[Problem, Problem], Future[list[Verdict]]]]:
    """Pairs of problems that ask the same and whose answers differ as text, with the second answer before the first."""
    first: dict[bytes, tuple[str, str]] = {}
    pairs: list[tuple[str, str]] = []
    for problem in problems:
        if problem.answer is None or problem.id in unsound:
            continue
        asked = " ".join(problem.statement.split()).casefold()
        key = json.dumps([asked, problem.verifier, problem.tests, problem.extra.get("choices")], default=str)
        earlier, answer = first.setdefault(sha256(key.encode()).digest(), (problem.id, problem.answer))
        if answer != problem.answer:
            pairs.append((earlier, problem.id))
    wanted = set(chain.from_iterable(pairs))
    twins = {problem.id: problem for problem in problems if problem.id in wanted} if wanted else {}
    for earlier, later in pairs:
        yield (twins[earlier], twins[later]), _heard(twins[earlier], twins[later].answer, judge)


def _shown(answer: str | None) -> str:
    return repr(answer if answer is None or len(answer) <= SHOWN else f"{answer[:SHOWN]}…")
