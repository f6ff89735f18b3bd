"""Distributions over two vocabularies, compared where a span of the text begins (`sft/spans.py`).

    T^2 ( KL(p_t || p_s)  +  unmatched * sum_r | p_t(r) - p_s(r) | )

The KL is over these events: the span itself, whose probability is that of its tokens by the chain rule; each other
token that both vocabularies spell alike; and all the rest. The second sum is over the tokens that only one side has, by
rank r: the universal logit distance (Boizard et al. 2024, "Towards Cross-Tokenizer Distillation", equation 4), which
GOLD also takes for what has no match (Patiño et al. 2025). Tokens of a span behind its first count at temperature 1.
With one tokenizer on both sides this is the forward KL. The value stands where a span begins, and is 0 inside of it.
"""

from typing import Annotated

import torch
from pydantic import Field

from sft.losses._events import Temperature, heated, kl, with_tail
from sft.views import View

READS = "spans"
RANKS = 1000
"""Of the unmatched tokens, the most probable ones are ranked and what they leave over is one more."""


def uld(
    student: View,
    teacher: View,
    labels: torch.Tensor,
    *,
    unmatched: Annotated[float, Field(ge=0)] = 1.0,
    temperature: Temperature = 1.0,
) -> torch.Tensor:
    """The sum above [n] in nats; GOLD, too, weighs matched and unmatched tokens alike unless told otherwise."""
    spans = teacher.spans
    assert student.logits is not None
    assert spans is not None
    assert spans.logits is not None
    begins, scores = spans.begins, student.logits.float()
    heat = temperature[begins] if isinstance(temperature, torch.Tensor) else temperature
    own, theirs = heated(scores[begins], heat), heated(spans.logits.float(), heat)
    said = torch.log_softmax(scores, -1).gather(-1, labels[:, None]).squeeze(-1)
    span = (begins.cumsum(0) - 1).clamp(min=0)
    rest = torch.zeros(len(own), device=own.device).index_add(0, span[spans.joined], said[spans.joined])
    last = labels[begins]
    mine = own.gather(-1, last[:, None]) + rest[:, None]
    its = theirs.gather(-1, spans.first[:, None]) + spans.rest[:, None]
    taken = (spans.student == last[:, None]) | (spans.teacher == spans.first[:, None])
    left = with_tail(torch.cat([mine, own[:, spans.student].masked_fill(taken, -torch.inf)], -1))
    right = with_tail(torch.cat([its, theirs[:, spans.teacher].masked_fill(taken, -torch.inf)], -1))
    each = kl(right, left)
    if unmatched:
        each = each + unmatched * _by_rank(own, spans.student, theirs, spans.teacher)
    squared = heat**2
    return torch.zeros(len(labels), device=own.device).masked_scatter(begins, squared * each)


def _by_rank(own: torch.Tensor, known: torch.Tensor, theirs: torch.Tensor, its: torch.Tensor) -> torch.Tensor:
    """sum |p_t - p_s| over the tokens that have no match, each side's sorted by probability."""
    (left, rest), (right, remain) = _ranked(own, known), _ranked(theirs, its)
    wide = max(left.shape[-1], right.shape[-1])
    left, right = (torch.nn.functional.pad(side, (0, wide - side.shape[-1])) for side in (left, right))
    return (left - right).abs().sum(-1) + (rest - remain).abs()


def _ranked(logs: torch.Tensor, matched: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The largest probabilities without a match, and what all smaller ones are together."""
    p = logs.exp().index_fill(-1, matched, 0.0)
    top = p.topk(min(RANKS, p.shape[-1]), -1).values
    return top, p.sum(-1) - top.sum(-1)
