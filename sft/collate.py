"""Rows become the tensors of a batch: laid end to end without a padding token, or padded where a model needs that.

Shape: `Flat` makes one row of a batch, position ids restarting at each document, from which transformers keeps
documents from attending to each other under eager, sdpa and flash attention; there is no attention mask, since an
all-ones one would undo that. `Padded` is for models to which that says nothing (`lies_flat`): some carry a state along
the row, some convolve it.
Either way `documents` says which row of the corpus each token is of (-1: padding); no model is given it.
"""

from collections.abc import Mapping, Sequence
from inspect import signature
from typing import Any

import torch

from sft.data import IGNORED

PADDING = -1
MIXING = {"conv", "linear_attention", "hybrid", "hybrid_sliding"}
"""Kinds of layers (transformers' `layer_types`) that take in what lies before them, whatever its position ids are."""


def lies_flat(model: Any) -> bool:
    """Whether documents that lie end to end do not see each other; of a model without wrappers."""
    kinds = getattr(model.config.get_text_config(), "layer_types", None) or ()
    return not model._is_stateful and MIXING.isdisjoint(kinds) and "position_ids" in signature(model.forward).parameters


class Flat:
    """One row of all documents, end to end."""

    def __call__(self, examples: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
        """Tensors of shape [1, tokens of all examples]; the first token of a document is never a label."""
        ids: list[int] = []
        labels: list[int] = []
        positions: list[int] = []
        documents: list[int] = []
        for example in examples:
            for document, start, end in spans(example):
                ids += example["input_ids"][start:end]
                labels += [IGNORED, *example["labels"][start + 1 : end]]
                positions += range(end - start)
                documents += [document] * (end - start)
        batch = {"input_ids": ids, "labels": labels, "position_ids": positions, "documents": documents}
        return {name: torch.tensor([values]) for name, values in batch.items()}


class Padded:
    """One row a document, padded on the right."""

    def __init__(self, pad: int) -> None:
        self.pad = pad

    def __call__(self, examples: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
        """Tensors of shape [documents, tokens of the longest]."""
        rows = [(example, *span) for example in examples for span in spans(example)]
        longest = max(end - start for _, _, start, end in rows)
        names = ("input_ids", "labels", "attention_mask", "documents")
        batch: dict[str, list[list[int]]] = {name: [] for name in names}
        for example, document, start, end in rows:
            rest = longest - (end - start)
            batch["input_ids"].append(example["input_ids"][start:end] + [self.pad] * rest)
            batch["labels"].append([IGNORED, *example["labels"][start + 1 : end]] + [IGNORED] * rest)
            batch["attention_mask"].append([1] * (end - start) + [0] * rest)
            batch["documents"].append([document] * (end - start) + [PADDING] * rest)
        return {name: torch.tensor(values) for name, values in batch.items()}


def spans(example: Mapping[str, Any]) -> list[tuple[int, int, int]]:
    """Document, start and end of each document of an example, in tokens of the example."""
    found, start = [], 0
    for document, length in zip(example["rows"], example["lengths"], strict=True):
        found.append((document, start, start + length))
        start += length
    return found
