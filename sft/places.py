"""Where a batch is trained on: the positions whose next token is a label, and what stands there."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import torch

from sft.data import IGNORED


@dataclass(frozen=True, slots=True)
class Places:
    """The n trained positions of a batch, row by row. All tensors are [n] integers."""

    batch: torch.Tensor
    """Row of the batch."""
    index: torch.Tensor
    """Place in that row, whose outputs predict the label."""
    labels: torch.Tensor
    """The token that comes next."""
    documents: torch.Tensor
    """Row of the corpus."""
    starts: torch.Tensor
    """Place of the document's first token in the row."""

    @classmethod
    def of(cls, inputs: Mapping[str, torch.Tensor]) -> Self:
        """From a collated batch (`sft/collate.py`)."""
        labels = inputs["labels"][:, 1:]
        batch, index = torch.nonzero(labels != IGNORED, as_tuple=True)
        starts = index - inputs["position_ids"][batch, index] if "position_ids" in inputs else torch.zeros_like(index)
        return cls(batch, index, labels[batch, index], inputs["documents"][batch, index], starts)

    def __len__(self) -> int:
        return len(self.labels)

    def pick(self, states: torch.Tensor) -> torch.Tensor:
        """[B, T, d] -> [n, d]."""
        return states[self.batch, self.index]


def model_inputs(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """What a model's forward takes of a batch."""
    return {name: inputs[name] for name in ("input_ids", "position_ids", "attention_mask") if name in inputs}
