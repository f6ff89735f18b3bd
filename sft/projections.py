"""Learned maps from the student's width to the teacher's, one for each pair of layers whose widths differ.

They hang on the student as `tracegen_projections`, so that the optimizer trains them and checkpoints keep them;
`sft/student.py` takes them off before the student is saved.
Source: the regressors of FitNets (Romero et al. 2015) and W_h of TinyBERT (Jiao et al. 2020, equation 8).
"""

from collections.abc import Sequence

import torch
from torch import nn

from sft.places import Places

NAME = "tracegen_projections"


class Projections(nn.Module):
    """`projections(hidden_states, places)`: the student's chosen layers [n, d of the teacher], in the pairs' order."""

    def __init__(self, layers: Sequence[int], student: int, teacher: int) -> None:
        super().__init__()
        self.layers = list(layers)
        same = student == teacher
        self.maps = nn.ModuleList([nn.Identity() if same else nn.Linear(student, teacher, bias=False) for _ in layers])
        for module in self.maps:
            if isinstance(module, nn.Linear):
                # From a seed of its own: the trainer sets the global one only later.
                nn.init.orthogonal_(module.weight, generator=torch.Generator().manual_seed(0))

    def forward(self, hidden_states: Sequence[torch.Tensor], places: Places) -> list[torch.Tensor]:
        """[B, T, d of the student] of all layers -> [n, d of the teacher] of the chosen ones."""
        return [own(places.pick(hidden_states[layer])) for layer, own in zip(self.layers, self.maps, strict=True)]
