"""Traces pass filters one after the other, as a stream; the fate of each is told in order: kept, or dropped, and why.

Shape: a `Passage` knows the problem at hand (`siblings`) and takes down evidence (`note`); a `Step` is one filter in
it. `passage.run(fates, steps, told)` pulls traces through the steps and calls `told` with each fate, in their order. A
step is anything that takes fates and passes on those that it keeps.
A filter sees only what the steps before it kept, so a dropped trace has one filter and one reason.
All traces of one problem must stand together. Memory: the traces of one problem, and what filters hold back.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, NamedTuple

from tracegen.records import Trace, TracegenError

__all__ = ["Drop", "Fate", "Filter", "Filtered", "Passage", "Step"]

Filtered = Iterator[tuple[Trace, str | None]]
Filter = Callable[[Iterable[Trace]], Filtered]


class Drop(NamedTuple):
    """Which filter dropped a trace, why, and what it noted of it."""

    filter: str
    reason: str
    detail: Any = None


@dataclass(slots=True, eq=False)
class Fate:
    """A trace on its way. One that comes with a `drop` is shown to its siblings only."""

    trace: Trace
    drop: Drop | None = None
    foreseen: Drop | None = None
    """A drop that was found elsewhere, and happens at the filter that it names."""
    sketches: dict[str, bytes] = field(default_factory=dict)
    """What filters of the whole stream want to know of this trace, worked out elsewhere."""
    settled: bool = False


class Step:
    """One filter's place in the stream, and its counts.

    `function` is the filter, its options bound; without one, those drops of its happen that are foreseen.
    """

    def __init__(self, name: str, passage: "Passage", function: Filter | None = None) -> None:
        self.name, self._noted, self.function = name, passage.noted, function
        self.before = 0
        self.reasons: Counter[str] = Counter()
        self._waiting: deque[Fate] = deque()
        self._sketches: deque[bytes] = deque()

    @property
    def after(self) -> int:
        """How many traces it kept."""
        return self.before - self.reasons.total()

    def sketches(self) -> Iterator[bytes]:
        """The sketch of each trace that the filter has taken, to be pulled after the trace."""
        while self._sketches:
            yield self._sketches.popleft()

    def __call__(self, fates: Iterable[Fate]) -> Iterator[Fate]:
        if self.function is None:
            yield from self._recalled(fates)
            return
        taken = self._taken(fates)
        for found in self.function(taken) or ():
            if not (isinstance(found, tuple) and len(found) == 2):
                raise TracegenError(f"filter {self.name!r} yielded a {type(found).__name__}, no pair; {_CONTRACT}.")
            trace, reason = found
            if not self._waiting or self._waiting[0].trace is not trace:
                raise TracegenError(f"filter {self.name!r} yielded a trace that was not the next one; {_CONTRACT}.")
            fate, detail = self._waiting.popleft(), self._noted(trace)
            if reason is None:
                yield fate
            elif isinstance(reason, str) and reason:
                self._drop(fate, Drop(self.name, reason, detail))
            else:
                raise TracegenError(f"filter {self.name!r} gave {reason!r} as a reason; {_CONTRACT}.")
        deque(taken, maxlen=0)  # What the filter left unread shows up as waiting.
        if left := len(self._waiting):
            raise TracegenError(f"filter {self.name!r} ended with {left} traces not yielded; {_CONTRACT}.")

    def _recalled(self, fates: Iterable[Fate]) -> Iterator[Fate]:
        for fate in fates:
            self.before += 1
            if fate.foreseen and fate.foreseen.filter == self.name:
                self._drop(fate, fate.foreseen)
            else:
                yield fate

    def _taken(self, fates: Iterable[Fate]) -> Iterator[Trace]:
        for fate in fates:
            self.before += 1
            self._waiting.append(fate)
            if self.name in fate.sketches:
                self._sketches.append(fate.sketches.pop(self.name))
            yield fate.trace

    def _drop(self, fate: Fate, drop: Drop) -> None:
        self.reasons[drop.reason] += 1
        fate.drop, fate.settled = drop, True


class Passage:
    """One way of traces through filters, which may ask it for siblings and leave notes with it."""

    def __init__(self) -> None:
        self._problems: dict[str, dict[str, list[Trace]]] = {}
        """The traces of the problems that are under way, by teacher."""
        self._notes: dict[int, Mapping[str, Any]] = {}

    def siblings(self, trace: Trace) -> Sequence[Trace]:
        """All traces of the same problem and teacher, dropped ones included."""
        if (problem := self._problems.get(trace.problem_id)) is None:
            raise TracegenError(
                f"a filter asked for the siblings of {trace.key}, whose problem is through; ask before it is yielded."
            )
        return problem[trace.teacher]

    def note(self, trace: Trace, evidence: Mapping[str, Any]) -> None:
        """Evidence that goes with a drop; to be left before the filter yields the trace."""
        self._notes[id(trace)] = evidence

    def noted(self, trace: Trace) -> Mapping[str, Any] | None:
        """What was noted of a trace, once."""
        return self._notes.pop(id(trace), None)

    def run(
        self,
        fates: Iterable[Fate],
        steps: Sequence[Callable[[Iterable[Fate]], Iterator[Fate]]],
        told: Callable[[Fate], None],
    ) -> None:
        """Pull the fates through the steps, and tell each in order as soon as it and those before it are settled."""
        waiting: deque[Fate] = deque()

        def tell() -> None:
            while waiting and waiting[0].settled:
                fate = waiting.popleft()
                told(fate)
                if not waiting or waiting[0].trace.problem_id != fate.trace.problem_id:
                    self._problems.pop(fate.trace.problem_id, None)

        def entered() -> Iterator[Fate]:
            for problem, group in groupby(fates, key=lambda fate: fate.trace.problem_id):
                tell()
                members = list(group)
                by_teacher: dict[str, list[Trace]] = {}
                for fate in members:
                    fate.settled = fate.drop is not None
                    by_teacher.setdefault(fate.trace.teacher, []).append(fate.trace)
                self._problems[problem] = by_teacher
                waiting.extend(members)
                yield from (fate for fate in members if fate.drop is None)

        stream: Iterator[Fate] = entered()
        for step in steps:
            stream = step(stream)
        for kept in stream:
            kept.settled = True
        tell()


_CONTRACT = "a filter yields every trace exactly once, in order, with a reason (text) to drop it or None"
