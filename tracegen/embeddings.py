"""What texts mean, as vectors of length 1: texts that say the same in other words have nearly the same one.

check(model)     raises where the model cannot be used, as far as that shows without loading it
embedder(model)  a function from texts to vectors; the model is loaded here, and kept for the next who asks

A model is a folder, a name on the Hub, or `embedded`, as everywhere in a recipe. Each vector is pooled from its last
layer as its `1_Pooling/config.json` says, the format of sentence-transformers; without that file by the mean over the
tokens (Reimers and Gurevych 2019, "Sentence-BERT").
Limits: of a text as many tokens are read as the model takes, at most LONGEST; instructions that some models want in
front of a text are not put there.
"""

import json
from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tracegen.models import resolve
from tracegen.records import MissingExtra, UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Embed", "check", "embedder"]

Embed = Callable[[Sequence[str]], "NDArray[np.float32]"]
LONGEST = 512
"""What the encoders of this kind were trained with; statements of problems are shorter."""


def check(model: str) -> None:
    """Raise MissingExtra without torch and transformers, UsageError for a path that is no model's folder."""
    for module in ("torch", "transformers"):
        if find_spec(module) is None:
            raise MissingExtra(f"{module}, which embedding models need,", "hf")
    if model != "embedded":  # That one is made when it is needed.
        resolve(model)


@lru_cache(1)
def embedder(model: str) -> Embed:
    """A function from a batch of texts to a matrix with a row each.

    Raises UsageError where there is no such model or its kind of pooling is not known.
    """
    check(model)
    import torch
    from transformers import AutoModel, AutoTokenizer
    from transformers.utils import cached_file
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    folder = resolve(model).path
    try:
        device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else "cpu"
        network = AutoModel.from_pretrained(folder).to(device).eval()
        tokenizer = AutoTokenizer.from_pretrained(folder)
        config = cached_file(folder, "1_Pooling/config.json", _raise_exceptions_for_missing_entries=False)
    except (OSError, ValueError) as error:
        sentence = str(error).partition("\n")[0].rstrip(".")
        raise UsageError(
            f"the embedding model {model!r} cannot be loaded: {sentence}; give a folder or a name on the Hub."
        ) from None
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    tokenizer.padding_side = "right"
    pooling = _pooling(model, config)
    longest = min(LONGEST, tokenizer.model_max_length, getattr(network.config, "max_position_embeddings", LONGEST))

    def embed(texts: Sequence[str]) -> "NDArray[np.float32]":
        # An empty text would have no token to be pooled from.
        said = [text or " " for text in texts]
        batch = tokenizer(said, return_tensors="pt", padding=True, truncation=True, max_length=longest).to(device)
        with torch.inference_mode():
            states = network(**batch).last_hidden_state.float()
            pooled = pooling(states, batch["attention_mask"])
            return torch.nn.functional.normalize(pooled, dim=-1).cpu().numpy()  # type: ignore[no-any-return]

    return embed


def _pooling(model: str, config: str | None) -> Callable[[Any, Any], Any]:
    said = json.loads(Path(config).read_text(encoding="utf-8")) if config else {"pooling_mode": "mean"}
    switched = [name for name, on in said.items() if name.startswith("pooling_mode_") and on is True]
    short = [name.removeprefix("pooling_mode_").removesuffix("_tokens").removesuffix("_token") for name in switched]
    modes = [said["pooling_mode"]] if "pooling_mode" in said else short
    if len(modes) != 1 or modes[0] not in _POOLINGS:
        raise UsageError(
            f"the embedding model {model!r} pools by {' and '.join(modes) or 'nothing'}; "
            f"it has to be one of {', '.join(_POOLINGS)}."
        )
    return _POOLINGS[modes[0]]


def _first(states: Any, mask: Any) -> Any:
    return states[:, 0]


def _last(states: Any, mask: Any) -> Any:
    return states[range(len(states)), mask.sum(1) - 1]


def _mean(states: Any, mask: Any) -> Any:
    weights = mask.unsqueeze(-1)
    return (states * weights).sum(1) / weights.sum(1)


_POOLINGS: dict[str, Callable[[Any, Any], Any]] = {"cls": _first, "lasttoken": _last, "mean": _mean}
