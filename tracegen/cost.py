"""The budget of a run: what all its launches have used, against caps in tokens, dollars and seconds.

What is in flight is held back, so that a cap is not passed by what is already asked. Teachers whose price is not known
count in tokens and seconds only: no cap in dollars can see them.
"""

import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from tracegen.bill import COLUMNS, Bill, Row, Spent, dollars
from tracegen.ledger import IMPORTED
from tracegen.recipe import Budget, Prices
from tracegen.records import BudgetReached, Request

__all__ = ["COLUMNS", "Meter"]

PRIOR = 8
"""Answers at `max_tokens` that stand beside those that came back, for as long as these are few."""
CHARACTERS = 3.0
"""Characters a token, before any answer tells how long prompts are; English has about four, formulas fewer."""


class Meter:
    """A bill against a budget; teachers and the models of verifiers share one. Safe to share between threads.

    `within` passes requests on as long as they fit: what is used, what the answers in flight are expected to take and
    what the next one is expected to take stay together below every cap. Before any answer is there, each is expected to
    have `max_tokens`; then as many as those of its teacher so far, in which the time that others have been in flight
    already counts as well: the first to come back are the short ones.
    """

    def __init__(self, budget: Budget, prices: Mapping[str, Prices], *, again: str = "tracegen run RUN") -> None:
        self.budget, self.again = budget, again
        self._caps: dict[str, float] = budget.model_dump(exclude_none=True)
        self._bill = Bill(prices)
        self._started = time.monotonic()
        self._earlier = 0.0
        self._asked: dict[str, _Asked] = defaultdict(_Asked)
        self._in_flight: dict[str, _Sent] = {}
        self._refused: _Cap | None = None
        self._lock = threading.RLock()

    @property
    def prices(self) -> Mapping[str, Prices]:
        """By the `teacher` of a row."""
        return self._bill.prices

    @property
    def teachers(self) -> Mapping[str, Spent]:
        """What each teacher has used, over all launches."""
        return self._bill.teachers

    @property
    def tokens(self) -> int:
        """Prompt and completion tokens."""
        return sum(spent.tokens for spent in self._bill.teachers.values())

    @property
    def usd(self) -> float:
        """Dollars of those teachers whose price is known."""
        return sum(spent.usd or 0.0 for spent in self._bill.teachers.values())

    @property
    def seconds(self) -> float:
        """Seconds of all launches; this one's count from when the meter was made."""
        return self._earlier + time.monotonic() - self._started

    @property
    def in_flight(self) -> int:
        """Requests that were allowed and have not come back."""
        return len(self._in_flight)

    def add(self, row: Row) -> None:
        """An answer came back: it is paid for, and nothing is held back for it any more."""
        with self._lock:
            self._bill.add(row)
            asked = self._asked[row["teacher"]]
            if sent := self._in_flight.pop(row.get("key", ""), None):
                asked.back(sent)
            if row["error"] is None:
                asked.answered(row, time.monotonic() - sent.time if sent else 0.0)

    def add_earlier(self, rows: Iterable[Row]) -> None:
        """Rows of earlier launches; what another program has paid for is not this run's to pay."""
        before = self._bill.seconds
        for row in rows:
            if row.get("engine") != IMPORTED:
                self.add(row)
        self._earlier += self._bill.seconds - before

    def allows(self, request: Request) -> bool:
        """Whether the request fits below the caps; if so, what it is expected to cost is held back until it is back.

        False means "not now" as long as something is in flight; then ask again. `reached` says when to stop.
        """
        with self._lock:
            asked = self._asked[request.teacher]
            sent = asked.about(request)
            self._refused = self._over(self._expected(request.teacher, sent.prompt, asked.mean(sent)))
            if self._refused is None:
                self._in_flight[request.key] = sent
                asked.sent(sent)
            return self._refused is None

    def within(self, requests: Iterable[Request | None]) -> Iterator[Request | None]:
        """The requests, as long as the budget lasts; None where the next one has to wait for those in flight."""
        for request in requests:
            while request is not None and not self.allows(request):
                if self.reached():
                    return
                yield None
            yield request

    def reached(self) -> str | None:
        """The cap that is reached, as words for the user, or None."""
        cap = self._reached()
        return cap and cap.says

    def check(self) -> None:
        """BudgetReached if a cap is reached, with the command that goes on."""
        if cap := self._reached():
            more = f"budget.{cap.name}={2 * self._caps[cap.name]:.12g}"
            raise BudgetReached(
                f"stopped by the budget: {cap.says}; what is there is kept. Go on with: {self.again} {more}"
            )

    def _reached(self) -> "_Cap | None":
        with self._lock:
            return self._over() or (None if self._in_flight else self._refused)

    def _over(self, next_one: "_Expected | None" = None) -> "_Cap | None":
        """The first cap that is reached; with `next_one`, that would be passed by it and by what is in flight."""
        used = {"usd": self.usd, "tokens": float(self.tokens), "seconds": self.seconds}
        held = self._held() if next_one else None
        for name, cap in self._caps.items():
            says = f"budget.{name} is {cap:.12g} and {used[name]:.6g} are used"
            if used[name] >= cap:
                return _Cap(name, says)
            if next_one and held and name != "seconds":
                more = getattr(next_one, name)
                if used[name] + getattr(held, name) + more > cap:
                    return _Cap(name, f"{says}, and the next answer may take {more:.3g}")
        return None

    def _held(self) -> "_Expected":
        """What the answers in flight are expected to take."""
        now = time.monotonic()
        parts = [self._expected(name, asked.prompts, asked.held(now)) for name, asked in self._asked.items()]
        return _Expected(sum(part.tokens for part in parts), sum(part.usd for part in parts))

    def _expected(self, teacher: str, prompt: float, completion: float) -> "_Expected":
        price = self.prices.get(teacher)
        usd = dollars(price, prompt, completion, self._asked[teacher].engine) if price else 0.0
        return _Expected(prompt + completion, usd)


class _Expected(NamedTuple):
    tokens: float
    usd: float


class _Cap(NamedTuple):
    name: str
    says: str


class _Sent(NamedTuple):
    """A request in flight."""

    time: float
    prompt: float
    most: int
    """The most tokens that the answer can have."""


@dataclass(slots=True)
class _Asked:
    """What a teacher has in flight, and how long its prompts and answers are."""

    in_flight: int = 0
    prompts: float = 0.0
    """Tokens of the prompts in flight."""
    bound: int = 0
    """The most tokens that the answers in flight can have together."""
    engine: str | None = None
    _times: float = 0.0
    """Sum of the times at which those in flight were sent."""
    _most: int = 0
    _count: int = 0
    _prompt: int = 0
    _tokens: int = 0
    _timed: int = 0
    """Tokens of those answers whose time is known, of this launch."""
    _seconds: float = 0.0

    def about(self, request: Request) -> _Sent:
        most = max(0, request.sampling["max_tokens"] - request.prefix_tokens)
        written = sum(len(message["content"]) for message in request.messages) / CHARACTERS
        prompt = self._prompt / self._count if self._prompt else written
        return _Sent(time.monotonic(), prompt + request.prefix_tokens, most)

    def sent(self, sent: _Sent, sign: int = 1) -> None:
        self.in_flight += sign
        self.prompts += sign * sent.prompt
        self.bound += sign * sent.most
        self._times += sign * sent.time
        self._most = max(self._most, sent.most)

    def back(self, sent: _Sent) -> None:
        self.sent(sent, -1)

    def answered(self, row: Row, seconds: float) -> None:
        tokens = row["completion_tokens"] or 0
        self.engine = row.get("engine")
        self._count += 1
        self._prompt += row["prompt_tokens"] or 0
        self._tokens += tokens
        if seconds > 0:
            self._timed, self._seconds = self._timed + tokens, self._seconds + seconds

    def mean(self, sent: _Sent) -> float:
        """How long the next answer is expected to be."""
        return min(sent.most, self._mean(sent.most, self._written(sent.time)))

    def held(self, now: float) -> float:
        """How long those in flight may become together.

        The life that is left to each is the mean, whatever it has lived (lives being exponential), and of as many the
        standard deviation is the mean times their square root; two of these are added, for a cap is a cap.
        """
        written = self._written(now)
        left = self._mean(self._most, written) * (self.in_flight + 2 * self.in_flight**0.5)
        return min(self.bound, written + left)

    def _mean(self, most: int, written: float) -> float:
        """The mean of exponential lives, some of which have not ended (Epstein & Sobel 1953), beside PRIOR guesses."""
        return (PRIOR * most + self._tokens + written) / (PRIOR + self._count)

    def _written(self, now: float) -> float:
        """What those in flight have written already, at the pace of those that came back."""
        pace = self._timed / self._seconds if self._seconds else 0.0
        return pace * (self.in_flight * now - self._times)
