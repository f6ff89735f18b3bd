"""Which samples of a problem give the same answer: what a majority vote counts.

Shape: `votes(problems, traces)` names the answer of every judged trace. All right answers are one, by the gold; wrong
ones are compared with each other by the verifier that judged them, one of them in the place of the gold. A trace
without an answer has the empty vote.
Limits: answers that only a model or a vote can judge are equal as texts or not at all.
"""

import inspect
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from decimal import Decimal

from tracegen import registry
from tracegen.records import Problem, Trace
from tracegen.verify import Judge, gold_trace, in_order

RIGHT = "right"
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
ASKS_OTHERS = frozenset({"ask", "siblings"})
"""Parameters of a verifier that cannot say whether two answers are equal."""

Votes = dict[tuple[str, str], str]
"""By problem and key."""
Answers = dict[str, Trace]
"""Different answers to one problem, each with the first trace that gave it."""


def countable(problem: Problem) -> bool:
    """Whether answers to this problem can be equal; programs that differ are no vote for anything."""
    return problem.tests is None


def votes(problems: Mapping[str, Problem], traces: Iterable[Trace]) -> Votes:
    """The vote of every trace that is judged right or wrong."""
    found: Votes = {}
    wrong: dict[str, Answers] = {}
    for trace in traces:
        outcome = trace.verdict.outcome if trace.verdict else None
        if outcome == "right":
            found[trace.problem_id, trace.key] = RIGHT
        elif outcome == "wrong":
            found[trace.problem_id, trace.key] = answer = _answer(trace)
            if answer:
                wrong.setdefault(trace.problem_id, {}).setdefault(answer, trace)
    same = _equal(problems, wrong)
    return {at: same.get((at[0], vote), vote) for at, vote in found.items()}


def _equal(problems: Mapping[str, Problem], left: Mapping[str, Answers]) -> dict[tuple[str, str], str]:
    """Answers that equal an earlier one of the same problem: (problem, answer) -> the earlier one; empties `left`."""
    same: dict[tuple[str, str], str] = {}
    verifiers = {trace.verdict.verifier for answers in left.values() for trace in answers.values() if trace.verdict}
    if not any(len(answers) > 1 for answers in left.values()):
        return same
    with Judge({}, workers=os.cpu_count() or 2, named=sorted(filter(_compares, verifiers))) as judge:
        # In each round the first answer that is left stands for the gold, and those that equal it leave with it.
        while any(left.values()):
            submitted = (
                ((name, str(gold.answer), answer), judge.submit(gold, gold_trace(answer, f"\\boxed{{{answer}}}")))
                for name, gold, answer in list(_pairs(problems, left))
            )
            for (name, earlier, answer), verdicts in in_order(submitted):
                if verdicts and verdicts[-1].outcome == "right":
                    del left[name][answer]
                    same[name, answer] = earlier
    return same


def _pairs(problems: Mapping[str, Problem], left: Mapping[str, Answers]) -> Iterator[tuple[str, Problem, str]]:
    """Takes the first answer of every problem out, and pairs it with those of the others that can be compared to it."""
    for name, answers in left.items():
        if not answers:
            continue
        first = next(iter(answers))
        verdict = answers.pop(first).verdict
        if verdict is None or not _compares(verdict.verifier):
            continue
        gold = replace(problems[name], answer=first, verifier=verdict.verifier, conventions=dict(verdict.conventions))
        exact = not verdict.conventions.get("tolerance")
        yield from ((name, gold, other) for other in answers if not (exact and _two_numbers(first, other)))


def _two_numbers(one: str, other: str) -> bool:
    """Whether these are two plain numbers that differ: most wrong answers are, and need no verifier."""
    return bool(_NUMBER.fullmatch(one) and _NUMBER.fullmatch(other)) and Decimal(one) != Decimal(other)


def _compares(verifier: str) -> bool:
    return not ASKS_OTHERS & set(inspect.signature(registry.load("verifier", verifier)).parameters)


def _answer(trace: Trace) -> str:
    """The answer as text, its spaces aside; empty where there is none, as in a trace that was cut off."""
    found = trace.verdict.answer if trace.verdict and trace.status != "truncated" else None
    return " ".join((found or "").split())
