"""The sum that is minimized, and how a batch's outputs become it.

    (1 / N) sum_n v_n (alpha CE_n + (1 - alpha) c_n sum_i w_i b_i L_in),  L_in = sum_k u_kn loss_i(student, teacher k)_n

N: trained tokens of the whole accumulated batch, of all processes. v: weight of the row (1). alpha: weight of the
cross-entropy, everywhere. w_i: the recipe's weight of a loss, b_i what balances it (`sft/balance.py`). u_k, c: how far
each of several teachers is followed at a position, and all of them together (`sft/several.py`). alpha, w and the
temperature may move over the training (`sft/schedule.py`). Where no teacher has said anything, alpha is 1.

Losses on distributions are computed for CHUNK values of the vocabulary at a time, and again in the backward pass where
there is more than one chunk; being values per position, they are the same in chunks as in one piece.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from torch.utils.checkpoint import checkpoint

from sft.losses.cross_entropy import cross_entropy
from sft.places import Places
from sft.schedule import Schedule
from sft.several import Several
from sft.temperature import Heat
from sft.views import View

CHUNK = 2**28
"""Logits that are held at once, 1 GiB of float32."""
CE = "cross_entropy"
Look = Callable[[slice], View]
"""A teacher's view of some of a batch's positions."""


@runtime_checkable
class Joined(Protocol):
    """A look at positions of which some must stay together: `joined` [n] go on with the one before."""

    joined: torch.Tensor


@dataclass(frozen=True, slots=True)
class Term:
    """One loss with its weight; `loss(student, teacher, labels)` gives values [n]."""

    loss: Callable[..., torch.Tensor]
    reads: str
    weight: Schedule

    @property
    def of_tokens(self) -> bool:
        """Whether it compares distributions, and not layers."""
        return self.reads in ("logits", "spans")


class Objective:
    """Everything about the sum but the models."""

    def __init__(
        self,
        terms: Mapping[str, Term],
        *,
        alpha: Schedule,
        temperature: Heat,
        mix: Several | None = None,
        gaps: bool = False,
        chunk: int = CHUNK,
    ) -> None:
        """`gaps`: at some positions a teacher may have said nothing (`View.known`)."""
        self.terms, self.alpha, self.temperature, self.mix, self.chunk = terms, alpha, temperature, mix, chunk
        self.gaps = gaps

    def reads(self, what: str) -> dict[str, Term]:
        """The terms that look at logits, hidden or attention."""
        return {name: term for name, term in self.terms.items() if term.reads == what}

    def moving(self, done: float) -> dict[str, float]:
        """The scheduled values that are not the same all along, as they stand now."""
        schedules = {"alpha": self.alpha} | {f"weight_{name}": term.weight for name, term in self.terms.items()}
        return {name: values(done) for name, values in schedules.items() if len(values.points) > 1}

    def values(
        self,
        states: torch.Tensor,
        head: Callable[[torch.Tensor], torch.Tensor],
        places: Places,
        features: View,
        teachers: Sequence[Look],
        done: float,
    ) -> dict[str, torch.Tensor]:
        """Each loss's values [n], of the student's last states [n, d] and of what else it shows (`features`).

        Beside the losses: `correct` (the label is the most likely token), `trust` (c of the sum above), `temperature`
        (the teachers' mean), of several teachers `share_NAME` (u), and where there may be such, `alone` (no teacher has
        said anything).
        """
        size = head(states[:1]).shape[-1]
        step = max(1, self.chunk // size)

        def part(own: torch.Tensor, chosen: slice) -> tuple[torch.Tensor, ...]:
            student = View(logits=head(own))
            return self._of(student, features.at(chosen), places, chosen, teachers, done)

        names = [CE, *self.terms, "correct", "trust", "temperature", *(["alone"] if self.gaps else [])]
        names += [f"share_{name}" for name in self.mix.names] if self.mix else []
        looks: Sequence[Any] = teachers
        joined = [look.joined for look in looks if isinstance(look, Joined)]
        chunks = pieces(len(places), step, joined)
        if len(chunks) <= 1:
            return dict(zip(names, part(states, slice(None)), strict=True))
        parts = [checkpoint(part, states[chosen], chosen, use_reentrant=False) for chosen in chunks]
        return {name: torch.cat(values) for name, *values in zip(names, *parts, strict=True)}

    def _of(
        self,
        student: View,
        features: View,
        places: Places,
        chosen: slice,
        teachers: Sequence[Look],
        done: float,
    ) -> tuple[torch.Tensor, ...]:
        labels = places.labels[chosen]
        with torch.no_grad():
            said = [look(chosen) for look in teachers]
            heats = [self.temperature(done, view) for view in said]
            share, trust = self.mix(said, places, chosen) if self.mix else _equal(said, labels)
            alone: tuple[torch.Tensor, ...] = ()
            if self.gaps:
                alone = (torch.stack([view.silent(labels) for view in said]).all(0).float(),)
            assert student.logits is not None
            correct = (student.logits.argmax(-1) == labels).float()
        found = [cross_entropy(student, None, labels)]
        for term in self.terms.values():
            own = student if term.of_tokens else features
            options: list[dict[str, Any]] = [{"temperature": heat} if term.of_tokens else {} for heat in heats]
            each = torch.stack(
                [term.loss(own, view, labels, **given) for view, given in zip(said, options, strict=True)]
            )
            found.append((share * each).sum(0))
        mean = sum(heats, start=torch.zeros_like(trust)) / max(1, len(heats))
        return *found, correct, trust, mean, *alone, *(share if self.mix else ())

    def total(self, values: Mapping[str, torch.Tensor], done: float, factors: Mapping[str, float]) -> torch.Tensor:
        """The sum over positions [n -> scalar], not yet divided by the tokens. `factors` are the b of the sum above."""
        alpha: Any = self.alpha(done)
        if self.gaps:
            alpha = alpha + (1 - alpha) * values["alone"]
        taught = sum(
            (term.weight(done) * factors.get(name, 1.0) * values[name] for name, term in self.terms.items()),
            start=torch.zeros_like(values[CE]),
        )
        each = alpha * values[CE]
        if self.gaps or alpha < 1:
            each = each + (1 - alpha) * values["trust"] * taught
        return (values["weight"] * each if "weight" in values else each).sum()


def pieces(count: int, step: int, joined: Sequence[torch.Tensor]) -> list[slice]:
    """Slices of at most `step` positions that end where no position goes on with the one before."""
    free = ~torch.stack([*joined]).any(0) if joined else None
    found, start = [], 0
    while start < count:
        end = min(start + step, count)
        while free is not None and start + 1 < end < count and not free[end]:
            end -= 1
        found.append(slice(start, end))
        start = end
    return found


def _equal(said: Sequence[View], labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The same share of every teacher, and trust wherever one of them speaks."""
    if not said:
        return torch.zeros(0, len(labels), device=labels.device), torch.ones(len(labels), device=labels.device)
    speaks = torch.stack([~view.silent(labels) for view in said]).float()
    return speaks / speaks.sum(0).clamp(min=1), speaks.amax(0)
