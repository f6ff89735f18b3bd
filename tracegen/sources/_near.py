"""Is a statement one that is known already: a benchmark's, a seed's, or one that was made before?

Of a benchmark, a problem with other names or numbers counts as the same, for a student that trained on it knows the
way: the rules are those of the filter `decontaminate` (`tracegen.leaks`). Of seeds and of earlier problems, other
numbers make another problem, which is what varying them is for.
Limits: words are compared, so a problem told in other words passes.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from tracegen.leaks import NGRAM, Questions
from tracegen.overlap import Alike, numbers, words
from tracegen.records import Problem

LIKE_EARLIER = 0.8
"""Share of words, where the numbers are the same: what a small model told in other words shared 0.36 to 0.64 of them
with its seed, and what it merely repeated, all."""


class Known(NamedTuple):
    """What a statement is too near to."""

    reason: str
    like: str
    """The benchmark, or the id of the problem."""
    share: float
    """How much of it stands there."""


class Near:
    """The statements that are known; `find` says to which a new one is too near, `add` makes one known."""

    def __init__(self, benchmarks: Mapping[str, Sequence[Problem]], seeds: Iterable[Problem]) -> None:
        self._questions = Questions(benchmarks, NGRAM)
        own = [(seed.id, words(seed.statement)) for seed in seeds]
        frequent = Counter(word for _, found in own for word in set(found))
        self._seeds, self._made = Alike(LIKE_EARLIER, frequent), Alike(LIKE_EARLIER, frequent)
        self._numbers: dict[str, list[str]] = {}
        for name, found in own:
            self._learn(self._seeds, name, found)

    def find(self, statement: str) -> Known | None:
        """What this statement is too near to, the benchmarks first; None if it is new."""
        if leak := self._questions.in_statement(statement):
            return Known("near_duplicate_of_benchmark", leak.benchmark, leak.share)
        found = words(statement)
        for texts, reason in ((self._seeds, "near_duplicate_of_seed"), (self._made, "near_duplicate")):
            for name, share in texts.find(found):
                if self._numbers[name] == numbers(found):
                    return Known("duplicate" if share == 1 and reason == "near_duplicate" else reason, name, share)
        return None

    def add(self, problem: Problem) -> None:
        """What is made is known from now on."""
        self._learn(self._made, problem.id, words(problem.statement))

    def _learn(self, texts: Alike, name: str, found: Sequence[str]) -> None:
        texts.add(found, name)
        self._numbers[name] = numbers(found)
