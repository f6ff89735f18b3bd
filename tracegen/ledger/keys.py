"""The identity of a sample: a hash of what determines its text.

Budgets (`max_tokens`, timeouts, concurrency), engine, URL and the teacher's name in the recipe stay out: changing them
keeps what is paid for.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

NOT_SHAPING = frozenset({"n", "max_tokens", "seed"})
"""Of the sampling parameters, those that do not shape the text (the run's seed is in the key by itself)."""
_canonical = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"), check_circular=False).encode


def sample_key(
    *,
    model: Mapping[str, Any],
    messages: Sequence[Mapping[str, str]],
    sampling: Mapping[str, Any],
    seed: int,
    sample: int,
) -> str:
    """The key of one sample. `model` identifies the weights and the chat template."""
    return sample_keys(model=model, messages=messages, sampling=sampling, seed=seed)(sample)


def sample_keys(
    *, model: Mapping[str, Any], messages: Sequence[Mapping[str, str]], sampling: Mapping[str, Any], seed: int
) -> Callable[[int], str]:
    """The keys of all samples of one prompt, by their index: what they share is hashed once."""
    shape = {name: value for name, value in sampling.items() if name not in NOT_SHAPING and value is not None}
    # One JSON object whose names are in order, so that the index comes late: what stands before it is hashed once.
    before = _canonical({"messages": [dict(message) for message in messages], "model": model})[:-1] + ',"sample":'
    after = "," + _canonical({"sampling": shape, "seed": seed})[1:]
    shared = hashlib.sha256(before.encode("utf-8", "surrogatepass"))
    rest = after.encode("utf-8", "surrogatepass")

    def key(sample: int) -> str:
        digest = shared.copy()
        digest.update(b"%d" % sample + rest)
        return digest.hexdigest()[:32]

    return key
