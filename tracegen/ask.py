"""A verifier's, a filter's or a source's line to a model: prompts go to an engine; answers are on disk before anyone
sees them.

Each verifier that asks has a ledger of its own, `<folder>/<verifier>/`, a filter has `<folder>/filter_<filter>/`, and a
source `<folder>/source/`, written and resumed like that of a teacher: what was asked once is never asked again, by any
launch. The engine runs in a thread of its own and starts with the first question, so a model that runs on this machine
is loaded beside the teacher's.
Limits: answers of earlier launches are held in memory.
"""

import re
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Literal

from tracegen.cost import Meter
from tracegen.generate import Asker, answers, check_engine, chosen
from tracegen.ledger import Ledger, Row, best, sample_key
from tracegen.ledger.pen import Pen
from tracegen.models import resolve
from tracegen.prompts import Prompt
from tracegen.recipe import Asked
from tracegen.records import BudgetReached, Completion, Message, Problem, Request, TracegenError, UsageError

NOTHING_YET = 0.05
"""Seconds for which the engine's thread sleeps where nothing is asked and nothing in flight."""


class Ask:
    """Puts prompts to the model that `asked` names, each answered once; `close` ends the engine."""

    def __init__(
        self,
        who: str,
        asked: Asked,
        *,
        folder: Path | None,
        seed: int,
        shelf: Literal["verifier", "filter", "source"] = "verifier",
    ) -> None:
        self.name = f"{shelf}:{who}"
        self._alone = shelf != "verifier"
        engine = chosen(asked.engine)
        check_engine(f"{shelf} {who!r}", engine, asked.options, asked.sampling)
        model, unused = resolve(asked.model, asked.revision), Prompt("", "", None, (), "")
        self._asker = Asker(self.name, model, engine, asked.options, unused, "none", asked.sampling, seed)
        if folder is None:
            raise UsageError(f"verifier {who!r} asks a model, and its answers need a folder: Judge(asked=...).")
        name = re.sub(r"[^A-Za-z0-9_.-]", "_", who)
        self._folder = folder / {"verifier": name, "filter": f"filter_{name}", "source": shelf}[shelf]
        self._sampling = asked.sampling.model_dump(exclude_none=True, exclude={"n"})
        self._waiting: SimpleQueue[Request] = SimpleQueue()
        self._answers: dict[str, Future[Completion]] = {}
        self._in_flight = 0
        self._thread = ThreadPoolExecutor(1, "asking")
        self._running: Future[None] | None = None
        self._lock = threading.Lock()
        self._ended: TracegenError | None = None
        """Why no more questions are taken."""
        self._abandoned = False
        """What is in flight is not waited for."""
        self.meter: Meter | None = None

    @property
    def identity(self) -> dict[str, Any]:
        """What its answers depend on beside the prompt."""
        sampling = {name: value for name, value in self._sampling.items() if name != "max_tokens"}
        return {"model": self._asker.identity, "sampling": sampling, "seed": self._asker.seed}

    def of(self, problem: Problem) -> Callable[..., list[Completion]]:
        """`ask(*prompts, repeats=1)` for this problem: the answers to each prompt, all asked at once."""

        def ask(*prompts: Sequence[Message], repeats: int = 1) -> list[Completion]:
            asked = [self._put(problem.id, tuple(prompt), n) for prompt in prompts for n in range(repeats)]
            return [future.result() for future in asked]

        return ask

    def close(self) -> None:
        """Takes no more questions, waits for the answers in flight (they are paid for), and ends the engine.

        An interrupt ends the waiting: what is in flight is lost then.
        """
        self._ended = self._ended or TracegenError(f"{self.name} was closed before its model had answered.")
        try:
            self._thread.shutdown()
        except KeyboardInterrupt:
            self._abandoned = True
            self._thread.shutdown()
            raise
        finally:
            self._give_up(None)

    def _put(self, problem_id: str, messages: tuple[Message, ...], sample: int) -> Future[Completion]:
        asker = self._asker
        key = sample_key(
            model=asker.identity, messages=messages, sampling=self._sampling, seed=asker.seed, sample=sample
        )
        started = None
        with self._lock:
            if self._ended:
                raise self._ended
            if self._running is None:
                self._recall()
                self._running = started = self._thread.submit(self._run)
            if key not in self._answers:
                self._answers[key] = Future()
                seeded = self._sampling | {"seed": int(key[:7], 16)}
                self._waiting.put(Request(key, problem_id, asker.name, sample, messages, seeded))
            answer = self._answers[key]
        if started:  # outside of the lock, for an engine that is gone already calls back at once
            started.add_done_callback(lambda running: self._give_up(running.exception()))
        return answer

    def _recall(self) -> None:
        """What earlier launches were answered; a failure, or an answer cut off at fewer tokens, is asked again."""
        with Ledger(self._folder) as ledger:
            for row in best(self._folder):
                if ledger.has(row["key"], self._sampling["max_tokens"]):
                    self._answers[row["key"]] = Future()
                    self._answers[row["key"]].set_result(_completion(row))

    def _run(self) -> None:
        with Ledger(self._folder) as ledger, ledger.writing() as pen:
            for row in answers(self._questions(pen), self._asker):
                if self.meter:
                    self.meter.add(row)
                pen.put(row)
                self._hand_over(pen)
            pen.flush()
            self._hand_over(pen)

    def _hand_over(self, pen: Pen) -> None:
        """What is on disk goes to whoever waits for it."""
        for row in pen.durable():
            self._in_flight -= 1
            self._answers[row["key"]].set_result(_completion(row))

    def _questions(self, pen: Pen) -> Iterator[Request | None]:
        while not self._ended or self._in_flight:
            # Whoever waits for an answer may have the next question, so it must not wait for the next answer.
            self._hand_over(pen)
            if self._abandoned:
                raise TracegenError(f"{self.name} was given up before it had answered.")
            if self._ended:
                yield None
                continue
            try:
                request = self._waiting.get(timeout=0 if self._in_flight else NOTHING_YET)
            except Empty:
                yield None
                continue
            try:
                while not self._ended and not self._fits(request):
                    yield None
            except BudgetReached as reached:
                with self._lock:
                    refused = self._answers.pop(request.key)
                refused.set_exception(reached)
                continue
            if self._ended:
                return
            self._in_flight += 1
            yield request

    def _fits(self, request: Request) -> bool:
        """Whether the budget lets this request through now; BudgetReached where it never will."""
        if self.meter is None:
            return True
        # A verifier may be what the teachers wait for, so it cannot wait for what they have in flight.
        fits = self.meter.allows(request) if self._alone else not self.meter.reached()
        if not fits:
            self.meter.check()
        return fits

    def _give_up(self, error: BaseException | None) -> None:
        """The engine is gone: nobody may wait for ever."""
        with self._lock:
            if error is not None:
                self._ended = error if isinstance(error, TracegenError) else TracegenError(f"{self.name}: {error}")
            unanswered = [future for future in self._answers.values() if not future.done()]
        for future in unanswered:
            future.set_exception(self._ended or TracegenError(f"{self.name} stopped without an answer."))


def _completion(row: Row) -> Completion:
    return Completion(**{name: row[name] for name in Completion.__slots__ if name in row})
