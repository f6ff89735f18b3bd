"""What a run has used and may use: tokens, dollars, seconds, summed over all launches."""

import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tracegen.ledger import Row
from tracegen.recipe import Budget, Prices
from tracegen.records import BudgetReached


@dataclass
class Meter:
    """Adds up ledger rows against the caps of a budget; teachers and the models of verifiers share one."""

    budget: Budget
    prices: Mapping[str, Prices]
    """By the `teacher` of a row; one without prices costs nothing in dollars."""
    tokens: int = 0
    """Prompt and completion tokens."""
    usd: float = 0.0
    seconds: float = 0.0
    """Of earlier launches; this one's count from when the meter was made."""
    started: float = field(default_factory=time.monotonic)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def add(self, row: Row) -> None:
        prompt, completion = row["prompt_tokens"] or 0, row["completion_tokens"] or 0
        price = self.prices.get(row["teacher"])
        with self._lock:
            self.tokens += prompt + completion
            if price:
                self.usd += (prompt * price.input + completion * price.output) / 1e6

    def add_earlier(self, rows: Iterable[Row]) -> None:
        """Rows of earlier launches. Their time is read off `seconds`, which restarts with each engine."""
        longest = 0.0
        for row in rows:
            self.add(row)
            if row["seconds"] < longest:
                self.seconds += longest
                longest = 0.0
            longest = max(longest, row["seconds"])
        self.seconds += longest

    def reached(self) -> str | None:
        """The cap that is reached, as words for the user, or None."""
        used = {"usd": self.usd, "tokens": self.tokens, "seconds": self.seconds + time.monotonic() - self.started}
        for name, cap in self.budget.model_dump(exclude_none=True).items():
            if used[name] >= cap:
                return f"budget.{name} is {cap:g} and {used[name]:.6g} are used"
        return None

    def check(self) -> None:
        if cap := self.reached():
            raise BudgetReached(f"stopped by the budget: {cap}; raise it and start the same command again to go on.")
