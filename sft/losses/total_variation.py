"""Total variation distance, sum |p_t - p_s| / 2 (Wen et al. 2023, "f-Divergence Minimization for Seq2seq KD").

Symmetric and at most 1: no token that one side thinks next to impossible can rule the sum. Times T^2 like the others.
"""

import torch

from sft.losses._events import Temperature, events
from sft.views import View

READS = "logits"


def total_variation(
    student: View, teacher: View, labels: torch.Tensor, *, temperature: Temperature = 1.0
) -> torch.Tensor:
    """T^2 sum |p_t - p_s| / 2 [n], a share."""
    theirs, own = events(student, teacher, temperature)
    return temperature**2 * (theirs.exp() - own.exp()).abs().sum(-1) / 2
