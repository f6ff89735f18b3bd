"""T^2 KL(student || teacher) of distributions at temperature T (Gu et al. 2024, "MiniLLM").

The student is drawn to where the teacher has a mode and away from what the teacher excludes. Of a stored teacher only
the top k and the tail are known: what the student puts into single tokens of the tail goes unpunished.
"""

import torch

from sft.losses._events import Temperature, events, kl
from sft.views import View

READS = "logits"


def reverse_kl(student: View, teacher: View, labels: torch.Tensor, *, temperature: Temperature = 1.0) -> torch.Tensor:
    """T^2 KL(p_s || p_t) [n] in nats."""
    theirs, own = events(student, teacher, temperature)
    return temperature**2 * kl(own, theirs)
