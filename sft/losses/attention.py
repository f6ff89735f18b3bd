"""Attention drawn together: KL(A_t || A_s) of each query's weights over its window (Wang et al. 2020, "MiniLM").

Heads are compared one by one; where the two sides have different numbers of them, their mean is (Sun et al. 2020,
"MobileBERT", compares head by head; a mean of distributions is one again).
"""

from collections.abc import Mapping
from typing import Annotated, Literal

import torch
from pydantic import Field

from sft.losses._events import kl
from sft.views import View

READS = "attention"


def attention(
    student: View,
    teacher: View,
    labels: torch.Tensor,
    *,
    layers: Literal["uniform", "last"] | Mapping[int, int] = "last",
    window: Annotated[int, Field(ge=1)] = 256,
    distance: Literal["kl", "mse"] = "kl",
) -> torch.Tensor:
    """Distance [n] of the paired layers' weights, the mean over heads; `window` counts the last keys of each query."""
    each = []
    for own, theirs in zip(student.attention, teacher.attention, strict=True):
        if own.shape[1] != theirs.shape[1]:
            own, theirs = (torch.logsumexp(side, 1, keepdim=True) - _log(side.shape[1]) for side in (own, theirs))
        own, theirs = own.float(), theirs.float()
        if distance == "mse":
            each.append((own.exp() - theirs.exp()).square().sum(-1).mean(-1))
        else:
            each.append(kl(theirs, torch.where(own > -torch.inf, own, 0.0)).mean(-1))
    return torch.stack(each).mean(0)


def _log(number: int) -> float:
    return float(torch.tensor(float(number)).log())
