"""Processes that can be killed: a verifier on a response, a deadline that the parent keeps, and always an outcome.

The deadline runs from the moment at which a warm worker takes the task up, so neither the queue nor a slow import ever
counts as a timeout. A worker that overstays or dies costs one `error` verdict (`timeout`, `crash`) and is replaced.
Where the whole pool breaks (an idle worker was killed), a new one takes over all tasks that are not done.
Futures are completed in a thread of their own, never under a lock: what is called back may come back here.
"""

import multiprocessing
import pickle
import signal
import threading
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from multiprocessing import resource_tracker
from typing import Any

from pebble import ProcessExpired, ProcessPool

from tracegen.records import Problem, TracegenError, Verdict
from tracegen.verifiers import _worker

IMPORT_GRACE = 60.0
"""Seconds added to the deadline of a verifier that no worker was told to warm; importing torch takes about ten."""
RESTARTS = 3
"""Pools that may break one after the other without a single verdict before the tasks are given up."""

UNPICKLABLE = (pickle.PicklingError, AttributeError, TypeError, ValueError, RecursionError)
"""What pickling raises, of which pebble survives only some: lists nested a few hundred deep break its pool."""

Heard = Verdict | TracegenError
"""What a task comes to: a verdict, or an error that no trace is to blame for."""


@dataclass(slots=True, eq=False)
class _Task:
    arguments: bytes
    seconds: float
    grace: float
    future: Future[Heard] = field(default_factory=Future)


class Workers:
    """A pool of spawned processes, started at the first task; `options` and `warmed` as `_worker.start` takes them."""

    def __init__(
        self, count: int, options: Mapping[str, Mapping[str, Any]], warmed: Iterable[str], memory: float | None
    ) -> None:
        self._count, self._options, self._warmed, self._memory = count, options, tuple(warmed), memory
        self._lock = threading.RLock()
        self._open: set[_Task] = set()
        self._pool: ProcessPool | None = None
        self._broken = 0
        self._closed = False
        self._giving = ThreadPoolExecutor(1, "giving-verdicts")

    def hear(
        self, name: str, problem: Problem, response: str, given: Mapping[str, Any], seconds: float
    ) -> Future[Heard]:
        """What the verifier of this name says, within so many seconds; the future never raises."""
        grace = 0 if name in self._warmed else IMPORT_GRACE
        try:
            arguments = pickle.dumps((name, problem, response, given, 2 * (seconds + grace) + 5))
        except UNPICKLABLE as error:
            refused: Future[Heard] = Future()
            refused.set_result(failed(error, seconds))
            return refused
        task = _Task(arguments, seconds, grace)
        with self._lock:
            if self._closed:
                task.future.cancel()
                return task.future
            if self._pool is None:
                self._start()
            self._open.add(task)
            self._schedule(task)
        return task.future

    def start(self) -> None:
        """Start the processes now, so that the first trace does not wait for them."""
        with self._lock:
            if self._pool is None and not self._closed:
                self._start()

    def close(self) -> None:
        """Ends the workers at once; what is not done yet is cancelled."""
        with self._lock:
            pool, self._pool, self._closed = self._pool, None, True
            abandoned, self._open = self._open, set()
        for task in abandoned:
            task.future.cancel()
        if pool is not None:
            pool.stop()
            pool.join()

    def _start(self) -> None:
        self._pool = ProcessPool(
            self._count,
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

    def _schedule(self, task: _Task) -> None:
        """Hands a task to the pool; the lock is held."""
        pool = self._pool
        try:
            running = pool.schedule(_worker.unpickled, args=(task.arguments,), timeout=task.seconds + task.grace)  # type: ignore[union-attr]
        except RuntimeError as error:  # an idle worker was killed, and with it pebble's pool
            self._restart(pool, error)
            return
        running.add_done_callback(lambda done: self._done(pool, task, done))

    def _done(self, pool: ProcessPool | None, task: _Task, done: Future[Any]) -> None:
        with self._lock:
            if task not in self._open or pool is not self._pool:
                return
            error = None if done.cancelled() else done.exception()
            if isinstance(error, BrokenProcessPool):
                self._restart(pool, error)
                return
            self._broken = 0
            self._open.discard(task)
        lost = done.cancelled() or error is not None
        self._giving.submit(give, task.future, failed(error, task.seconds) if lost else done.result())

    def _restart(self, pool: ProcessPool | None, error: BaseException) -> None:
        """A new pool for all tasks that are open; the lock is held. Gives up where workers never come to a verdict."""
        self._broken += 1
        self._pool = None
        if pool is not None:
            pool.stop()
            threading.Thread(target=pool.join, daemon=True).start()
        tasks = list(self._open)
        if self._broken > RESTARTS:
            self._open.clear()
            failure = f"the verifiers' worker processes do not stay alive ({error}); run `tracegen doctor`."
            for task in tasks:
                self._giving.submit(give, task.future, TracegenError(failure))
            return
        self._start()
        for task in tasks:
            self._schedule(task)


def give(future: Future[Heard], heard: Heard) -> None:
    """Complete a future, unless it was cancelled."""
    if future.set_running_or_notify_cancel():
        future.set_result(heard)


def failed(error: BaseException | None, timeout: float) -> Verdict:
    """The verdict on a response that could not be judged: what was raised, or None where the worker is gone."""
    if isinstance(error, TimeoutError):
        return Verdict("error", None, "timeout", seconds=timeout)
    if error is None or isinstance(error, ProcessExpired):
        return Verdict("error", None, "crash")
    return Verdict("error", None, f"{type(error).__name__}: {error}"[:200])
