"""Filters on a Ray cluster: what each trace's fate will be is worked out there, partition by partition.

Shape: `foresee(partitions, filters=...)`, then `curate` over the `fates()` that it returns. Traces go out and decisions
come back: whatever is counted or written is so by the code that curates on one machine, and comes out the same.
A filter whose module says what it DECIDES by runs there, fused with its neighbours. Of one of the whole stream the
`sketch` is made there, where it has one; it decides here. A filter of problems that stands behind one of the whole
stream waits for that decision, and the traces go out once more.
Some partitions make a task, so that what a filter sets up serves many traces. Memory here: a partition, and what
filters of the whole stream hold.
Limits: filters that ask a model run here; one of the user's own must lie at the same path on every node.
"""

import pickle
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from itertools import repeat
from pathlib import Path
from typing import Any

from tracegen.cluster.session import connected
from tracegen.curate import curate
from tracegen.fates import Drop, Fate
from tracegen.partitions import Partitions, unpacked
from tracegen.progress import Bar
from tracegen.records import Problem, TracegenError
from tracegen.sifting import Filters, Found, anywhere, scope, sifted, sketch

__all__ = ["Foreseen", "foresee"]

TASK, TASK_BYTES = 20_000, 64 << 20
"""Traces of a task, and bytes of them, at most: some minutes of work, beside which seconds of setting up are little."""


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

    def forget(self) -> None:
        """Nothing is known any more."""
        for number in range(len(self.partitions.sizes)):
            self.path(number).unlink(missing_ok=True)
        self.decided, self.sketched = [], []

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
            there = [name for name in here if scope(name) or sketch(name)]
            if there:
                _sift({name: filters[name] for name in there}, known, problems, reserved)
                known.decided += [name for name in there if scope(name)]
                known.sketched = [name for name in there if not scope(name)]
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
        if whole and scope(name) == "problem":
            return names[:place]
        whole |= scope(name) is None
    return names


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

    from tracegen.cluster.files import through
    from tracegen.cluster.pool import cause

    partitions = known.partitions
    for number, size in enumerate(partitions.sizes):
        if size:
            asked = [problems[name] for name in partitions.problems(number)]
            _files(known, number)[1].write_bytes(pickle.dumps(asked))
    groups = list(_grouped(partitions))
    files = [[path for number in group for path in _files(known, number)] for group in groups]
    work = partial(sifted, anywhere(filters), ray.put(dict(reserved)))
    with Bar("filters on ray", len(partitions), "traces") as bar:
        try:
            for place, answer in through(files, work):
                if isinstance(found := pickle.loads(answer), str):
                    raise TracegenError(found)
                for number in groups[place]:
                    size = partitions.sizes[number]
                    known.learn(number, found[:size])
                    del found[:size]
                    bar.advance(size)
        except RayError as error:
            raise TracegenError(f"a filter failed on the Ray cluster: {cause(error)}") from None


def _grouped(partitions: Partitions) -> Iterator[list[int]]:
    """The partitions of each task, one after the other: a few tasks for each CPU, and none too big."""
    import ray

    most = min(TASK, len(partitions) // int(2 * ray.cluster_resources().get("CPU", 1)))
    group: list[int] = []
    traces = packed = 0
    for number, size in enumerate(partitions.sizes):
        if size:
            group.append(number)
            traces += size
            packed += partitions.path(number).stat().st_size
        if group and (traces >= most or packed >= TASK_BYTES):
            yield group
            group, traces, packed = [], 0, 0
    if group:
        yield group


def _files(known: Foreseen, number: int) -> tuple[Path, Path, Path]:
    """The traces of a partition, their problems, and what is known of them."""
    path = known.partitions.path(number)
    return path, path.with_suffix(".problems"), known.path(number)
