"""A causal model's forward in two halves, the body and the head, with a loss computed in between.

The vocabulary is what fills the memory: 16,000 positions of 150,000 tokens are 10 GB in float32, and a divergence wants
several of them. So the head is applied to a few positions at a time, inside the model's own forward, where every
wrapper (DDP, FSDP, DeepSpeed, autocast) has its weights ready.
Shape: `open_head(model)`; then `model(**inputs, measure=f)` returns `f(states, head)`: the body's outputs, and the
function from hidden states [n, d] to logits [n, V].
"""

from functools import wraps
from types import MethodType
from typing import Any

import torch


def open_head(model: Any) -> None:
    """Give the model (without wrappers) a `measure` argument; without one its forward stays as it was."""
    original = model.forward

    @wraps(type(model).forward)
    def forward(self: Any, *args: Any, measure: Any = None, **kwargs: Any) -> Any:
        if measure is None:
            return original(*args, **kwargs)
        kwargs["use_cache"] = False
        return measure(self.base_model(*args, **kwargs), lambda states: logits(self, states))

    model.forward = MethodType(forward, model)


def logits(model: Any, states: torch.Tensor) -> torch.Tensor:
    """The model's own logits [n, V] of the body's last states [n, d], with the scale and the cap that it applies."""
    head, config = model.get_output_embeddings(), model.config.get_text_config()
    scores = head(states.to(head.weight.dtype) if not torch.is_autocast_enabled(states.device.type) else states)
    factor = getattr(config, "logit_scale", None)
    if factor is None and (divisor := getattr(config, "logits_scaling", None)):
        factor = divisor if config.model_type == "hyperclovax" else 1 / divisor
    if factor is None:
        factor = getattr(config, "lm_head_multiplier", None)
    if factor is not None:
        scores = scores * factor
    if cap := getattr(config, "final_logit_softcapping", None):
        scores = torch.tanh(scores / cap) * cap
    return scores
