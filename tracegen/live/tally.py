"""The counts of one teacher, and the figures that follow from them.

Figures are plain mappings with stable names: the screen, the lines, `status.json`, the JSON log and the metrics show
nothing else (docs/watching.md says what each means). What is not known yet is None, never 0.
"""

import re
from collections import Counter
from collections.abc import Mapping
from math import ceil
from typing import Any

from tracegen.estimate import Usage
from tracegen.live.projected import Ahead
from tracegen.live.window import Window
from tracegen.recipe import Prices
from tracegen.records import Trace
from tracegen.redact import without_secrets

Figures = dict[str, Any]
KINDS = 20
"""Kinds of errors that are told apart; whatever else comes is one kind more."""


class Tally:
    """What one teacher was asked and what came back, in this launch; not thread-safe, its owner holds a lock."""

    def __init__(self, price: Prices | None = None) -> None:
        self.engine = ""
        self.usage = Usage(price) if price else None
        self.planned = self.there = 0
        self.at_most = False
        self.asked = self.answered = self.failed = self.continued = self.forced = 0
        self.prompt_tokens = self.completion_tokens = 0
        self.traces: Counter[str] = Counter()
        self.verdicts: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.answers_lately, self.tokens_lately, self.right_lately = Window(), Window(), Window()

    def answer(self, row: Mapping[str, Any], trace: Trace | None, now: float) -> None:
        """A ledger row that is durable, and the trace that it holds unless it is a failure."""
        self.answered += 1
        self.answers_lately.add(1, now)
        if self.usage:
            self.usage.answered(row)
        tokens = row["completion_tokens"] or 0
        self.prompt_tokens += row["prompt_tokens"] or 0
        self.completion_tokens += tokens
        self.tokens_lately.add(tokens, now)
        self.continued += bool(row.get("prefix_tokens"))
        self.forced += bool(row.get("forced"))
        if trace is not None:
            self.traces[trace.status] += 1
        if row["error"] is not None:
            self.failed += 1
            kind = error_kind(row["error"])
            self.errors[kind if kind in self.errors or len(self.errors) < KINDS else "other"] += 1

    def verdict(self, outcome: str, now: float) -> None:
        self.verdicts[outcome] += 1
        if outcome == "right":
            self.right_lately.add(1, now)

    @property
    def done(self) -> int:
        """Samples of the plan that have an answer; one that goes on from an earlier one is of a sample that counts."""
        done = self.there + self.answered - self.continued
        return min(done, self.planned) if self.planned else done

    def left(self, unsolved: float) -> int:
        """Samples still to come; at most those of the problems that are unsolved, where verdicts steer."""
        left = self.planned - self.done
        return min(left, ceil(self.planned * unsolved)) if self.at_most else left

    def ahead(self, now: float, unsolved: float) -> Ahead | None:
        """What is still to come of a teacher whose price is known."""
        if self.usage is None:
            return None
        left = self.left(unsolved)
        return Ahead(self.usage, left, self.at_most, self.time_left(left, now))

    def time_left(self, left: int, now: float) -> float | None:
        """Seconds until so many more are answered, at the pace of the last minute; None where that cannot be said."""
        pace = self.answers_lately.rate(now)
        if not self.planned or (left and not pace):
            return None
        return round(left / pace, 1) if left else 0.0

    def include(self, other: "Tally", now: float) -> None:
        """Add what another teacher has."""
        self.at_most |= other.at_most
        for name in COUNTED:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in LATELY:
            getattr(self, name).include(getattr(other, name), now)

    def figures(self, now: float, seconds: float, unsolved: float) -> Figures:
        """`seconds`: how long this stage has run; `unsolved`: the share of problems that may get more samples."""
        judged = self.verdicts["right"] + self.verdicts["wrong"]
        return {
            **({"engine": self.engine} if self.engine else {}),
            "samples": {
                "planned": self.planned or None,
                "at_most": self.at_most,
                "done": self.done,
                "there": self.there,
                "asked": self.asked,
                "answered": self.answered,
                "failed": self.failed,
                "continued": self.continued,
                "forced": self.forced,
            },
            "tokens": {
                "prompt": self.prompt_tokens,
                "completion": self.completion_tokens,
                "per_second": round(self.tokens_lately.rate(now), 1),
                "per_second_total": round(self.completion_tokens / max(1.0, seconds), 1),
            },
            "traces": dict(self.traces),
            "truncated": share(self.traces["truncated"], self.traces.total()),
            "verdicts": dict(self.verdicts),
            "right": share(self.verdicts["right"], judged),
            "verified_per_minute": round(60 * self.right_lately.rate(now), 1) if judged else None,
            "errors": dict(self.errors.most_common()),
            "seconds_left": self.time_left(self.left(unsolved), now),
        }


COUNTED = tuple(name for name, value in vars(Tally()).items() if type(value) in (int, Counter))
LATELY = tuple(name for name, value in vars(Tally()).items() if isinstance(value, Window))


def share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def error_kind(sentence: str) -> str:
    """The sort of a failure: its sentence up to the first detail, long numbers and secrets out."""
    head = re.split(r"[:;(]", str(without_secrets(sentence)), maxsplit=1)[0]
    return re.sub(r"\d{4,}", "N", " ".join(head.split()))[:80] or "unknown"
