"""What ledger rows cost: tokens, dollars, seconds, by teacher.

    Bill            adds up rows; `Spent` is the line of one teacher
    per_verified    what one verified trace cost

Where no price is known nothing is guessed: the dollars are None.
Limits: prompt tokens that a provider had cached count in full.
"""

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
    "started",
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
        self.seconds = 0.0
        """For which engines ran, one after the other."""
        self._longest: dict[tuple[str, str, Any], float] = defaultdict(float)
        self._before: dict[tuple[str, str], float] = defaultdict(float)

    def add(self, row: Row) -> None:
        name = row["teacher"]
        price = self.prices.get(name)
        spent = self.teachers.setdefault(name, Spent(usd=0.0 if price else None))
        spent.requests += 1
        spent.failed += row["error"] is not None
        prompt, completion = row["prompt_tokens"] or 0, row["completion_tokens"] or 0
        spent.input += prompt
        spent.output += completion
        fresh = self._fresh_seconds(row)
        self.seconds += fresh
        spent.seconds += fresh
        if price and spent.usd is not None:
            spent.usd += dollars(price, prompt, completion, row.get("engine")) + fresh * _second(price)

    def _fresh_seconds(self, row: Row) -> float:
        """What the row adds to its engine's time. Its `seconds` count from the engine's start, by a clock that never
        jumps; `started` tells one start from another, and in rows without it, that `seconds` fall back.
        """
        seconds, engine = row.get("seconds") or 0.0, (row.get("model") or "", row.get("engine") or "")
        if (start := row.get("started")) is None:
            fresh = seconds - self._before[engine] if seconds >= self._before[engine] else seconds
            self._before[engine] = seconds
            return fresh
        fresh = max(0.0, seconds - self._longest[*engine, start])
        self._longest[*engine, start] += fresh
        return fresh


def dollars(price: Prices, prompt: float, completion: float, engine: str | None) -> float:
    """What so many tokens cost; a batch is cheaper."""
    whole = (prompt * price.input + completion * price.output) / 1e6
    return whole * (1 - price.batch_discount) if engine == "batch_api" else whole


def _second(price: Prices) -> float:
    return price.gpu_hour * price.gpus / 3600
