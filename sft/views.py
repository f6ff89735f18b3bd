"""What one model says at the trained positions of a batch: all that a loss may look at.

Shape: n positions, V tokens of the shared vocabulary, k kept of them, d the width, H heads, W keys of a window.
The positions are those whose next token is a label, in the order of the batch; documents and padding are gone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import torch


@dataclass(frozen=True, slots=True)
class View:
    """A student's or a teacher's outputs at n positions. What nobody asked for is None or empty."""

    logits: torch.Tensor | None = None
    """[n, V], unscaled."""
    columns: torch.Tensor | slice | None = None
    """Of a teacher: which of the student's logits its own stand beside; None: all."""
    top: "Top | None" = None
    """What a stored teacher has instead of logits."""
    spans: "Spans | None" = None
    """What a teacher with a tokenizer of its own has instead of logits."""
    known: torch.Tensor | None = None
    """Of a stored teacher: bools [n], where it has said something; None: everywhere."""
    hidden: Sequence[torch.Tensor] = ()
    """A tensor [n, d] for each pair of layers, of one width with the other side's."""
    attention: Sequence[torch.Tensor] = ()
    """A tensor of log-probabilities [n, H, W] for each pair of layers, over the window's keys; -inf: not seen."""

    def at(self, chosen: torch.Tensor | slice) -> Self:
        """The same of some of the positions."""
        return replace(
            self,
            logits=None if self.logits is None else self.logits[chosen],
            top=None if self.top is None else Top(self.top.ids[chosen], self.top.logprobs[chosen]),
            known=None if self.known is None else self.known[chosen],
            hidden=[layer[chosen] for layer in self.hidden],
            attention=[layer[chosen] for layer in self.attention],
        )

    def silent(self, labels: torch.Tensor) -> torch.Tensor:
        """Where [n] a teacher says nothing."""
        return torch.zeros_like(labels, dtype=torch.bool) if self.known is None else ~self.known


@dataclass(frozen=True, slots=True)
class Top:
    """A teacher's k most probable tokens at each position; what they leave over is one event, the tail."""

    ids: torch.Tensor
    """[n, k], ids of the student's vocabulary."""
    logprobs: torch.Tensor
    """[n, k], natural logarithms at temperature 1 over the whole vocabulary."""


@dataclass(frozen=True, slots=True)
class Spans:
    """Where a teacher with another tokenizer says the same text: b spans begin at some of the n positions."""

    begins: torch.Tensor
    """[n] bool: a span begins here."""
    joined: torch.Tensor
    """[n] bool: goes on with the span of the position before."""
    first: torch.Tensor
    """[b], the teacher's first token of each span."""
    rest: torch.Tensor
    """[b], the teacher's log-probability of its further tokens, at temperature 1."""
    student: torch.Tensor
    """Tokens that both vocabularies spell alike, in the student's numbers, and in"""
    teacher: torch.Tensor
    """the teacher's."""
    logits: torch.Tensor | None = None
    """[b, V of the teacher], where each span begins."""

    def at(self, chosen: slice) -> Self:
        """Of some of the positions, which cut no span."""
        start = int(self.begins[: chosen.start or 0].sum())
        begins = self.begins[chosen]
        spans = slice(start, start + int(begins.sum()))
        return replace(self, begins=begins, joined=self.joined[chosen], first=self.first[spans], rest=self.rest[spans])
