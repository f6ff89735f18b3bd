"""Is a statement one that is known already: a benchmark's, a seed's, or one that was made before?

Of a benchmark, a problem with other numbers counts as the same, for a student that trained on it knows the way: numbers
are masked. A benchmark problem of fewer than ENOUGH different words (`What is 3 + 4?`) is, without its numbers, a kind
of problem and no problem, so it is compared with them. Of seeds and of earlier problems, other numbers make another
problem, which is what varying them is for.
Limits: words are compared, so a problem told in other words passes.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from tracegen.overlap import Alike, Runs, masked, numbers, words
from tracegen.records import Problem

NGRAM = 13
"""Words in a row, as the filter `decontaminate` takes them."""
ENOUGH = 8
"""Different words that are no numbers; eight in a row are what open-r1 and s1 take for a text of its own."""
LIKE_BENCHMARK = 0.6
"""Share of masked words. Of 2,000 training problems of GSM8K five come so near to one of its 1,319 test problems or of
MATH-500, and the two above 0.8 are test problems with other numbers and names."""
LIKE_EARLIER = 0.8
"""Share of words, where the numbers are the same: what a small model told in other words shared 0.36 to 0.64 of them
with its seed, and what it merely repeated, all."""


class Known(NamedTuple):
    """What a statement is too near to."""

    reason: str
    like: str
    """The benchmark, or the id of the problem."""
    share: float | None = None
    """How many of their words are the same; None where it is a run of words."""


class Near:
    """The statements that are known; `find` says to which a new one is too near, `add` makes one known."""

    def __init__(self, benchmarks: Mapping[str, Iterable[Problem]], seeds: Iterable[Problem]) -> None:
        held_out = [(name, words(problem.statement)) for name, those in benchmarks.items() for problem in those]
        own = [(seed.id, words(seed.statement)) for seed in seeds]
        frequent = Counter(word for _, found in held_out for word in set(masked(found)))
        frequent.update(word for _, found in own for word in set(found))
        self._runs, self._masked_runs = Runs(NGRAM), Runs(NGRAM)
        self._benchmarks = Alike(LIKE_BENCHMARK, frequent)
        self._seeds, self._made = Alike(LIKE_EARLIER, frequent), Alike(LIKE_EARLIER, frequent)
        self._numbers: dict[str, list[str]] = {}
        for name, found in held_out:
            self._runs.add(found, name)
            if _own_words(found) >= ENOUGH:
                self._masked_runs.add(masked(found), name)
                self._benchmarks.add(masked(found), name)
        for seed, found in own:
            self._learn(self._seeds, seed, found)

    def find(self, statement: str) -> Known | None:
        """What this statement is too near to, the benchmarks first; None if it is new."""
        found = words(statement)
        bare = masked(found)
        if run := self._runs.statement(found) or self._masked_runs.statement(bare):
            return Known("near_duplicate_of_benchmark", run)
        if like := max(self._benchmarks.find(bare), key=lambda pair: pair[1], default=None):
            return Known("near_duplicate_of_benchmark", *like)
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


def _own_words(found: Sequence[str]) -> int:
    return len({word for word in masked(found) if "#" not in word})
