"""Hidden states drawn together, layer by layer (Romero et al. 2015, "FitNets"; Jiao et al. 2020, "TinyBERT").

Mean over d of (W h_s - h_t)^2, or 1 - cos(W h_s, h_t), averaged over the pairs of layers. W is a learned projection
where the widths differ and nothing where they agree; it is no part of the student that is saved.
"""

from collections.abc import Mapping
from typing import Literal

import torch
from torch.nn.functional import cosine_similarity

from sft.views import View

READS = "hidden"


def hidden(
    student: View,
    teacher: View,
    labels: torch.Tensor,
    *,
    layers: Literal["uniform", "last"] | Mapping[int, int] = "uniform",
    distance: Literal["mse", "cosine"] = "mse",
) -> torch.Tensor:
    """Distance [n] of the paired layers; `layers` (see `sft/layers.py`) has paired them before."""
    pairs = list(zip(student.hidden, teacher.hidden, strict=True))
    if distance == "cosine":
        each = [1 - cosine_similarity(own.float(), theirs.float(), dim=-1) for own, theirs in pairs]
    else:
        each = [(own.float() - theirs.float()).square().mean(-1) for own, theirs in pairs]
    return torch.stack(each).mean(0)
