"""What has come of the attempts at new problems, how many more to have under way, and what is said in the end."""

from collections import Counter
from dataclasses import dataclass, field
from math import ceil

from tracegen.progress import say
from tracegen.records import TracegenError

ABREAST = 128
"""Drafts under way, and beside them problems that are being solved, each with all its solutions."""


@dataclass
class Tally:
    """Counts, by method and by reason."""

    limit: int | None
    planned: int
    tried: Counter[str] = field(default_factory=Counter)
    kept: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    voted: int = 0
    barren: int = 0
    """Attempts in a row that gave nothing."""

    @property
    def full(self) -> bool:
        return self.kept.total() == self.limit

    def drafts(self) -> int:
        """How many drafts to have under way; what is being solved counts as well."""
        finished = self.kept.total() + self.refused.total()
        return max(1, self._room(finished) - (self.tried.total() - finished))

    def votes(self) -> int:
        """How many problems to have solved at the same time."""
        return self._room(self.voted)

    def _room(self, done: int) -> int:
        """What the limit lacks, at the yield of those that are done: more would be paid for and thrown away."""
        if self.limit is None:
            return ABREAST
        kept = self.kept.total()
        return max(1, min(ABREAST, ceil((self.limit - kept) * (done + 1) / (kept + 1))))

    def by_method(self) -> str:
        return ", ".join(f"{method} {self.kept[method]} of {tried}" for method, tried in self.tried.items())

    def conclude(self) -> None:
        """Say what came of it; TracegenError where nothing did."""
        tried, kept = self.tried.total(), self.kept.total()
        why = ", ".join(f"{reason} {count}" for reason, count in self.refused.most_common())
        if not kept:
            raise TracegenError(
                f"source 'synthesize': none of {tried} attempts gave a problem ({why}); use a stronger model, other "
                "prompts (`how`), more max_tokens or a lower min_agreement."
            )
        say(f"synthesize: {kept} problems of {tried} attempts ({self.by_method()}); refused: {why or 'none'}.")
        if self.limit is not None and not self.full:
            end = "the plan is at its end" if tried == self.planned else f"the last {self.barren} attempts gave nothing"
            say(
                f"synthesize: {self.limit} were asked for, but {end}; more seeds, or larger counts in `how`, give more."
            )
