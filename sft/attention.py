"""Attention of rows laid end to end, document by document where there is no kernel for it.

sdpa takes a row of T tokens with a T x T mask, so most of what it computes for ten documents is thrown away. Flash
attention knows where documents begin; on a CPU, each document is attended to by itself here, with sdpa's causal kernel:
the same numbers, in a time that grows with the documents and not with the batch.
Shape: `by_document(model, device)` before the model is used; models that it does not suit stay as they are.
Limits: sdpa on a CPU; no sliding windows, which need the mask. Padded batches and generation go through sdpa as ever.
"""

from typing import Any

import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from sft.collate import lies_flat

NAME = "sdpa_by_document"


@torch.no_grad()
def by_document(model: Any, device: torch.device) -> None:
    """Have the model, which will run on `device`, attend document by document where it can."""
    if device.type != "cpu" or not lies_flat(model) or model.config._attn_implementation != "sdpa":
        return
    AttentionInterface.register(NAME, attend)
    AttentionMaskInterface.register(NAME, mask)
    # Two documents of two tokens: a model that hides from its layers where they begin, or has windows, shows here.
    trial = {"input_ids": torch.tensor([[1, 2, 3, 4]]), "position_ids": torch.tensor([[0, 1, 0, 1]])}
    before = model(**trial, use_cache=False).logits
    model.set_attn_implementation(NAME)
    windows = getattr(model.config.get_text_config(), "sliding_window", None)
    if windows or not torch.allclose(before, model(**trial, use_cache=False).logits, atol=1e-3):
        model.set_attn_implementation("sdpa")


def attend(module: Any, query: Any, key: Any, value: Any, attention_mask: Any, **kwargs: Any) -> Any:
    """Query [1, H, T, e], key and value [1, G, T, e] -> [1, T, H, e], as sdpa of each document alone."""
    positions = kwargs.get("position_ids")
    if attention_mask is not None or positions is None or len(positions) > 1 or key.shape[2] != query.shape[2]:
        return sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)
    starts = torch.nonzero(positions[0] == 0)[:, 0].tolist()
    lengths = [end - start for start, end in zip(starts, [*starts[1:], query.shape[2]], strict=True)]
    documents = zip(*(each.split(lengths, 2) for each in (query, key, value)), strict=True)
    said = [sdpa_attention_forward(module, q, k, v, None, **kwargs)[0] for q, k, v in documents]
    return torch.cat(said, 1), None


def mask(*args: Any, **kwargs: Any) -> Any:
    """sdpa's, but none for a row of documents."""
    padding = kwargs.get("attention_mask")
    if padding is None and kwargs.get("q_length") == kwargs.get("kv_length"):
        return None
    return sdpa_mask(*args, **kwargs)
