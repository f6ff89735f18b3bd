"""A teacher in this process, through transformers: slow, and works wherever torch does.

Shape: one forward a row; the vocabulary is opened for CHUNK logits at a time, so that memory does not grow with it.
"""

from collections.abc import Iterator, Sequence

import torch
import transformers

from sft.heads import logits, open_head
from sft.load import DTYPES, compute_dtype, load
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
    for row in rows:
        yield row, _said(model, row, k, chunk)


@torch.inference_mode()
def _said(model: transformers.PreTrainedModel, row: Asked, k: int, chunk: int) -> Said:
    ids = torch.tensor([row.ids], device=model.device)
    states = model(input_ids=ids, measure=lambda states, _: states).last_hidden_state[0, row.places]
    step = max(1, chunk // model.config.get_text_config().vocab_size)
    parts = []
    for some in states.split(step):
        scores = torch.log_softmax(logits(model, some).float(), -1)
        parts.append(scores.topk(min(k, scores.shape[-1]), -1))
    found, said = (torch.cat([part[i] for part in parts]).cpu() for i in (1, 0))
    return Said(found.int().numpy(), said.numpy())
