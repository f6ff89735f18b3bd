"""Generalized Jensen-Shannon divergence (Agarwal et al. 2024, "On-Policy Distillation", equation 1).

JSD_b = b KL(p_t || m) + (1 - b) KL(p_s || m) with m = b p_t + (1 - b) p_s. It goes to 0 at both ends of b, where
JSD_b / b tends to the forward KL and JSD_b / (1 - b) to the reverse; there those two losses are the ones to name.
"""

from typing import Annotated

import torch
from pydantic import Field

from sft.losses._events import Temperature, events, kl, mixture
from sft.views import View

READS = "logits"


def jsd(
    student: View,
    teacher: View,
    labels: torch.Tensor,
    *,
    beta: Annotated[float, Field(gt=0, lt=1)] = 0.5,
    temperature: Temperature = 1.0,
) -> torch.Tensor:
    """T^2 JSD_beta [n] in nats; at beta 0.5 at most T^2 log 2."""
    theirs, own = events(student, teacher, temperature)
    middle = mixture(theirs, own, beta)
    return temperature**2 * (beta * kl(theirs, middle) + (1 - beta) * kl(own, middle))
