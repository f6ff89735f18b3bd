"""Attention weights of some layers, of the last W keys of each trained query, at sdpa's speed.

No fast attention returns its weights, and eager attention keeps all T x T of them for every layer. Here a model runs
on sdpa, and in the layers that are watched the scores of the wanted queries with the keys of their window are computed
once more from the same queries and keys: n x H x W numbers, with a gradient.
Shape: `watch(model, layers)` once; `model_watch.look(index)` before a forward; `seen(layer)` behind it.
Limits: models whose attention goes through transformers' attention interface; the window's weights sum to 1 over the
window, so they are the attention map itself where a document is no longer than the window.
"""

from collections.abc import Iterable
from typing import Any

import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import sdpa_mask

from sft import attention
from tracegen.records import UsageError

NAME = "tracegen_watched"


class Watch:
    """What the watched layers of one model attend to at the places that `look` names."""

    def __init__(self, layers: Iterable[int]) -> None:
        self.layers = set(layers)
        self._maps: dict[int, torch.Tensor] = {}
        self._batch = self._queries = self._keys = self._open = torch.empty(0)
        self.looking = False
        """To be set to False where a model writes instead of being compared."""

    def look(self, batch: torch.Tensor, queries: torch.Tensor, starts: torch.Tensor, window: int) -> None:
        """Queries [n] of rows `batch` [n]; each sees the keys from `starts` [n] to itself, `window` of them at most."""
        back = torch.arange(window - 1, -1, -1, device=queries.device)
        keys = queries[:, None] - back
        self._maps.clear()
        self.looking = True
        self._batch, self._queries = batch, queries
        self._open = keys >= starts[:, None]
        self._keys = keys.clamp(min=0)

    def seen(self, layer: int) -> torch.Tensor:
        """Log-probabilities [n, H, W] of a layer (from 1) in the last forward, in float32."""
        return self._maps[layer]

    def record(self, module: Any, query: torch.Tensor, key: torch.Tensor, scaling: float | None) -> None:
        """Query [B, H, T, e] and key [B, G, T, e] of one layer, H a multiple of G."""
        groups = query.shape[1] // key.shape[1]
        asked = query[self._batch, :, self._queries]
        offered = key[self._batch[:, None], :, self._keys]
        asked = asked.unflatten(1, (key.shape[1], groups))
        scores = torch.einsum("nghe,nwge->nghw", asked.float(), offered.float()).flatten(1, 2)
        scores = scores * (query.shape[-1] ** -0.5 if scaling is None else scaling)
        scores = scores.masked_fill(~self._open[:, None], -torch.inf)
        self._maps[module.layer_idx + 1] = torch.log_softmax(scores, -1)


def watch(model: Any, layers: Iterable[int]) -> Watch:
    """Have the model's layers (from 1) watched from now on."""
    made = Watch(layers)
    if not (kind := model.config._attn_implementation).startswith(("sdpa", NAME)):
        raise UsageError(
            f"the loss `attention` watches a model that runs on sdpa, and {model.config.model_type} runs on {kind}; "
            "leave the loss out, or set `student.attention: sdpa`."
        )
    attending = [module for module in model.modules() if hasattr(module, "layer_idx") and hasattr(module, "q_proj")]
    found = {module.layer_idx + 1 for module in attending}
    if missing := sorted(made.layers - found):
        raise UsageError(
            f"layer {missing[0]} of {model.config.model_type} has no attention that can be watched; "
            "leave the loss `attention` out, or name other layers."
        )
    for module in attending:
        if module.layer_idx + 1 in made.layers:
            module._tracegen_watch = made
    masks = {NAME: sdpa_mask, f"{NAME}_{attention.NAME}": attention.mask}
    for name, mask in masks.items():
        AttentionInterface.register(name, _forward)
        AttentionMaskInterface.register(name, mask)
    by_document = model.config._attn_implementation == attention.NAME
    model.set_attn_implementation(f"{NAME}_{attention.NAME}" if by_document else NAME)
    return made


def _forward(module: Any, query: Any, key: Any, value: Any, attention_mask: Any, **kwargs: Any) -> Any:
    if (made := getattr(module, "_tracegen_watch", None)) and made.looking:
        made.record(module, query, key, kwargs.get("scaling"))
    return attention.attend(module, query, key, value, attention_mask, **kwargs)
