"""Which of a student's answers are right, while it is trained: by the run's own verifiers, as far as they are rules.

Limits: whoever asks a model is not heard, since these answers are written over and over and belong to no ledger.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from tracegen.format import split
from tracegen.records import Problem, Trace
from tracegen.verify import Judge, decide


class Written(Protocol):
    """An answer of the student."""

    @property
    def problem_id(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def finish_reason(self) -> str: ...


def by_rule(judge: Judge, problems: Mapping[str, Problem]) -> Callable[[Sequence[Written]], list[bool]]:
    """A function from answers to whether each is right; what cannot be judged, or answers no known problem, is not."""

    def solved(answers: Sequence[Written]) -> list[bool]:
        judged = [
            judge.submit(problems[answer.problem_id], _trace(answer, number), by_rule=True)
            if answer.problem_id in problems
            else None
            for number, answer in enumerate(answers)
        ]
        found = [decide(verdicts.result()) if verdicts else None for verdicts in judged]
        return [verdict is not None and verdict.outcome == "right" for verdict in found]

    return solved


def _trace(answer: Written, number: int) -> Trace:
    parts = split(answer.text, finish_reason=answer.finish_reason)
    key = f"held-out-{number}"
    said = (parts.reasoning, parts.response, parts.status, answer.finish_reason, 0)
    return Trace(key, answer.problem_id, "student", 0, (), *said)
