"""What ledger rows cost: tokens, dollars, seconds, by teacher.

    Bill            adds up rows; `Spent` is the line of one teacher
    per_verified    what one verified trace cost

Where no price is known nothing is guessed: the dollars are None.
Limits: prompt tokens that a provider had cached count in full.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from tracegen.recipe import Prices

__all__ = ["COLUMNS", "Bill", "PerVerified", "Spent", "dollars", "per_verified"]

Row = Mapping[str, Any]
COLUMNS = (
    "key",
    "teacher",
    "model",
    "engine",
    "prompt_tokens",
    "completion_tokens",
    "seconds",
    "time",
    "error",
)
"""What is read of a ledger's row; no texts."""


@dataclass(slots=True)
class Spent:
    """What was paid for: failures and answers that were continued count too."""

    requests: int = 0
    failed: int = 0
    input: int = 0
    output: int = 0
    seconds: float = 0.0
    """Time of its engine; teachers that share one share its time."""
    usd: float | None = 0.0
    """None: no price is known."""

    @property
    def tokens(self) -> int:
        return self.input + self.output


class PerVerified(NamedTuple):
    """What one verified trace cost."""

    tokens: float
    seconds: float
    usd: float | None


def per_verified(spent: Spent, right: int) -> PerVerified | None:
    """None as long as nothing was judged right."""
    if not right:
        return None
    return PerVerified(spent.tokens / right, spent.seconds / right, None if spent.usd is None else spent.usd / right)


class Bill:
    """Adds up rows by teacher."""

    def __init__(self, prices: Mapping[str, Prices]) -> None:
        self.prices = prices
        self.teachers: dict[str, Spent] = {}
        self._launches = _Stretches()
        self._engines: dict[tuple[str, str], _Stretches] = defaultdict(_Stretches)

    @property
    def seconds(self) -> float:
        """Time in which any engine ran, teachers that ran side by side counted once."""
        return self._launches.covered

    def add(self, row: Row) -> None:
        name = row["teacher"]
        price = self.prices.get(name)
        spent = self.teachers.setdefault(name, Spent(usd=0.0 if price else None))
        spent.requests += 1
        spent.failed += row["error"] is not None
        prompt, completion = row["prompt_tokens"] or 0, row["completion_tokens"] or 0
        spent.input += prompt
        spent.output += completion
        # A row's `seconds` count from its engine's start: so long had the engine run at the row's time.
        end = row.get("time") or 0.0
        start = end - (row.get("seconds") or 0.0)
        self._launches.add(start, end)
        fresh = self._engines[row.get("model") or "", row.get("engine") or ""].add(start, end)
        spent.seconds += fresh
        if price and spent.usd is not None:
            spent.usd += dollars(price, prompt, completion, row.get("engine")) + fresh * _second(price)


def dollars(price: Prices, prompt: float, completion: float, engine: str | None) -> float:
    """What so many tokens cost; a batch is cheaper."""
    whole = (prompt * price.input + completion * price.output) / 1e6
    return whole * (1 - price.batch_discount) if engine == "batch_api" else whole


class _Stretches:
    """A union of stretches of time."""

    def __init__(self) -> None:
        self.covered = 0.0
        self._starts: list[float] = []
        self._ends: list[float] = []

    def add(self, start: float, end: float) -> float:
        """The seconds that this stretch adds to what is covered."""
        first, last = bisect_left(self._ends, start), bisect_right(self._starts, end)
        inside = zip(self._starts[first:last], self._ends[first:last], strict=True)
        known = sum(its_end - its_start for its_start, its_end in inside)
        if first < last:
            start, end = min(start, self._starts[first]), max(end, self._ends[last - 1])
        self._starts[first:last], self._ends[first:last] = [start], [end]
        fresh = (end - start) - known
        self.covered += fresh
        return fresh


def _second(price: Prices) -> float:
    return price.gpu_hour * price.gpus / 3600
