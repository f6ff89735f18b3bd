"""The plans of some askers, by key: whose samples a ledger row answers, and which samples have no row yet.

Shape: one number per planned sample, in the order of askers, problems and samples; no prompt is kept.
"""

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from tracegen.generate import Asker, parse
from tracegen.ledger import Ledger, best, read
from tracegen.packed import Packed
from tracegen.records import Problem, Trace
from tracegen.verdicts import Verdicts

__all__ = ["Plans"]

_CHANGING = ("key", "prefix_tokens", "forced")
"""What tells that the text of a key may be another than the one that was judged."""


class Plans:
    """Every sample that these askers may ask for."""

    def __init__(self, problems: Mapping[str, Problem], askers: Sequence[Asker]) -> None:
        self.askers, self._problems = list(askers), problems
        self._ids = list(problems)
        self._shared: dict[int, list[int]] = {}
        """The further places of a sample that several problems or askers share."""

    @cached_property
    def _places(self) -> Packed:
        """Made when the first row is looked for: a run in which all is asked and judged in one stream needs none."""
        places = Packed()
        place = 0
        for asker in self.askers:
            for problem in self._problems.values():
                if asker.asks(problem.id):
                    key_of = asker.keys(problem)
                    for sample in range(asker.most):
                        key = int(key_of(sample), 16)
                        if places.get(key) is None:
                            places[key] = place + sample
                        else:
                            self._shared.setdefault(key, []).append(place + sample)
                place += asker.most
        return places

    def of(self, key: str) -> Iterator[tuple[Asker, str, int]]:
        """The asker, the problem's id and the number of each planned sample that this key identifies."""
        number = int(key, 16)
        if (first := self._places.get(number)) is not None:
            for place in (first, *self._shared.get(number, ())):
                yield self._named(place)

    def traces(self, ledger: Path, keys: Container[str] | None = None) -> Iterator[Trace]:
        """The traces that answer the plans, under the names that the plans give them (a key knows no names).

        Of `keys`, or all.
        """
        for row in best(ledger, keys):
            if row["error"] is None:
                for asker, problem_id, sample in self.of(row["key"]):
                    yield replace(parse(row), problem_id=problem_id, teacher=asker.name, sample=sample)

    def unjudged(self, ledger: Ledger, verdicts: Verdicts) -> Iterator[Trace]:
        """The traces that may lack a verdict: texts are read of those only."""
        wanted = {
            row["key"]
            for row in read(ledger.folder, columns=_CHANGING)
            if row.get("prefix_tokens") or row.get("forced")
        }
        for asker in self.askers:
            for problem in self._problems.values():
                if asker.asks(problem.id):
                    known, key_of = verdicts.known(problem), asker.keys(problem)
                    wanted.update(
                        key for key in map(key_of, range(asker.most)) if ledger.has(key, 0) and not known(key)
                    )
        return self.traces(ledger.folder, wanted) if wanted else iter(())

    def missing(self, ledger: Ledger) -> Iterator[str]:
        """The problems of the samples that still have to be asked or gone on with."""
        for number, place in self._places.items():
            asker, problem_id, _ = self._named(place)
            if not ledger.has(f"{number:032x}", asker.sampling.max_tokens):
                yield problem_id

    def _named(self, place: int) -> tuple[Asker, str, int]:
        for asker in self.askers:
            if place < asker.most * len(self._ids):
                problem, sample = divmod(place, asker.most)
                return asker, self._ids[problem], sample
            place -= asker.most * len(self._ids)
        raise AssertionError("every place belongs to an asker")
