"""Filters on a Ray cluster: what each trace's fate will be is worked out there, partition by partition.

Shape: `foresee(partitions, filters=...)`, then `curate` over the `fates()` that it returns. Traces go out and decisions
come back: whatever is counted or written is so by the code that curates on one machine, and comes out the same.
A filter whose module says what it DECIDES by runs there, fused with its neighbours. Of one of the whole stream the
`sketch` is made there, where it has one; it decides here. A filter of problems that stands behind one of the whole
stream waits for that decision, and the traces go out once more.
The unit is a partition. Memory here: a partition, and what filters of the whole stream hold.
Limits: filters that ask a model run here; one of the user's own must lie at the same path on every node.
"""

import pickle
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache, partial
from inspect import signature
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tracegen.cluster.files import through
from tracegen.cluster.pool import cause
from tracegen.cluster.session import connected
from tracegen.curate import Options, bind_filter, curate
from tracegen.fates import Drop, Fate, Passage, Step
from tracegen.partitions import Partitions, unpacked
from tracegen.progress import Bar
from tracegen.records import Problem, TracegenError
from tracegen.registry import about, load

if TYPE_CHECKING:
    from ray import ObjectRef

__all__ = ["Foreseen", "foresee"]

Filters = Mapping[str, Options | None]
Found = list[tuple[Drop | None, dict[str, bytes]]]
"""Of each trace of a partition, in order: its drop, and its sketches."""


class Foreseen:
    """What is known of traces before they pass the filters; it lies beside their partitions."""

    def __init__(self, partitions: Partitions) -> None:
        self.partitions = partitions
        self.decided: list[str] = []
        """Filters whose drops are known."""
        self.sketched: list[str] = []
        """Filters of which there are sketches."""

    def fates(self) -> Iterator[Fate]:
        """All traces in order, with what is known of them."""
        for number, size in enumerate(self.partitions.sizes):
            known: Iterable[tuple[Drop | None, dict[str, bytes]]] = repeat((None, {}), size)
            if self.path(number).is_file():
                known = pickle.loads(self.path(number).read_bytes())
            for trace, (drop, sketches) in zip(unpacked(self.partitions.packed(number)), known, strict=True):
                yield Fate(trace, foreseen=drop, sketches=sketches)

    def learn(self, number: int, found: Found) -> None:
        """What is known of one partition from now on."""
        self.path(number).write_bytes(pickle.dumps(found))

    def path(self, number: int) -> Path:
        """Where it stands."""
        return self.partitions.path(number).with_suffix(".known")


def foresee(partitions: Partitions, *, filters: Filters, asks: Mapping[str, Any], **reserved: Any) -> Foreseen:
    """Work out on the cluster what can be worked out there; arguments as those of `curate`."""
    known, rest = Foreseen(partitions), list(filters)
    problems = reserved.pop("problems")
    with connected():
        while rest:
            here = _until_a_decision_is_needed(rest)
            rest = rest[len(here) :]
            there = [name for name in here if _scope(name) or _sketch(name)]
            if there:
                _sift({name: filters[name] for name in there}, known, problems, reserved)
                known.decided += [name for name in there if _scope(name)]
                known.sketched = [name for name in there if not _scope(name)]
            if rest:
                before = list(filters)[: -len(rest)]
                given = reserved | {"problems": problems, "asks": asks}
                _decide({name: filters[name] for name in before}, known, given)
                known.decided, known.sketched = before, []
    return known


def _until_a_decision_is_needed(names: list[str]) -> list[str]:
    """The filters up to one of problems that stands behind one of the whole stream."""
    whole = False
    for place, name in enumerate(names):
        if whole and _scope(name) == "problem":
            return names[:place]
        whole |= _scope(name) is None
    return names


def _scope(name: str) -> str | None:
    """What a filter decides by, where a cluster can have it decide."""
    asks = "ask" in signature(load("filter", name)).parameters
    scope: str | None = None if asks else about("filter", name, "DECIDES")
    return scope


def _sketch(name: str) -> Callable[..., Iterator[bytes]] | None:
    sketch: Callable[..., Iterator[bytes]] | None = about("filter", name, "sketch")
    return sketch if "sketches" in signature(load("filter", name)).parameters else None


def _decide(filters: Filters, known: Foreseen, given: Mapping[str, Any]) -> None:
    """Have these filters decide here, and remember what they dropped."""
    sizes = known.partitions.sizes
    places = (number for number, size in enumerate(sizes) for _ in range(size))
    found: Found = []

    def told(fate: Fate) -> None:
        found.append((fate.drop, {}))
        if len(found) == sizes[number := next(places)]:
            known.learn(number, found)
            found.clear()

    curate(
        known.fates(), filters=filters, told=told, foreseen=set(known.decided), sketched=set(known.sketched), **given
    )


def _sift(filters: Filters, known: Foreseen, problems: Mapping[str, Problem], reserved: Mapping[str, Any]) -> None:
    """Have the cluster work on all partitions, and remember what it found."""
    import ray
    from ray.exceptions import RayError

    partitions = known.partitions
    numbers = [number for number, size in enumerate(partitions.sizes) if size]
    groups = []
    for number in numbers:
        asked = partitions.path(number).with_suffix(".problems")
        asked.write_bytes(pickle.dumps([problems[name] for name in partitions.problems(number)]))
        groups.append((partitions.path(number), asked, known.path(number)))
    work = partial(_sifted, filters, ray.put(dict(reserved)))
    with Bar("filters on ray", len(partitions), "traces") as bar:
        try:
            for group, answer in through(groups, work):
                found = pickle.loads(answer)
                if isinstance(found, str):
                    raise TracegenError(found)
                known.learn(numbers[group], found)
                bar.advance(partitions.sizes[numbers[group]])
        except RayError as error:
            raise TracegenError(f"a filter failed on the Ray cluster: {cause(error)}") from None


def _sifted(filters: Filters, reserved: "ObjectRef", files: list[bytes]) -> bytes:
    """In a task: what becomes of one partition's traces, or one sentence on why that cannot be said."""
    packed, asked, before = files
    problems = {problem.id: problem for problem in pickle.loads(asked)}
    passage, steps = Passage(), list[Callable[[Iterable[Fate]], Iterator[Fate]]]()
    found: Found = []
    try:
        for name, options in filters.items():
            own = {"problems": problems, "siblings": passage.siblings, "note": passage.note, "ask": None}
            function = bind_filter(name, options, **own, sketches=None, **_here(reserved))
            if sketch := None if _scope(name) else _sketch(name):
                given = {key: value for key, value in function.keywords.items() if key in signature(sketch).parameters}
                steps.append(partial(_sketched, name, partial(sketch, **given)))
            else:
                steps.append(Step(name, passage, function))
        drops = [drop for drop, _ in pickle.loads(before)] if before else repeat(None)
        fates = map(Fate, unpacked(packed), drops)
        passage.run(fates, steps, lambda fate: found.append((fate.drop, fate.sketches)))
    except TracegenError as error:
        return pickle.dumps(str(error))
    return pickle.dumps(found)


def _sketched(name: str, sketch: Callable[..., Iterator[bytes]], fates: Iterable[Fate]) -> Iterator[Fate]:
    """A step that drops nothing: each trace gets what the filter wants to know of it."""
    taken = list(fates)
    for fate, found in zip(taken, sketch(fate.trace for fate in taken), strict=True):
        fate.sketches[name] = found
        yield fate


@lru_cache(1)
def _here(reserved: "ObjectRef") -> dict[str, Any]:
    """What filters of one launch are given, fetched once by each worker, so that they may keep what they make of it."""
    import ray

    found: dict[str, Any] = ray.get(reserved)
    return found
