"""The judge's workers on a Ray cluster: a Ray Data stage whose actors each hold killable processes on their node.

Same interface as `workers.Workers`, and the same processes do the judging, so deadlines are kept where the work is done
and verdicts are equal. Cases travel in batches; an actor or a node that is lost gives its batches to the others.
Actors reserve no CPU, which engines on the same cluster may need. Limits: as many actors as there are nodes when the
first case comes; a verifier from a file of your own must lie at the same path on every node.
"""

import pickle
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import ExitStack, closing
from functools import partial
from typing import TYPE_CHECKING, Any

from tracegen.cluster.session import connected
from tracegen.records import Problem, TracegenError, UsageError, Verdict
from tracegen.workers import UNPICKLABLE, Heard, Workers, failed, give

if TYPE_CHECKING:
    from ray.data import Dataset

    from tracegen.cluster.pool import Pool

__all__ = ["RayWorkers"]

BATCH = 32
"""Cases that travel together: a verdict takes milliseconds, and so does a row of Ray Data."""
SEATS = 4
"""Batches in an actor at a time, so that its processes never wait for the next one."""
PAUSE = 0.02
START_TIMEOUT, STALL_TIMEOUT = 300.0, 1800.0

Case = tuple[str, Problem, str, Mapping[str, Any], float]


class RayWorkers:
    """`count` processes on each node; `options`, `warmed` and `memory` as `Workers` takes them."""

    def __init__(
        self, count: int, options: Mapping[str, Mapping[str, Any]], warmed: Iterable[str], memory: float | None
    ) -> None:
        self._bench = count, dict(options), tuple(warmed), memory
        self._lock = threading.Lock()
        self._queue: deque[tuple[bytes, Future[Heard]]] = deque()
        self._open: dict[int, list[Future[Heard]]] = {}
        self._thread: threading.Thread | None = None
        self._closed = False
        self._gone: TracegenError | None = None
        self._given = ExitStack()

    def hear(
        self, name: str, problem: Problem, response: str, given: Mapping[str, Any], seconds: float
    ) -> Future[Heard]:
        """What the verifier of this name says, within so many seconds; the future never raises."""
        future: Future[Heard] = Future()
        try:
            case = pickle.dumps((name, problem, response, dict(given), seconds))
        except UNPICKLABLE as error:
            future.set_result(failed(error, seconds))
            return future
        with self._lock:
            if self._closed:
                future.cancel()
                return future
            if self._gone:
                future.set_result(self._gone)
                return future
            self._queue.append((case, future))
            if self._thread is None:
                self._given.enter_context(connected())
                self._thread = threading.Thread(target=self._work, name="judging-on-ray", daemon=True)
                self._thread.start()
        return future

    def start(self) -> None:
        """Nothing: they start in a thread of their own, and hold up nobody."""

    def close(self) -> None:
        """Ends the workers at once; what is not done yet is cancelled."""
        with self._lock:
            self._closed = True
        if self._thread is not None:
            self._thread.join()
            self._given.close()
        for future in self._abandoned():
            future.cancel()

    def _work(self) -> None:
        """All that concerns the pool, in one thread."""
        from ray.exceptions import RayError

        try:
            with closing(self._start()) as pool:
                number = 0
                while not self._closed:
                    while pool.room > 0 and (batch := self._batch()):
                        self._open[number] = [future for _, future in batch]
                        pool.give(number, {"number": number, "cases": pickle.dumps([case for case, _ in batch])})
                        number += 1
                    if not self._open:
                        time.sleep(PAUSE)
                        continue
                    for answered, back in pool.take(PAUSE):
                        self._hand_out(self._open.pop(answered), back)
        except (TracegenError, RayError) as error:
            with self._lock:
                self._gone = TracegenError(f"the verifiers on the Ray cluster are gone: {error}")
            for future in self._abandoned():
                give(future, self._gone)

    def _start(self) -> "Pool":
        import ray

        from tracegen.cluster.feed import Feeder
        from tracegen.cluster.pool import Pool
        from tracegen.cluster.stream import Stream

        nodes = max(1, sum(node["Alive"] for node in ray.nodes()))
        launch = partial(Stream, stage=partial(_stage, self._bench), seats=SEATS, start_timeout=START_TIMEOUT)
        what = "judging actor"
        return Pool(launch, Feeder(), who="verifiers", what=what, count=nodes, seats=SEATS, stall_timeout=STALL_TIMEOUT)

    def _batch(self) -> list[tuple[bytes, Future[Heard]]]:
        with self._lock:
            return [self._queue.popleft() for _ in range(min(BATCH, len(self._queue)))]

    def _hand_out(self, futures: list[Future[Heard]], back: Any) -> None:
        if isinstance(back, str):
            for future in futures:
                give(future, Verdict("error", None, "crash", detail=back))
            return
        for future, heard in zip(futures, pickle.loads(back["heard"]), strict=True):
            give(future, heard)

    def _abandoned(self) -> list[Future[Heard]]:
        with self._lock:
            left = [future for futures in self._open.values() for future in futures]
            left += [future for _, future in self._queue]
            self._open.clear()
            self._queue.clear()
        return left


class _Bench:
    """An actor: killable processes on its node."""

    def __init__(self, *bench: Any) -> None:
        self._workers = Workers(*bench)

    def __call__(self, batch: dict[str, Any]) -> Iterator[dict[str, Any]]:
        cases: list[Case] = [pickle.loads(case) for case in pickle.loads(batch["cases"][0])]
        futures = [self._workers.hear(*case) for case in cases]
        heard = [_portable(future.result()) for future in futures]
        yield {"number": batch["number"], "heard": [pickle.dumps(heard)]}


def _stage(bench: tuple[Any, ...], source: "Dataset", replica: Mapping[str, Any]) -> "Dataset":
    from ray.data import ActorPoolStrategy

    return source.map_batches(
        _Bench,
        fn_constructor_args=bench,
        compute=ActorPoolStrategy(size=1, max_tasks_in_flight_per_actor=SEATS),
        num_cpus=0,
        scheduling_strategy="SPREAD",
        **replica,
    )


def _portable(heard: Heard) -> Heard:
    """Some errors of ours cannot be built again from their sentence alone."""
    if isinstance(heard, Verdict):
        return heard
    return UsageError(str(heard)) if isinstance(heard, UsageError) else TracegenError(str(heard))
