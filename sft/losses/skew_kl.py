"""Skew KL divergence (Ko et al. 2024, "DistiLLM", section 3.1): KL(p_t || s p_t + (1 - s) p_s).

Mixing a little of the teacher into the student bounds the ratio of the two, and with it the gradient's norm.
"""

from typing import Annotated

import torch
from pydantic import Field

from sft.losses._events import Temperature, events, kl, mixture
from sft.views import View

READS = "logits"


def skew_kl(
    student: View,
    teacher: View,
    labels: torch.Tensor,
    *,
    skew: Annotated[float, Field(ge=0, lt=1)] = 0.1,
    reverse: bool = False,
    temperature: Temperature = 1.0,
) -> torch.Tensor:
    """T^2 KL(p_t || skew p_t + (1 - skew) p_s) [n] in nats; `reverse` exchanges the two. 0.1 is the paper's skew."""
    theirs, own = events(student, teacher, temperature)
    if reverse:
        theirs, own = own, theirs
    return temperature**2 * kl(theirs, mixture(theirs, own, skew))
