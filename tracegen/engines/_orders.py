"""What is to be sent, what is at the server and what has come back, of one engine and its batches.

A request is `pending` until it is in a batch, then `waiting`; an answer that nobody has asked for yet is `found`.
"""

import time
from collections import Counter, defaultdict, deque
from collections.abc import Iterator
from typing import Any

from tracegen import telemetry
from tracegen.engines._answers import counts
from tracegen.engines._batches import Batches, Gone, may_pass
from tracegen.engines._draw import IDLE
from tracegen.engines._journal import Batch, Journal, shape
from tracegen.engines._lines import Body, may_serve, plus, read, scratch
from tracegen.engines._refusals import ENOUGH, all_refused
from tracegen.engines._running import ENDED, Running
from tracegen.progress import say
from tracegen.records import Completion, Request, TracegenError

__all__ = ["Orders"]

MOST_BYTES = 190_000_000
"""Of one file; OpenAI takes 200 MB."""
_TOO_MUCH = ("token_limit_exceeded", "request_limit_exceeded", "rate_limit_exceeded")
"""Codes of a batch that was not begun because too much is queued already."""


class Orders:
    """The batches of one engine."""

    def __init__(
        self,
        server: Batches,
        body: Body,
        journal: Journal,
        batch_size: int,
        batches_in_flight: int,
        max_retries: int,
        poll_seconds: float,
    ) -> None:
        self._server, self._body, self._journal = server, body, journal
        self._size, self._most, self._retries, self._longest = batch_size, batches_in_flight, max_retries, poll_seconds
        self._pending: deque[Request] = deque()
        self._waiting: dict[str, Request] = {}
        self._given: dict[str, Request] = {}
        """Requests that are asked otherwise than they were given, as they were given."""
        self._found: dict[str, tuple[Batch, dict[str, Any]]] = {}
        self._unasked: Counter[str] = Counter()
        """Answers in `found` by the tag of their batch."""
        self._running: dict[str, Running] = {}
        self._paid: dict[str, Counter[str]] = defaultdict(Counter)
        """Tokens of answers that are asked anew, by key."""
        self._answers = self._refusals = 0
        self._sent: set[str] = set()
        """Tags of this launch's batches."""
        self._teachers: set[str] = set()
        self._tries: Counter[str] = Counter()
        self._refused: list[tuple[Request, Completion]] = []
        self._last_drawn = time.monotonic()
        self._not_before = 0.0
        self._said_all = False

    @property
    def room(self) -> bool:
        held = len(self._pending) + len(self._waiting)
        return len(self._pending) < self._size and held < self._size * self._most

    @property
    def empty(self) -> bool:
        return not (self._pending or self._waiting or self._refused)

    def quiet_for(self, seconds: float) -> bool:
        """Whether no request has come for so long."""
        return time.monotonic() - self._last_drawn >= seconds

    def take(self, request: Request) -> Completion | None:
        """A new request; its answer where an earlier batch has brought it already."""
        self._last_drawn = time.monotonic()
        if (asked := self._body.asked(request)) is not request:
            self._given[request.key] = request
        if request.forced and not asked.prefix:
            return Completion(error="its thinking cannot be closed by force: the server goes on with no answer")
        if asked.key in self._found:
            batch, answer = self._found.pop(asked.key)
            self._unasked[batch.tag] -= 1
            if not self._unasked[batch.tag]:
                self._journal.settle(batch)
            answered = self._read(asked, batch, answer, new=True)
            if answered is None:
                self._pending.append(asked)
                return None
            return self._done(asked, answered)[1]
        held = self._journal.holding(asked.key)
        if held is None or not may_serve(held.keys[asked.key], asked):
            self._pending.append(asked)
            return None
        self._waiting[asked.key] = asked
        if held.tag not in self._running and self._attach(held):
            self._running[held.tag] = Running(held)
        return None

    def refused(self) -> Iterator[tuple[Request, Completion]]:
        """Requests that will get no answer."""
        while self._refused:
            yield self._refused.pop()

    def send(self, *, all_of_them: bool) -> None:
        """Order the batches that are full, or all that is there."""
        while (
            self._pending
            and (all_of_them or len(self._pending) >= self._size)
            and len(self._running) < self._most
            and time.monotonic() >= self._not_before
        ):
            self._send()

    def look(self) -> Iterator[tuple[Request, Completion]]:
        """The answers of batches that have ended, of those whose time to be looked at has come."""
        self._journal.sweep()
        for running in list(self._running.values()):
            if time.monotonic() < running.due:
                continue
            batch_id = running.batch.batch_id or ""
            try:
                state = self._server.look(batch_id)
            except Gone:
                say(f"batch {batch_id} is unknown to the server by now; what it held is asked again.")
                state = {"status": "expired"}
            if sentence := running.looked_at(state, self._longest):
                say(sentence)
            if state.get("status") in ENDED:
                del self._running[running.batch.tag]
                yield from self._collect(running.batch, state)
            self._gauge()

    def told(self) -> None:
        """Say once that everything is sent, and that nobody needs to wait here for it."""
        if self._waiting and not self._pending and not self._said_all:
            self._said_all = True
            later = " Who stops here loses nothing: the same command picks them up." if self._journal.folder else ""
            say(f"all {len(self._waiting)} requests are at the server; a batch may take a day.{later}")

    def rest(self, *, idle: bool) -> None:
        """Wait a little: until the next look, or less where requests may come or are there to be sent."""
        now = time.monotonic()
        until = min((running.due for running in self._running.values()), default=now + IDLE) - now
        time.sleep(max(0.0, min(until, 10 * IDLE if idle or self._pending else 0.5)))

    def leave(self, *, cancel: bool) -> None:
        """The engine ends: what still runs is cancelled, or left where it is, with a word on where that is."""
        ids = [running.batch.batch_id or "" for running in self._running.values()]
        if not ids:
            return
        if cancel:
            cancelled = [batch_id for batch_id in ids if self._server.cancel(batch_id)]
            if cancelled:
                done = "what they have done by now is paid for"
                say(f"cancelled at {self._server.base_url}: {', '.join(cancelled)}; {done}.")
            ids = [batch_id for batch_id in ids if batch_id not in cancelled]
        if not ids:
            return
        later = "the same command picks them up" if self._journal.folder else "nobody picks them up"
        say(f"left at {self._server.base_url}, where they go on and are paid for: {', '.join(ids)}; {later}.")

    def _attach(self, batch: Batch) -> bool:
        """Whether the server has a batch that an earlier launch ordered, or was about to."""
        if batch.batch_id is None:
            found = self._server.find(batch.tag, batch.file_id, batch.made)
            if found is None:
                self._journal.drop(batch)
                self._again(list(batch.keys))
                return False
            batch.batch_id = found["id"]
            self._journal.write(batch)
        say(f"batch {batch.batch_id} ({len(batch.keys)} requests) was sent earlier and is waited for.")
        return True

    def _read(self, asked: Request, batch: Batch, answer: dict[str, Any], *, new: bool) -> Completion | None:
        """The answer; None where the request must be asked anew: what a `new` one has cost is kept for its end."""
        self._answers += 1
        found = read(asked, batch.keys[asked.key], answer)
        if found is None and new:
            self._paid[asked.key].update(counts(answer))
        return found

    def _done(self, asked: Request, completion: Completion) -> tuple[Request, Completion]:
        if paid := self._paid.pop(asked.key, None):
            completion = plus(completion, paid)
        return self._given.pop(asked.key, asked), completion

    def _again(self, keys: list[str]) -> None:
        self._pending.extend(self._waiting.pop(key) for key in keys if key in self._waiting)

    def _send(self) -> None:
        """One batch: written down, uploaded, written down, ordered, written down."""
        taken: dict[str, Request] = {}
        with scratch() as lines:
            while self._pending and len(taken) < self._size:
                line = self._body.line(self._pending[0])
                if lines.tell() + len(line) > MOST_BYTES and (taken or len(line) > MOST_BYTES):
                    if taken:
                        break
                    self._refused.append(self._done(self._pending.popleft(), Completion(error="too long for a batch")))
                    continue
                lines.write(line)
                request = self._pending.popleft()
                taken[request.key] = request
            if not taken:
                return
            batch = Batch(self._server.base_url, {key: shape(request) for key, request in taken.items()})
            self._journal.write(batch)
            batch.file_id = self._server.upload(lines, f"tracegen-{batch.tag}.jsonl")
        self._journal.write(batch)
        batch.batch_id = str(self._server.create(batch.file_id, batch.tag)["id"])
        self._journal.write(batch)
        self._waiting |= taken
        self._running[batch.tag] = Running(batch)
        self._sent.add(batch.tag)
        say(f"batch {batch.batch_id}: {len(taken)} requests sent.")
        self._gauge()

    def _collect(self, batch: Batch, state: dict[str, Any]) -> Iterator[tuple[Request, Completion]]:
        """Answers and refusals of a batch that has ended; what has neither goes into a new one."""
        reasons: dict[str, str] = {}
        answered: set[str] = set()
        for name in ("output_file_id", "error_file_id"):
            try:
                if state.get(name):
                    with scratch() as file:
                        for row in self._server.rows(state[name], file):
                            yield from self._row(batch, row, reasons, answered)
            except Gone:
                say(f"a file of batch {batch.batch_id} is gone from the server; what it held is asked again.")
        self._journal.forget([key for key in batch.keys if key not in answered], batch)
        left = [key for key in batch.keys if key in self._waiting]
        if state.get("status") == "failed" and left and batch.tag in self._sent:
            self._refuse_or_wait(batch, state)
        else:
            for key in left:
                # What an earlier launch has tried in vain is why it is asked again now.
                self._tries[key] += batch.tag in self._sent
                if self._tries[key] > self._retries:
                    why = reasons.get(key) or f"the batch ended without it ({state.get('status')})"
                    yield self._done(
                        self._waiting.pop(key), Completion(error=f"{why}; given up after {self._tries[key]} batches")
                    )
        self._again(left)
        if not batch.collected and not self._unasked[batch.tag]:
            self._journal.settle(batch)
        batch.collected = True
        self._journal.write(batch, holding=False)
        if not self._answers and self._refusals >= ENOUGH:
            raise all_refused(self._server.base_url, next(iter(reasons.values())))

    def _row(
        self, batch: Batch, row: dict[str, Any], reasons: dict[str, str], answered: set[str]
    ) -> Iterator[tuple[Request, Completion]]:
        """One line of an output or error file."""
        key, response = str(row.get("custom_id")), row.get("response") or {}
        if key not in batch.keys:
            return
        status, answer = response.get("status_code"), response.get("body") or {}
        if status == 200:
            answered.add(key)
            # A batch that was handed on before is only read for those who ask: memory stays flat.
            if (request := self._waiting.get(key)) is None:
                if not batch.collected:
                    self._found[key] = batch, answer
                    self._unasked[batch.tag] += 1
            elif (found := self._read(request, batch, answer, new=not batch.collected)) is not None:
                yield self._done(self._waiting.pop(key), found)
            return
        error = row.get("error") or answer.get("error") or answer
        said = error.get("message") if isinstance(error, dict) else error
        reasons[key] = " ".join(f"{status or ''} {said or 'no reason given'}".split())[:300]
        final = isinstance(status, int) and not may_pass(status)
        # A refusal of an earlier launch is why it is asked again now.
        if final and key in self._waiting and batch.tag in self._sent:
            self._refusals += 1
            yield self._done(self._waiting.pop(key), Completion(error=reasons[key]))

    def _refuse_or_wait(self, batch: Batch, state: dict[str, Any]) -> None:
        """A batch that the server did not begin: too much is queued there, or something is wrong with all of it."""
        errors = (state.get("errors") or {}).get("data") or [{}]
        code, said = str(errors[0].get("code")), str(errors[0].get("message") or "no reason given")
        if code not in _TOO_MUCH:
            raise TracegenError(f"the server at {self._server.base_url} refuses batch {batch.batch_id}: {said}")
        self._not_before = time.monotonic() + self._longest
        if not self._running and len(batch.keys) > 1:
            # Nothing of ours is queued, so a batch of this size may never be taken.
            self._size = len(batch.keys) // 2
        say(f"batch {batch.batch_id} has to wait, too much is queued at the server: {' '.join(said.split())[:200]}")

    def _gauge(self) -> None:
        in_flight = Counter(request.teacher for request in self._waiting.values())
        self._teachers |= set(in_flight)
        for teacher in self._teachers:
            telemetry.gauge(teacher, in_flight=in_flight[teacher], slots=self._size * self._most)
