"""A batch at the server, looked at from time to time: soon again where something moves, ever later elsewhere."""

import time
from dataclasses import dataclass, field
from typing import Any

from tracegen.engines._journal import Batch

__all__ = ["ENDED", "Running"]

ENDED = ("completed", "failed", "expired", "cancelled")
SAY_EVERY = 20.0
_FIRST_LOOK = 2.0


@dataclass
class Running:
    """A batch, when it is due to be looked at, and how far it was the last time."""

    batch: Batch
    due: float = 0.0
    _wait: float = 0.0
    _done: int = -1
    _said: float = field(default_factory=time.monotonic)

    def looked_at(self, state: dict[str, Any], longest: float) -> str | None:
        """How it stands now; a sentence for the user now and then. `longest`: the longest wait between two looks."""
        counts, now = state.get("request_counts") or {}, time.monotonic()
        done = int(counts.get("completed") or 0) + int(counts.get("failed") or 0)
        moved = done > max(0, self._done)
        self._wait = min(longest, _FIRST_LOOK if done != self._done else 1.5 * self._wait)
        self._done, self.due = done, now + self._wait
        ended = state.get("status") in ENDED
        if not ended and (not moved or now - self._said < SAY_EVERY):
            return None
        self._said = now
        total = counts.get("total") or len(self.batch.keys)
        return f"batch {self.batch.batch_id}: {done} of {total} done" + (f", {state['status']}" if ended else "")
