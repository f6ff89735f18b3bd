"""Curation in a task of a cluster: some partitions pass those filters that can decide there, or be prepared there.

    scope(name)     what a filter decides by: `trace`, `problem`, or None where the whole stream must come to it
    sketch(name)    what a filter of the whole stream wants to have worked out of each trace, if it has that
    sifted(...)     drops and sketches of the traces of some partitions

Traces come in as their files, and small things go out: nothing is written in a task.
"""

import pickle
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache, partial
from inspect import signature
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tracegen.curate import Options, bind_filter
from tracegen.fates import Drop, Fate, Passage, Step
from tracegen.partitions import unpacked
from tracegen.records import Trace, TracegenError, UsageError
from tracegen.registry import about, load

if TYPE_CHECKING:
    from ray import ObjectRef

Filters = Mapping[str, Options | None]
Found = list[tuple[Drop | None, dict[str, bytes]]]
"""Of each trace of a partition, in order: its drop, and its sketches."""
Sketch = Callable[..., Iterator[bytes]]


def scope(name: str) -> Literal["trace", "problem"] | None:
    """What a filter decides by, where a cluster can have it decide; one that asks a model stays with its line."""
    said: Any = about("filter", name, "DECIDES")
    if said not in ("trace", "problem", None):
        raise UsageError(f"filter {name!r} says that it DECIDES by {said!r}; it takes 'trace', 'problem' or None.")
    decides: Literal["trace", "problem"] | None = said
    return None if "ask" in signature(load("filter", name)).parameters else decides


def sketch(name: str) -> Sketch | None:
    """The function beside a filter of the whole stream, where that takes `sketches`."""
    found: Sketch | None = about("filter", name, "sketch")
    return found if "sketches" in signature(load("filter", name)).parameters else None


def anywhere(filters: Filters) -> dict[str, tuple[str, Options | None]]:
    """For each filter how a task calls it, and its options: tasks run in folders of their own."""
    found = {}
    for name, options in filters.items():
        path, _, function = name.rpartition(":")
        found[name] = (f"{Path(path).resolve()}:{function}" if path.endswith(".py") else name, options)
    return found


def sifted(filters: Mapping[str, tuple[str, Options | None]], reserved: "ObjectRef", files: list[bytes]) -> bytes:
    """What becomes of the traces, pickled: `Found`, or one sentence on why that cannot be said.

    `files`: of each partition its traces, their problems, and what is known of them already.
    """
    packed, asked, before = files[::3], files[1::3], files[2::3]
    problems = {problem.id: problem for some in asked for problem in pickle.loads(some)}
    passage, steps = Passage(), list[Callable[[Iterable[Fate]], Iterator[Fate]]]()
    found: Found = []

    def fates() -> Iterator[Fate]:
        for traces, known in zip(packed, before, strict=True):
            drops = [drop for drop, _ in pickle.loads(known)] if known else repeat(None)
            yield from map(Fate, unpacked(traces), drops)

    try:
        for name, (here, options) in filters.items():
            own = {"problems": problems, "siblings": passage.siblings, "note": passage.note, "ask": None}
            function = bind_filter(here, options, **own, sketches=None, **_fetched(reserved))
            if worked_out := None if scope(here) else sketch(here):
                wanted = signature(worked_out).parameters
                given = {key: value for key, value in function.keywords.items() if key in wanted}
                steps.append(partial(_sketched, name, partial(worked_out, **given)))
            else:
                steps.append(Step(name, passage, function))
        passage.run(fates(), steps, lambda fate: found.append((fate.drop, fate.sketches)))
    except TracegenError as error:
        return pickle.dumps(str(error))
    return pickle.dumps(found)


def _sketched(name: str, sketch: Sketch, fates: Iterable[Fate]) -> Iterator[Fate]:
    """A step that drops nothing: each trace gets what the filter wants to know of it."""
    waiting: deque[Fate] = deque()

    def taken() -> Iterator[Trace]:
        for fate in fates:
            waiting.append(fate)
            yield fate.trace

    for found in sketch(taken()):
        fate = waiting.popleft()
        fate.sketches[name] = found
        yield fate
    if waiting:
        raise TracegenError(f"filter {name!r} left {len(waiting)} traces without a sketch; each of them has one.")


@lru_cache(1)
def _fetched(reserved: "ObjectRef") -> dict[str, Any]:
    """What filters are given, brought once to each process that works on the cluster."""
    import ray

    found: dict[str, Any] = ray.get(reserved)
    return found
