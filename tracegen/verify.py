"""The second half of sampling: every trace is put before its verifiers.

A `Judge` hears verifiers in worker processes that it can kill (`workers`); who is heard, and when, is said in `panel`.
A verifier that asks a model waits for the answer in a thread of this process, and holds up no other.
`submit` never waits; what is submitted and not yet judged is held in memory, so callers keep a window (`in_order`).
A judge may be used from many threads at once, and its futures from asyncio (`asyncio.wrap_future`).
"""

import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from tracegen import panel
from tracegen.ask import Ask
from tracegen.cost import Meter
from tracegen.panel import Seat, decide
from tracegen.records import Problem, Trace, TracegenError, Verdict
from tracegen.registry import bind
from tracegen.rundir import fingerprint
from tracegen.verifiers import _worker
from tracegen.workers import Heard, Workers
from tracegen.workers_on_ray import RayWorkers

__all__ = ["Judge", "decide", "gold_trace", "in_order"]

WINDOW = 256
"""Traces in flight where this module pulls them itself."""
WAITING = 64
"""Threads that wait for the answers of models; each has a few requests in flight."""

Item = TypeVar("Item")


@dataclass(slots=True, eq=False)
class _Case:
    """A trace before its verifiers: those that may still be heard, and the verdicts so far."""

    problem: Problem
    trace: Trace
    siblings: Sequence[Trace]
    waiting: deque[Seat]
    future: Future[list[Verdict]] = field(default_factory=Future)
    verdicts: list[Verdict] = field(default_factory=list)


class Judge:
    """Verifiers of a recipe, started at the first `submit`; close it, or use it in a `with` block, which waits.

    `verifiers`: names and options as in a recipe. `timeout`: seconds for one verdict. `named`: verifiers that problems
    name themselves, to be checked and warmed like the others. `memory`: GiB of private data that a worker may hold.
    `asked`: the folder that keeps what models that verifiers ask have answered; `seed` is for their sampling.
    `on`: `local`, or `ray`: as many workers on each node of a cluster. UsageError for an unknown verifier or option.
    """

    def __init__(
        self,
        verifiers: Mapping[str, panel.Given],
        *,
        workers: int = 2,
        on: str = "local",
        timeout: float = 10.0,
        named: Iterable[str | None] = (),
        memory: float | None = 4.0,
        asked: Path | None = None,
        seed: int = 1,
    ) -> None:
        self._order = panel.seats(verifiers)
        self._seats = dict(self._order)
        self._versions: dict[str, str] = {}
        self._panels: dict[str | None, list[Seat]] = {}
        for name in filter(None, [*self._order, *named]):
            self._seat(name)
        for seat in self._seats.values():
            if ready := _worker.about(seat.function, "ready"):
                ready(**seat.options)
        asking = {name: seat.asked for name, seat in self._seats.items() if seat.asked is not None}
        self._asks = {name: Ask(name, model, folder=asked, seed=seed) for name, model in asking.items()}
        options = {name: seat.options for name, seat in self._seats.items()}
        pool = RayWorkers if on == "ray" else Workers
        self._workers = pool(workers, options, [name for name in options if name not in asking], memory)
        self._threads = ThreadPoolExecutor(WAITING, "waiting-for-answers")
        self._timeout = timeout
        self._lock = threading.Lock()
        self._open: set[_Case] = set()
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is None:
            with self._lock:
                unfinished = [case.future for case in self._open]
            wait(unfinished)
        self.close()

    def start(self) -> None:
        """Start the workers before the first `submit`, where nothing waits for whoever submits."""
        self._workers.start()

    def close(self) -> None:
        """Ends the workers at once; what is not judged yet is cancelled. Answers that a model has begun are kept."""
        with self._lock:
            self._closed = True
            abandoned, self._open = self._open, set()
        for case in abandoned:
            case.future.cancel()
        self._workers.close()
        for ask in self._asks.values():
            ask.close()
        self._threads.shutdown(cancel_futures=True)

    def submit(
        self, problem: Problem, trace: Trace, siblings: Sequence[Trace] = (), *, by_rule: bool = False
    ) -> Future[list[Verdict]]:
        """The verdicts of a trace, in the order in which its verifiers ran; empty if it has none.

        `siblings`: all traces of the problem, this one among them, where a verifier compares them (`compares`).
        `by_rule`: nobody is heard who asks a model, compares traces, or gives a second opinion.
        A timeout, a crash and an exception of the verifier are `error` verdicts. The future raises only TracegenErrors
        that no trace is to blame for (a missing extra, workers that cannot start, a budget that is used up).
        UsageError for an unknown verifier.
        """
        self.check(problem)
        seats = self._panel(problem)
        if by_rule:
            seats = [seat for seat in seats if seat.by_rule and seat.only != ()]
        case = _Case(problem, trace, siblings, deque(seats))
        with self._lock:
            if self._closed:
                raise TracegenError("the judge is closed and takes no more traces.")
            self._open.add(case)
        self._next(case)
        return case.future

    @property
    def asks(self) -> bool:
        """Whether a verifier asks a model, and so writes down what it answers."""
        return bool(self._asks)

    def count(self, meter: Meter | None) -> None:
        """What models are asked from now on counts in this meter, and its caps end the asking."""
        for ask in self._asks.values():
            ask.meter = meter

    def compares(self, problem: Problem) -> bool:
        """Whether a verifier of this problem compares its traces, and so needs them all."""
        return any("siblings" in seat.reserved for seat in self._panel(problem))

    def has_other_rule(self, problem: Problem) -> bool:
        """Whether some verifier judges this problem by something else than its gold: tests, a scorer, a pattern."""
        return any(not _gold_is_answer(problem, seat) for seat in self._panel(problem))

    def left_to_others(self, problem: Problem, outcome: str) -> bool:
        """Whether a verifier that is no rule is heard on what the rules call `unverifiable` or `error`."""
        return any(not seat.by_rule and (seat.only is None or outcome in seat.only) for seat in self._panel(problem))

    def fingerprint(self, problems: Iterable[Problem] = ()) -> dict[str, Any]:
        """All that shapes the verdicts of the recipe's verifiers and of those that `problems` name: JSON-able."""
        names = dict.fromkeys([*self._order, *sorted({p.verifier for p in problems if p.verifier})])
        order = list(self._order)
        return {
            name: self._shape(self._seat(name)) | {"place": order.index(name) if name in order else None}
            for name in names
        }

    def panels(self, problems: Iterable[Problem]) -> dict[str, str]:
        """A hash of all that shapes the verdicts on each problem, by the verifier that it names (`""` for none)."""
        found = {problem.verifier or "": self._panel(problem) for problem in problems}
        return {
            name: fingerprint([[seat.name, self._shape(seat)] for seat in seats])[:16] for name, seats in found.items()
        }

    def _shape(self, seat: Seat) -> dict[str, Any]:
        inputs = _worker.about(seat.function, "inputs")
        return {
            "options": seat.options,
            "version": self._versions[seat.name],
            "packages": _worker.packages(seat.function),
            "only": seat.only,
            "second_opinion": seat.second_opinion,
            "asked": self._asks[seat.name].identity if seat.asked else None,
            "inputs": inputs(**seat.options) if inputs else None,
        }

    def _seat(self, name: str) -> Seat:
        if name not in self._seats:
            self._seats[name] = panel.seat(name)
        if name not in self._versions:
            self._versions[name] = _worker.version(self._seats[name].function)
        return self._seats[name]

    def _panel(self, problem: Problem) -> list[Seat]:
        if (name := problem.verifier) not in self._panels:
            self._panels[name] = panel.panel(self._seat(name) if name else None, self._order)
        return self._panels[name]

    def check(self, problem: Problem) -> None:
        """UsageError for a convention that no verifier of this problem has, or with a value that it does not take."""
        seats = self._panel(problem)
        unknown = set(problem.conventions)
        for seat in seats if problem.conventions else ():
            unknown -= set(_worker.conventions_of(seat.function, problem.conventions))
            _worker.conventional(seat.name, seat.function, problem.conventions)
        if unknown and seats:
            bind("verifier", seats[0].name, {**seats[0].options, **dict.fromkeys(unknown)})

    def _next(self, case: _Case) -> None:
        """Has the case heard by its next verifier, or closes it."""
        if self._closed:
            return
        if (found := panel.next_seat(case.waiting, case.verdicts, case.trace.key)) is None:
            self._finish(case, None)
            return
        seat, second_opinion = found
        offered = {"trace": case.trace, "siblings": case.siblings}
        given: dict[str, Any] = {name: value for name, value in offered.items() if name in seat.reserved}
        if seat.name in self._asks:
            given["ask"] = self._asks[seat.name].of(case.problem)
            bound = _worker.conventional(seat.name, seat.function, case.problem.conventions)
            heard = self._threads.submit(_worker.hear, lambda: bound, case.problem, case.trace.response, given)
        else:
            seconds = self._seconds(seat, case.problem)
            heard = self._workers.hear(seat.name, case.problem, case.trace.response, given, seconds)
        heard.add_done_callback(lambda done: self._heard(case, seat, second_opinion, done))

    def _heard(self, case: _Case, seat: Seat, second_opinion: bool, done: "Future[Heard]") -> None:
        if done.cancelled():
            return
        if isinstance(found := done.result(), TracegenError):
            self._finish(case, found)
            return
        case.verdicts.append(
            replace(
                found,
                key=case.trace.key,
                verifier=seat.name,
                version=self._versions[seat.name],
                second_opinion=second_opinion,
                conventions={**seat.options, **_worker.conventions_of(seat.function, case.problem.conventions)},
            )
        )
        self._next(case)

    def _seconds(self, seat: Seat, problem: Problem) -> float:
        """The deadline of one verdict: the judge's, or what the verifier's own limits add up to if that is longer."""
        if (declared := _worker.about(seat.function, "deadline")) is None:
            return self._timeout
        own = _worker.conventions_of(seat.function, problem.conventions)
        return max(self._timeout, declared(problem, **{**seat.options, **own}))

    def _finish(self, case: _Case, error: TracegenError | None) -> None:
        with self._lock:
            self._open.discard(case)
        if not case.future.set_running_or_notify_cancel():
            return
        if error is None:
            case.future.set_result(case.verdicts)
        else:
            case.future.set_exception(error)


def _gold_is_answer(problem: Problem, seat: Seat) -> bool:
    if (said := _worker.about(seat.function, "gold_is_answer")) is None:
        return True
    own = _worker.conventions_of(seat.function, problem.conventions)
    return bool(said(problem, **{**seat.options, **own}))


def gold_trace(key: str, answer: str) -> Trace:
    """A trace whose whole response is `answer`."""
    return Trace(key, key, "gold", 0, (), "", answer, "complete", "stop", 0)


def in_order(
    pairs: Iterable[tuple[Item, Future[list[Verdict]]]], window: int = WINDOW
) -> Iterator[tuple[Item, list[Verdict]]]:
    """Pulls at most `window` pairs ahead of the oldest unfinished one and yields each with its result, in order."""
    ahead: deque[tuple[Item, Future[list[Verdict]]]] = deque()
    for pair in pairs:
        ahead.append(pair)
        while ahead and (len(ahead) >= window or ahead[0][1].done()):
            item, future = ahead.popleft()
            yield item, future.result()
    for item, future in ahead:
        yield item, future.result()
