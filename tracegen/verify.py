"""The second half of sampling: every trace is put before its verifiers, in processes that can be killed.

A `Judge` owns a pool of spawned workers. A verdict has a hard deadline that the parent keeps: it runs from the moment
at which a warm worker takes the trace up, so neither the queue nor a slow import ever counts as a timeout. A worker
that overstays or dies costs one `error` verdict (`timeout`, `crash`); the pool goes on.
Order: a problem's own verifier decides alone; otherwise the recipe's run in order until one says right or wrong.
`submit` never waits; what is submitted and not yet judged is held in memory, so callers keep a window (`in_order`).
"""

import inspect
import multiprocessing
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from multiprocessing import resource_tracker
from types import TracebackType
from typing import Any, Self, TypeVar

from pebble import ProcessExpired, ProcessPool

from tracegen.records import Problem, Trace, TracegenError, UsageError, Verdict
from tracegen.registry import bind
from tracegen.verifiers import _worker

IMPORT_GRACE = 60.0
"""Seconds added to the deadline of a verifier that no worker was told to warm; importing torch takes about ten."""
RESTARTS = 3
"""Pools that may break one after the other without a single verdict before the judge gives up."""
WINDOW = 256
"""Traces in flight where this module pulls them itself."""

Item = TypeVar("Item")


@dataclass(slots=True, eq=False)
class _Case:
    """A trace before its verifiers: those still to be heard, and the verdicts so far."""

    problem: Problem
    trace: Trace
    waiting: deque[str]
    future: Future[list[Verdict]] = field(default_factory=Future)
    verdicts: list[Verdict] = field(default_factory=list)


class Judge:
    """Verifiers in worker processes, started at the first `submit`; close it, or use it in a `with` block, which waits.

    `verifiers`: names and options as in a recipe. `timeout`: seconds for one verdict. `named`: verifiers that problems
    name themselves, to be checked and warmed like the others. `memory`: GiB of private data that a worker may hold.
    UsageError for an unknown verifier or option.
    """

    def __init__(
        self,
        verifiers: Mapping[str, Mapping[str, Any]],
        *,
        workers: int = 2,
        timeout: float = 10.0,
        named: Iterable[str | None] = (),
        memory: float | None = 4.0,
    ) -> None:
        self._options = {name: dict(options or {}) for name, options in verifiers.items()}
        self._order = tuple(self._options)
        self._functions: dict[str, Callable[..., Any]] = {}
        self._warmed = tuple(dict.fromkeys([*self._order, *(name for name in named if name)]))
        for name in self._warmed:
            self._function(name)
        self._workers, self._timeout, self._memory = workers, timeout, memory
        self._lock = threading.RLock()
        self._open: set[_Case] = set()
        self._pool: ProcessPool | None = None
        self._broken = 0
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is None:
            with self._lock:
                unfinished = [case.future for case in self._open]
            wait(unfinished)
        self.close()

    def close(self) -> None:
        """Ends the workers at once; what is not judged yet is cancelled."""
        with self._lock:
            pool, self._pool, self._closed = self._pool, None, True
            abandoned, self._open = self._open, set()
        for case in abandoned:
            case.future.cancel()
        if pool is not None:
            pool.stop()
            pool.join()

    def submit(self, problem: Problem, trace: Trace) -> Future[list[Verdict]]:
        """The verdicts of a trace, in the order in which its verifiers ran; empty if it has none.

        A timeout, a crash and an exception of the verifier are `error` verdicts. The future raises only TracegenErrors
        that no trace is to blame for (a missing extra, workers that cannot start). UsageError for an unknown verifier.
        """
        names = (problem.verifier,) if problem.verifier else self._order
        for name in names:
            _worker.conventional(name, self._function(name), problem.conventions)
        case = _Case(problem, trace, deque(names))
        if not names:
            case.future.set_result([])
            return case.future
        with self._lock:
            if self._closed:
                raise TracegenError("the judge is closed and takes no more traces.")
            if self._pool is None:
                self._start()
            self._open.add(case)
            self._hear(case)
        return case.future

    def fingerprint(self, problems: Iterable[Problem] = ()) -> dict[str, Any]:
        """Names in order, options and versions of the recipe's verifiers and those that `problems` name: JSON-able."""
        names = dict.fromkeys([*self._order, *sorted({p.verifier for p in problems if p.verifier})])
        return {
            name: {
                "options": self._options.get(name, {}),
                "version": _worker.version(self._function(name)),
                "packages": _worker.packages(self._function(name)),
            }
            for name in names
        }

    def _function(self, name: str) -> Callable[..., Any]:
        if name not in self._functions:
            self._functions[name] = bind("verifier", name, self._options.get(name))
        return self._functions[name]

    def _seconds(self, name: str, problem: Problem) -> float:
        """The deadline of one verdict: the judge's, or what the verifier's own limits add up to if that is longer."""
        function = self._functions[name]
        if (declared := _worker.about(function, "deadline")) is None:
            return self._timeout
        return max(self._timeout, declared(problem, **{**self._options.get(name, {}), **problem.conventions}))

    def _start(self) -> None:
        self._pool = ProcessPool(
            self._workers,
            initializer=_worker.start,
            initargs=(self._options, self._warmed, self._memory),
            context=multiprocessing.get_context("spawn"),
        )
        # Its first start would unblock SIGINT behind our back.
        resource_tracker.ensure_running()
        # Ctrl-C belongs to the parent. A worker inherits the mask of the thread that starts it, and pebble's threads
        # inherit this one's: so no worker, first or respawned, can be interrupted, not even while it still imports.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            _ = self._pool.active  # pebble starts lazily, at the first look
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _hear(self, case: _Case) -> None:
        """Hands the case to the pool, to be heard by its next verifier; the lock is held."""
        name = case.waiting[0]
        trace = case.trace if "trace" in inspect.signature(self._functions[name]).parameters else None
        seconds = self._seconds(name, case.problem) + (0 if name in self._warmed else IMPORT_GRACE)
        args = (name, case.problem, case.trace.response, trace, 2 * seconds + 5)
        try:
            pool = self._pool
            task = pool.schedule(_worker.judge, args=args, timeout=seconds)  # type: ignore[union-attr]
        except RuntimeError as error:  # an idle worker was killed, and with it pebble's pool
            self._restart(pool, error)
            return
        task.add_done_callback(lambda task: self._heard(pool, case, name, task))

    def _heard(self, pool: ProcessPool | None, case: _Case, name: str, task: "Future[Verdict | UsageError]") -> None:
        with self._lock:
            if case not in self._open or pool is not self._pool:
                return
            error = None if task.cancelled() else task.exception()
            if isinstance(error, BrokenProcessPool):
                self._restart(pool, error)
                return
            self._broken = 0
            if task.cancelled() or error is not None:
                verdict = _failed(error, self._seconds(name, case.problem))
            elif isinstance(found := task.result(), TracegenError):
                self._close(case, found)
                return
            else:
                verdict = found
            function = self._functions[name]
            version = _worker.version(function)
            given = {**self._options.get(name, {}), **case.problem.conventions}
            key = case.trace.key
            case.verdicts.append(replace(verdict, key=key, verifier=name, version=version, conventions=given))
            case.waiting.popleft()
            if case.waiting and verdict.outcome not in ("right", "wrong"):
                self._hear(case)
                return
        self._close(case, None)

    def _restart(self, pool: ProcessPool | None, error: BaseException) -> None:
        """A new pool for all cases that are open; the lock is held. Gives up where workers never come to a verdict."""
        self._broken += 1
        self._pool = None
        if pool is not None:
            pool.stop()
            threading.Thread(target=pool.join, daemon=True).start()
        if self._broken > RESTARTS:
            failure = TracegenError(
                f"the verifiers' worker processes do not stay alive ({error}); run `tracegen doctor`."
            )
            for case in list(self._open):
                self._close(case, failure)
            return
        self._start()
        for case in list(self._open):
            self._hear(case)

    def _close(self, case: _Case, error: TracegenError | None) -> None:
        self._open.discard(case)
        if not case.future.set_running_or_notify_cancel():
            return
        if error is None:
            case.future.set_result(case.verdicts)
        else:
            case.future.set_exception(error)


def decide(verdicts: Sequence[Verdict]) -> Verdict | None:
    """The verdict that counts: the first right or wrong, else the last; None if there is none."""
    judged = (verdict for verdict in verdicts if verdict.outcome in ("right", "wrong"))
    return next(judged, verdicts[-1] if verdicts else None)


def check(problems: Iterable[Problem], judge: Judge) -> Iterator[tuple[Problem, list[Verdict]]]:
    """Every problem with the verdicts on its own gold answer, in order; `no_gold` where it has none."""
    return in_order((problem, _check(problem, judge)) for problem in problems)


def _check(problem: Problem, judge: Judge) -> Future[list[Verdict]]:
    if problem.answer is not None:
        return judge.submit(problem, gold_trace(problem.id, problem.answer))
    future: Future[list[Verdict]] = Future()
    future.set_result([Verdict("unverifiable", None, "no_gold", key=problem.id)])
    return future


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


def _failed(error: BaseException | None, timeout: float) -> Verdict:
    if isinstance(error, TimeoutError):
        return Verdict("error", None, "timeout", seconds=timeout)
    if error is None or isinstance(error, ProcessExpired):
        return Verdict("error", None, "crash")
    return Verdict("error", None, f"{type(error).__name__}: {error}"[:200])
