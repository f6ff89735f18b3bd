"""A teacher in this process, through transformers: slower than vLLM, and works wherever torch does.

Shape: rows share a forward up to `tokens` of them, laid end to end as in training; the vocabulary is opened for CHUNK
logits at a time, so that memory does not grow with it.
"""

from collections.abc import Iterator, Sequence

import torch
import transformers

from sft.collate import Flat, Padded, lies_flat
from sft.data import IGNORED
from sft.heads import logits, open_head
from sft.load import DTYPES, compute_dtype, load
from sft.places import Places, model_inputs
from sft.scorers import Asked, Said
from tracegen.models import Model

CHUNK = 2**26
"""Logits that are held at once, 256 MiB of float32."""


def hf(
    rows: Sequence[Asked],
    teacher: Model,
    k: int,
    *,
    dtype: str = "auto",
    device: str = "auto",
    tokens: int = 1024,
    chunk: int = CHUNK,
) -> Iterator[tuple[Asked, Said]]:
    """Transformers in this process. `dtype` is as in `student.dtype`, `device` torch's name or `auto`."""
    transformers.utils.logging.disable_progress_bar()
    if device == "auto":
        found = torch.accelerator.current_accelerator()
        device = found.type if found else "cpu"
    compute = DTYPES[compute_dtype(dtype, on_cpu=device == "cpu")]
    model = load(transformers.AutoModelForCausalLM, teacher.path, teacher.revision, dtype=compute).to(device).eval()
    open_head(model)
    for batch in _batches(rows, tokens):
        yield from zip(batch, _said(model, batch, k, chunk), strict=True)


def _batches(rows: Sequence[Asked], tokens: int) -> Iterator[list[Asked]]:
    batch: list[Asked] = []
    for row in rows:
        if batch and sum(len(other.ids) for other in batch) + len(row.ids) > tokens:
            yield batch
            batch = []
        batch.append(row)
    yield batch


@torch.inference_mode()
def _said(model: transformers.PreTrainedModel, batch: Sequence[Asked], k: int, chunk: int) -> Iterator[Said]:
    collate = Flat() if lies_flat(model) else Padded(0)
    inputs = {name: tensor.to(model.device) for name, tensor in collate([_example(row) for row in batch]).items()}
    found = model(**model_inputs(inputs), measure=lambda states, _: states).last_hidden_state
    states = Places.of(inputs).pick(found)
    step = max(1, chunk // model.config.get_text_config().vocab_size)
    parts = []
    for some in states.split(step):
        scores = torch.log_softmax(logits(model, some).float(), -1)
        parts.append(scores.topk(min(k, scores.shape[-1]), -1))
    counts = [len(row.places) for row in batch]
    ids, logprobs = (torch.cat([part[i] for part in parts]).cpu().split(counts) for i in (1, 0))
    for own, said in zip(ids, logprobs, strict=True):
        yield Said(own.int().numpy(), said.numpy())


def _example(row: Asked) -> dict[str, list[int]]:
    wanted = {place + 1 for place in row.places}
    labels = [token if at in wanted else IGNORED for at, token in enumerate(row.ids)]
    return {"input_ids": row.ids, "labels": labels, "rows": [row.number], "lengths": [len(row.ids)]}
