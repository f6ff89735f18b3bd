"""Cross-entropy with the token of the trace, -log p_s(y): sequence-level distillation (Kim & Rush 2016)."""

from typing import Any

import torch

from sft.views import View

READS = "logits"


def cross_entropy(student: View, teacher: Any, labels: torch.Tensor) -> torch.Tensor:
    """-log p_s(y) [n] in nats, of `labels` [n]; no teacher is needed."""
    assert student.logits is not None
    return torch.nn.functional.cross_entropy(student.logits.float(), labels, reduction="none")
