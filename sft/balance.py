"""How losses of different sizes are brought to one scale: not at all, by their ratio to the cross-entropy, or learned.

    fixed          the recipe's weights as they stand
    ratio          b_i = CE / loss_i of the steps before, smoothed (EMA) and clamped, as the balancer of NVIDIA's
                   Model-Optimizer does without either; a loss that goes to 0 would otherwise never lose its weight
    uncertainty    b_i = exp(-s_i) with learned s_i, and s_i added to the loss (Kendall et al. 2018, "Multi-Task
                   Learning Using Uncertainty to Weigh Losses")

All of it is state of the student (`tracegen_balance`) while it is trained, so that a resumed run goes on with it, and
changes only between steps, so that accumulating does not change a training.
"""

from collections.abc import Iterable, Mapping
from typing import Literal

import torch
from torch import nn

Kind = Literal["fixed", "ratio", "uncertainty"]
NAME = "tracegen_balance"
SMOOTH = 0.9
"""Of the mean before, kept at each step."""
MOST = 100.0
"""A factor is between 1 / MOST and MOST."""


class Balance(nn.Module):
    """The factors b of a set of losses. `names` may be empty: nothing is balanced."""

    def __init__(self, names: Iterable[str], kind: Kind = "fixed") -> None:
        super().__init__()
        self.names, self.kind = list(names), kind
        if kind == "ratio":
            # The cross-entropy first, then the losses; 0: not seen yet.
            self.register_buffer("means", torch.zeros(len(self.names) + 1, dtype=torch.float64))
        if kind == "uncertainty":
            self.logs = nn.Parameter(torch.zeros(len(self.names)))

    def factors(self) -> dict[str, torch.Tensor | float]:
        """b of each loss in this step."""
        if self.kind == "uncertainty":
            return dict(zip(self.names, torch.exp(-self.logs), strict=True))
        if self.kind == "ratio" and self.means[0] > 0:
            ratios = (self.means[0] / self.means[1:].clamp(min=1e-12)).clamp(1 / MOST, MOST)
            return dict(zip(self.names, ratios.tolist(), strict=True))
        return {}

    def prior(self) -> torch.Tensor | float:
        """What is added to the mean loss, so that learned factors do not all go to 0."""
        return self.logs.sum() if self.kind == "uncertainty" else 0.0

    def stepped(self, means: Mapping[str, float], first: str) -> None:
        """Take in the mean values of a step; `first` is the loss that the others are brought to."""
        if self.kind != "ratio":
            return
        seen = torch.tensor([means[first], *(means[name] for name in self.names)], dtype=torch.float64)
        self.means.copy_(seen if self.means[0] == 0 else SMOOTH * self.means + (1 - SMOOTH) * seen.to(self.means))
