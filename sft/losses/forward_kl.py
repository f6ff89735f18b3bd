"""T^2 KL(teacher || student) of distributions at temperature T (Hinton et al. 2015, "Distilling the Knowledge").

T^2 keeps the gradient's size as T changes (section 2 of the paper). The student is drawn to cover all that the teacher
holds possible: the stable choice on verified traces.
"""

import torch

from sft.losses._events import Temperature, events, kl
from sft.views import View

READS = "logits"


def forward_kl(student: View, teacher: View, labels: torch.Tensor, *, temperature: Temperature = 1.0) -> torch.Tensor:
    """T^2 KL(p_t || p_s) [n] in nats."""
    theirs, own = events(student, teacher, temperature)
    return temperature**2 * kl(theirs, own)
