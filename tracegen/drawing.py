"""Which requests an engine is given, and when: what is left of the plans, in the order in which it is worth asking.

Answers to be gone on with come first: they are certain to be long. Under a schedule with `stop_after`, or behind
another teacher (`after`), `schedule.Adaptive` picks the problem of each fresh sample. Otherwise every problem gets its
`n`: first one sample of each problem of a window, then the others, the problems with the longest first samples first,
so that the tail is short. The first answer of a teacher that thinks natively must show its thinking before a second one
is asked.

While nothing is worth asking the stream says None, "nothing yet", and takes in what has become durable or was judged
meanwhile, because both make work: thinking that was cut off gets its answer by force (`force_answer`), and a verdict
changes what is likeliest.

Shape: walks the problems one by one; holds what is in flight and numbers per problem, never a plan.
"""

import time
from array import array
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from math import inf

from tracegen.format import closed, written
from tracegen.generate import Asker, require_reasoning
from tracegen.ledger import Ledger, Row
from tracegen.ledger.ranks import length
from tracegen.live import Watch
from tracegen.recipe import Schedule
from tracegen.records import WHOLE, Problem, Request, Trace, Verdict
from tracegen.schedule import Adaptive

__all__ = ["Drawing", "solves"]

WINDOW = 1024
"""Problems whose first samples are drawn before their others."""
LOOK = 0.05
"""Seconds after which answers in flight are looked for, however many samples are passed over."""


class Drawing:
    """The requests of all askers that one engine serves; told what becomes of them."""

    def __init__(
        self,
        askers: Sequence[Asker],
        problems: Mapping[str, Problem],
        ledger: Ledger,
        *,
        schedule: Schedule,
        voting: Collection[str] = (),
        watch: Watch | None = None,
    ) -> None:
        self._problems, self._ledger, self._voting, self._watch = problems, ledger, voting, watch or Watch("")
        self._order = list(askers)
        self._askers = {asker.name: asker for asker in askers}
        """By the `teacher` of a row: one who is asked several benchmarks stands in the order once for each."""
        self._unproven = {asker.name for asker in askers if asker.reasoning == "native"}
        self._followups: deque[Request] = deque()
        self._lengths: dict[str, float] = {}
        """Tokens of the problems' first samples in the present window; infinite until that is back."""
        self._gone_on_with: set[str] = set()
        """Keys of answers that were cut off: where going on has failed, this launch does not try again."""
        self.aloft: dict[str, Request] = {}
        """What was drawn and is not settled yet, by key."""
        self._numbers: dict[str, int] = {}
        self._ids: list[str] = []
        self._adaptive = {asker.name: self._picker(asker, schedule) for asker in askers if schedule.steers(asker.after)}
        self._next = {name: array("I", bytes(4 * len(self._ids))) for name in self._adaptive}
        self._looked = 0.0

    def stream(self, allowed: Callable[[Request | None], bool], pump: Callable[[], None]) -> Iterator[Request | None]:
        """What to ask, until nothing is left or `allowed` says no; `pump` takes in what has come back."""
        planned = Counter[str]()
        for asker in self._order:
            planned[asker.name] += self._most(asker)
            self._watch.planned(
                asker.name, planned[asker.name], engine=asker.engine, at_most=asker.name in self._adaptive
            )
        for asker in self._order:
            for request in self._of(asker):
                while not allowed(request):
                    # What is in flight is paid for; it may yet make room in the budget.
                    if not self.aloft or not allowed(None):
                        return
                    pump()
                    yield None
                if request is None:
                    pump()
                else:
                    self.aloft[request.key] = request
                    self._watch.asked(request)
                yield request
                self._looked = time.monotonic()
                while asker.name in self._unproven and self.aloft and allowed(None):
                    pump()
                    yield None

    def answered(self, row: Row, trace: Trace | None) -> bool:
        """A durable row, with its trace unless it is a failure; False where no verdict is wanted of it yet."""
        request, asker = self.aloft[row["key"]], self._askers[row["teacher"]]
        if trace is None:
            self._settle(request)
            return False
        if asker.name in self._unproven:
            require_reasoning(trace, asker)
            self._unproven.discard(asker.name)
        if request.problem_id in self._lengths:
            self._lengths[request.problem_id] = trace.tokens
        if forced := self._by_force(request, row, asker):
            self._followups.append(forced)
            return False
        if not self._adaptive or request.problem_id in self._voting:
            self._settle(request)
        return True

    def judged(self, trace: Trace, verdict: Verdict | None) -> None:
        """The verdict that decides on a trace of these askers or of others, of this launch or an earlier one."""
        request = self.aloft.pop(trace.key, None)
        number = self._numbers.get(trace.problem_id)
        right = solves(trace, verdict)
        for name, adaptive in self._adaptive.items():
            if number is None:
                continue
            if name == trace.teacher:
                adaptive.heard(number, right, flew=request is not None)
            elif right:
                adaptive.helped(number)
            self._watch.solved(adaptive.solved_problems, given_up=adaptive.given_up)

    def _most(self, asker: Asker) -> int:
        """The samples that this asker may have in the end, those that are there already included."""
        steered = asker.name in self._adaptive
        counts = {True: asker.most, False: asker.sampling.n}
        return sum(counts[steered and name not in self._voting] for name in self._problems if asker.asks(name))

    def _of(self, asker: Asker) -> Iterator[Request | None]:
        yield from self._unfinished(asker)
        if adaptive := self._adaptive.get(asker.name):
            yield from self._picked(asker, adaptive)
            yield from self._in_windows(asker, lambda problem: problem.id in self._voting)
        else:
            yield from self._in_windows(asker, lambda problem: True)
        while self._followups or (self.aloft and (asker.force_answer or self._adaptive)):
            yield self._followups.popleft() if self._followups else None

    def _unfinished(self, asker: Asker) -> Iterator[Request | None]:
        """Samples that an earlier launch, or another asker of this one, was cut off in."""
        if not self._ledger.unfinished:
            return
        for problem in self._problems.values():
            if not asker.asks(problem.id):
                continue
            yield from self._look()
            for request in map(asker.requests(problem), range(asker.most)):
                if request.key in self.aloft or self._solved(request):
                    continue
                row = self._ledger.partial(request.key)
                if row and (due := self._gone_on(request, row, asker)):
                    yield self._taken(due)

    def _in_windows(self, asker: Asker, wanted: Callable[[Problem], bool]) -> Iterator[Request | None]:
        """`n` samples of each problem; the longest of a window come first as soon as that is known."""
        problems = (problem for problem in self._problems.values() if asker.asks(problem.id) and wanted(problem))
        while window := {problem.id: asker.requests(problem) for problem in islice(problems, WINDOW)}:
            self._lengths = dict.fromkeys(window, inf)
            for samples in (range(1), range(1, asker.sampling.n)):
                for problem_id in sorted(window, key=self._lengths.__getitem__, reverse=True):
                    yield from self._look()
                    for request in map(window[problem_id], samples):
                        if due := self._due(request):
                            yield due
                        else:
                            self._watch.there(asker.name)

    def _picked(self, asker: Asker, adaptive: Adaptive) -> Iterator[Request | None]:
        """The samples that the schedule picks, one at a time."""
        while True:
            if self._followups:
                yield self._followups.popleft()
            elif (number := adaptive.draw()) is not None:
                if request := self._next_of(asker, number):
                    yield request
                else:
                    adaptive.bar(number, drawn=True)
            elif adaptive.waiting:
                yield None
            else:
                return

    def _next_of(self, asker: Asker, number: int) -> Request | None:
        """The first sample of this problem that lacks an answer and was not tried in this launch."""
        request = asker.requests(self._problems[self._ids[number]])
        pointers = self._next[asker.name]
        while pointers[number] < asker.most:
            pointers[number] += 1
            if due := self._due(request(pointers[number] - 1)):
                return due
            self._watch.there(asker.name)
        return None

    def _due(self, request: Request) -> Request | None:
        """The request, with what was written before it was cut off; None where it is answered or was gone on with."""
        if request.key in self.aloft or self._ledger.has(request.key, request.sampling["max_tokens"]):
            return None
        if not self._ledger.unfinished or (row := self._ledger.partial(request.key)) is None:
            return request
        return self._from(request, row)

    def _from(self, request: Request, row: Row) -> Request | None:
        """The request with what was written before it was cut off; None where this launch has tried that."""
        if request.key in self._gone_on_with:
            return None
        self._gone_on_with.add(request.key)
        return replace(request, prefix=written(row["text"], row["reasoning"]), prefix_tokens=_length(row))

    def _gone_on(self, request: Request, row: Row, asker: Asker) -> Request | None:
        """What an answer that was cut off wants: more tokens, or, where it has all of them, an end by force."""
        max_tokens = request.sampling["max_tokens"]
        if not self._ledger.has(request.key, max_tokens):
            return self._from(request, row)
        if self._ledger.has(request.key, max_tokens, forced=True):
            return None
        return self._by_force(request, row, asker)

    def _look(self) -> Iterator[None]:
        """ "Nothing yet", where an engine that has answers in flight was kept from them for long: they are paid for."""
        if self.aloft and time.monotonic() - self._looked > LOOK:
            yield None

    def _by_force(self, request: Request, row: Row, asker: Asker) -> Request | None:
        """The same sample with its thinking closed, where it was cut off in it."""
        if not asker.force_answer or request.forced or row["finish_reason"] != "length":
            return None
        turn = closed(row["text"], row["reasoning"], opened=asker.reasoning == "native")
        if turn is None:
            return None
        spent = _length(row)
        # Of this launch's budget even where a smaller one cut it off: at that one there may be a forced answer already.
        budget = max(row["max_tokens"], request.sampling["max_tokens"])
        sampling = {**request.sampling, "max_tokens": budget + asker.force_answer}
        return replace(request, prefix=turn, prefix_tokens=spent, forced=asker.force_answer, sampling=sampling)

    def _picker(self, asker: Asker, schedule: Schedule) -> Adaptive:
        """The schedule of one asker, which has other askers' problems and those that wait for a vote barred."""
        if not self._ids:
            self._ids = list(self._problems)
            self._numbers = {name: number for number, name in enumerate(self._ids)}
        adaptive = Adaptive(len(self._ids), stop_after=schedule.enough, cap=asker.most, floor=schedule.floor)
        for number, name in enumerate(self._ids):
            if not asker.asks(name) or name in self._voting:
                adaptive.bar(number)
        return adaptive

    def _solved(self, request: Request) -> bool:
        adaptive = self._adaptive.get(request.teacher)
        return adaptive is not None and adaptive.solved(self._numbers[request.problem_id])

    def _taken(self, request: Request) -> Request:
        """A sample that the schedule did not pick itself is in flight under it all the same."""
        if adaptive := self._adaptive.get(request.teacher):
            adaptive.took(self._numbers[request.problem_id])
        return request

    def _settle(self, request: Request) -> None:
        del self.aloft[request.key]
        if (adaptive := self._adaptive.get(request.teacher)) and request.problem_id not in self._voting:
            adaptive.lost(self._numbers[request.problem_id])


def solves(trace: Trace, verdict: Verdict | None) -> bool:
    """Whether a trace counts towards `stop_after`: right, and whole, so that it can become part of a corpus."""
    return verdict is not None and verdict.outcome == "right" and trace.status in WHOLE


def _length(row: Row) -> int:
    """Tokens of an answer that was cut off. Those of tries that were thrown away are paid for, but not in its text."""
    return min(length(row), row["max_tokens"] or length(row))
