"""Who is heard on a trace, and when: the recipe's verifiers as seats, and what the verdicts so far mean for the next.

A verifier is heard where none before it has said right or wrong. `only` names the outcomes of the verdict before it
with which it is heard instead: `[unverifiable]` for what the rules cannot tell, `[wrong]` for a court of appeal, whose
own right or wrong then stands, `[]` for never. `second_opinion` is the share of the judged traces, chosen by a hash of
the key, on which it is heard as well: that verdict is stored and compared, and never decides.
A problem's own verifier decides alone; second opinions are heard on it too.
"""

import hashlib
import inspect
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from tracegen import registry
from tracegen.asked import parted
from tracegen.checked import checked
from tracegen.recipe import Asked, Verifier
from tracegen.records import UsageError, Verdict

JUDGEMENTS = ("right", "wrong")


@dataclass(frozen=True)
class Seat:
    """One verifier of a panel."""

    name: str
    options: Mapping[str, Any]
    function: Callable[..., Verdict]
    """With the options bound, but not what the house fills in."""
    only: tuple[str, ...] | None = None
    second_opinion: float = 0.0
    asked: Asked | None = None
    """The model that it asks, if it asks one."""

    @cached_property
    def reserved(self) -> frozenset[str]:
        """What the house fills in: `trace`, `siblings`, `ask`."""
        return registry.RESERVED & set(inspect.signature(self.function).parameters)

    @property
    def by_rule(self) -> bool:
        """Whether it judges one answer by itself: it asks no model and compares no traces."""
        return self.asked is None and "siblings" not in self.reserved

    def chosen(self, key: str) -> bool:
        """Whether this trace gets its second opinion; the same ones in every run."""
        drawn = int.from_bytes(hashlib.sha256(f"{self.name} {key}".encode()).digest()[:6], "big")
        return drawn < self.second_opinion * 2**48


Given = Mapping[str, Any] | Verifier | None


def seats(verifiers: Mapping[str, Given]) -> dict[str, Seat]:
    """The recipe's verifiers in order; UsageError for an unknown one, and for what one does not take."""
    found = {name: seat(name, given) for name, given in verifiers.items()}
    if found and (first := next(iter(found.values()))).only:
        raise UsageError(f"verifier {first.name!r} is the first: no verdict comes before it, so it takes no `only`.")
    return found


def seat(name: str, given: Given = None) -> Seat:
    """One verifier with its entry checked."""
    entry = given if isinstance(given, Verifier) else checked(Verifier, given or {}, f"verifier {name!r}: ")
    options, asked = parted("verifier", name, entry.options)
    only = None if entry.only is None else tuple(entry.only)
    return Seat(name, options, registry.bind("verifier", name, options), only, entry.second_opinion, asked)


def panel(own: Seat | None, seats: Mapping[str, Seat]) -> list[Seat]:
    """The seats before which traces come: of problems that name a verifier of their `own`, or of all others."""
    if own is None:
        return list(seats.values())
    others = (seat for seat in seats.values() if seat.second_opinion and seat.name != own.name)
    return [replace(own, only=None), *(replace(seat, only=()) for seat in others)]


def next_seat(waiting: deque[Seat], verdicts: Sequence[Verdict], key: str) -> tuple[Seat, bool] | None:
    """Takes the next seat to be heard off `waiting`, and says whether it is a second opinion; None if that was all."""
    counting = [verdict for verdict in verdicts if not verdict.second_opinion]
    decided = any(verdict.outcome in JUDGEMENTS for verdict in counting)
    while waiting:
        seat = waiting.popleft()
        if not decided if seat.only is None else (counting and counting[-1].outcome in seat.only):
            return seat, False
        if decided and seat.chosen(key):
            return seat, True
    return None


def decide(verdicts: Sequence[Verdict]) -> Verdict | None:
    """The verdict that counts: the last right or wrong, else the last, second opinions aside; None if there is none."""
    counting = [verdict for verdict in verdicts if not verdict.second_opinion]
    judged = [verdict for verdict in counting if verdict.outcome in JUDGEMENTS]
    found = judged or counting
    return found[-1] if found else None
