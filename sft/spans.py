"""Two tokenizers that cut one text differently, brought together where both of them end a token.

Shape: `align(own, theirs)` takes the bytes of the tokens on both sides and gives the spans between common boundaries;
`Spanned` is a teacher with a tokenizer and a chat template of its own, whose views hold `spans` for `losses/uld.py`.
Boundaries count bytes from the end of the trace, so a `<think>` that only one template opens does no harm, and the two
tokens that end the turn are one another's match whatever they are called.
Source: Boizard et al. 2024, "Towards Cross-Tokenizer Distillation" (ULD); Patiño et al. 2025, "Unlocking On-Policy
Distillation for Any Model Family" (GOLD), which aligns spans by the text. TRL's GOLD is a trainer of its own, with one
sequence at a time; here spans are places of a batch like any others.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from transformers.convert_slow_tokenizer import bytes_to_unicode

from sft.data import Row
from sft.heads import logits, open_head
from sft.itself import Collate, documents, example
from sft.places import Places, model_inputs
from sft.views import Spans, View

CHUNK = 2**26
"""Logits of the teacher that are held at once where only the probability of a token is wanted."""
END = b"\0end of turn"


class Span(NamedTuple):
    """Tokens `own` to `own_end` of one side are the bytes of tokens `theirs` to `theirs_end` of the other."""

    own: int
    own_end: int
    theirs: int
    theirs_end: int


class Alphabet:
    """The bytes of each token of a tokenizer."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        decoder = json.dumps(json.loads(tokenizer.backend_tokenizer.to_str())["decoder"])
        self.table = {symbol: byte for byte, symbol in bytes_to_unicode().items()} if "ByteLevel" in decoder else None
        self.added = {number: str(token).encode() for number, token in tokenizer.added_tokens_decoder.items()}

    def spell(self, number: int, token: str) -> bytes:
        """Of a byte-level token its bytes; otherwise SentencePiece's marks for a space and for a single byte."""
        if self.table is None and len(token) == 6 and token.startswith("<0x") and token.endswith(">"):
            return bytes([int(token[3:5], 16)])
        if number in self.added:
            return self.added[number]
        if self.table is not None:
            return bytes(self.table[symbol] for symbol in token if symbol in self.table)
        return token.replace("▁", " ").encode()

    def pieces(self, ids: Sequence[int]) -> list[bytes]:
        """The bytes of a trace's tokens; the last one ends the turn."""
        tokens = self.tokenizer.convert_ids_to_tokens(list(ids))
        return [*(self.spell(*both) for both in zip(ids[:-1], tokens[:-1], strict=True)), END]

    @cached_property
    def numbers(self) -> dict[bytes, int]:
        """The first token of each spelling."""
        known = sorted((number, token) for token, number in self.tokenizer.get_vocab().items())
        found: dict[bytes, int] = {}
        for number, token in known:
            found.setdefault(self.spell(number, token), number)
        return found


def align(own: Sequence[bytes], theirs: Sequence[bytes]) -> list[Span]:
    """The spans between common boundaries, as far from the end as both spell the same."""
    left, right = b"".join(own), b"".join(theirs)
    alike = _common(left, right)
    ends = {rest: index for index, rest in enumerate(_left(theirs))}
    both = [(i, ends[rest]) for i, rest in enumerate(_left(own)) if rest in ends and rest <= alike]
    return [Span(i, i_end, j, j_end) for (i, j), (i_end, j_end) in pairwise(both) if i_end > i and j_end > j]


def _left(pieces: Sequence[bytes]) -> list[int]:
    """The bytes in front of each token that are still to come, and 0 behind the last."""
    found = [0]
    for piece in reversed(pieces):
        found.append(found[-1] + len(piece))
    return found[::-1]


def _common(left: bytes, right: bytes) -> int:
    """The length of the longest common end."""
    shorter = min(len(left), len(right))
    if left[len(left) - shorter :] == right[len(right) - shorter :]:
        return shorter
    return next(n for n in range(shorter) if left[-1 - n] != right[-1 - n])


class SpanLook:
    """A look whose positions hang together: `joined` [n] says which go on with the span of the one before."""

    def __init__(self, spans: Spans, states: torch.Tensor, head: Any, joined: torch.Tensor) -> None:
        self.spans, self.states, self.head, self.joined = spans, states, head, joined

    def __call__(self, chosen: slice) -> View:
        """The logits are made only now."""
        some = self.spans.at(chosen)
        first = int(self.spans.begins[: chosen.start or 0].sum())
        states = self.states[first : first + int(some.begins.sum())]
        return View(spans=replace(some, logits=self.head(states)))


class Spanned:
    """A model with a tokenizer of its own; `rows` and `others` are the corpus as the student and as it reads it."""

    def __init__(
        self, model: Any, rows: Sequence[Row], others: Sequence[Row], own: Alphabet, theirs: Alphabet, collate: Collate
    ) -> None:
        self.model = model.eval().requires_grad_(False)
        self.others, self.collate = others, collate
        open_head(model)
        self.lengths = [(len(row.trained), len(other.trained)) for row, other in zip(rows, others, strict=True)]
        self.spans = [
            align(own.pieces(row.trained), theirs.pieces(other.trained))
            for row, other in zip(rows, others, strict=True)
        ]
        ends = (rows[0].trained[-1], others[0].trained[-1])
        shared = {number: theirs.numbers[text] for text, number in own.numbers.items() if text in theirs.numbers}
        shared = {left: right for left, right in shared.items() if left != ends[0] and right != ends[1]} | dict([ends])
        self.columns = tuple(torch.tensor(side) for side in zip(*sorted(shared.items()), strict=True))

    @property
    def aligned(self) -> float:
        """The share of the student's trained tokens that begin a span."""
        return sum(map(len, self.spans)) / sum(own for own, _ in self.lengths)

    @torch.no_grad()
    def __call__(self, inputs: Mapping[str, torch.Tensor], places: Places) -> SpanLook:
        """One forward of the same documents, as this side reads them."""
        device = places.labels.device
        lying = documents(places)
        # A process that has nothing to train on in this step still takes part in it.
        batch = self.collate([example(self.others[document], document) for document in lying or [0]])
        batch = {name: values.to(device) for name, values in batch.items()}
        there = Places.of(batch)
        said = self.model(**model_inputs(batch), measure=lambda states, _: states)
        states = there.pick(said.last_hidden_state)

        def head(some: torch.Tensor) -> torch.Tensor:
            return logits(self.model, some)

        begins, joined = (torch.zeros(len(places), dtype=torch.bool) for _ in range(2))
        starts: list[int] = []
        more: list[tuple[int, int]] = []
        at = at_theirs = 0
        for document in lying:
            for span in self.spans[document]:
                begins[at + span.own] = True
                joined[at + span.own + 1 : at + span.own_end] = True
                more += [(len(starts), at_theirs + place) for place in range(span.theirs + 1, span.theirs_end)]
                starts.append(at_theirs + span.theirs)
            at += self.lengths[document][0]
            at_theirs += self.lengths[document][1]
        first = torch.tensor(starts, dtype=torch.long, device=device)
        rest = torch.zeros(len(starts), device=device)
        which, where = torch.tensor(more, dtype=torch.long, device=device).reshape(-1, 2).unbind(-1)
        for some in range(0, len(where), step := max(1, CHUNK // self.model.config.get_text_config().vocab_size)):
            chosen = where[some : some + step]
            logs = torch.log_softmax(head(states[chosen]).float(), -1)
            rest.index_add_(0, which[some : some + step], logs.gather(-1, there.labels[chosen][:, None]).squeeze(-1))
        spans = Spans(
            begins.to(device), joined.to(device), there.labels[first], rest, *(side.to(device) for side in self.columns)
        )
        return SpanLook(spans, states[first], head, joined)
