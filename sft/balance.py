"""How losses of different sizes are brought to one scale: not at all, by their ratio to the cross-entropy, or learned.

    fixed          the recipe's weights as they stand
    ratio          b_i = CE / loss_i of the steps before, smoothed (EMA) and clamped, as the balancer of NVIDIA's
                   Model-Optimizer does without either; a loss that goes to 0 would otherwise never lose its weight
    uncertainty    b_i = exp(-s_i), where s_i goes down the slope of exp(-s_i) loss_i + s_i (Kendall et al. 2018,
                   "Multi-Task Learning Using Uncertainty to Weigh Losses"), by at most PACE a step

s is moved here and not by the optimizer: at a learning rate of 1e-5 Adam would leave it where it began, and its slope
would enter the clipped norm of the weights' gradients.
Shape: `factors()` during a step, `stepped(means)` at its end with the means of all its micro-batches and processes, so
that neither accumulation nor how often is logged changes a training. `state_dict()` goes into checkpoints.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Literal

Kind = Literal["fixed", "ratio", "uncertainty"]
SMOOTH = 0.9
"""Of the mean before, kept at each step."""
MOST = 100.0
"""A factor is between 1 / MOST and MOST."""
PACE = 0.1
"""Of s in a step: from one end of a factor's range to the other in a hundred steps."""


class Balance:
    """The factors b of the losses `names`; `first` is the loss that a ratio is taken to."""

    def __init__(self, names: Iterable[str], kind: Kind = "fixed", *, first: str = "cross_entropy") -> None:
        self.names, self.kind, self.first = list(names), kind, first
        self.means: dict[str, float] = {}
        self.logs = dict.fromkeys(self.names, 0.0)

    def factors(self) -> dict[str, float]:
        """b of each loss in this step; one that is not named counts as it is."""
        if self.kind == "ratio" and self.means:
            return {name: _clamp(self.means[self.first] / max(self.means[name], 1e-12)) for name in self.names}
        if self.kind == "uncertainty":
            return {name: _clamp(math.exp(-self.logs[name])) for name in self.names}
        return {}

    def stepped(self, means: Mapping[str, float]) -> None:
        """Take in the mean values of a step."""
        if self.kind == "ratio":
            for name in (self.first, *self.names):
                before = self.means.get(name, means[name])
                self.means[name] = SMOOTH * before + (1 - SMOOTH) * means[name]
        if self.kind == "uncertainty":
            for name, log in self.logs.items():
                slope = 1 - math.exp(-log) * means[name]
                bound = math.log(MOST)
                self.logs[name] = min(max(log - PACE * min(max(slope, -1.0), 1.0), -bound), bound)

    def state_dict(self) -> dict[str, dict[str, float]]:
        """What a resumed training needs."""
        return {"means": dict(self.means), "logs": dict(self.logs)}

    def load_state_dict(self, state: Mapping[str, Mapping[str, float]]) -> None:
        """Go on from a checkpoint."""
        self.means, self.logs = dict(state["means"]), dict(state["logs"])


def _clamp(factor: float) -> float:
    return min(max(factor, 1 / MOST), MOST)
