"""What the student answers to problems as it is now: greedy, in batches, shared among the processes.

Shape: `answers(trainer, rows, ...)` gives each row's `Answer`, in order, the same in every process.
Limits: transformers' own `generate`, in the process that trains; a few hundred short answers, not a benchmark.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from transformers import GenerationConfig

from sft.data import Row
from tracegen.format import prefilled

TOKENS = 16_384
"""Prompt and answer tokens that one batch may take: the cache of a 1.5B model for them is half a gigabyte."""


class Answer(NamedTuple):
    """What the student wrote to the problem of one row."""

    problem_id: str
    text: str
    """With the part of the thinking tag that the template prefilled."""
    finish_reason: str
    """`stop`, or `length` where it was cut off."""


@torch.no_grad()
def answers(trainer: Any, rows: Sequence[Row], *, ends: Sequence[int], max_tokens: int) -> list[Answer]:
    """`ends`: tokens that end an answer; `max_tokens`: how long one may be."""
    from accelerate.utils import gather_object

    tokenizer = trainer.processing_class
    world, rank = trainer.accelerator.num_processes, trainer.accelerator.process_index
    order = sorted(range(len(rows)), key=lambda index: (rows[index].prompt, index))
    most = max(1, TOKENS // (max(row.prompt for row in rows) + max_tokens))
    rounds = -(-len(order) // (most * world))
    size = -(-len(order) // (rounds * world))
    # Every process generates as often as any other: shards of a model are gathered by all of them or by none.
    shares = [order[at : at + size] for at in range(0, len(order), size)] + [[order[0]]] * (rounds * world)
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else ends[0]
    config = GenerationConfig(max_new_tokens=max_tokens, do_sample=False, eos_token_id=list(ends), pad_token_id=pad)
    found = []
    for share in shares[rank : rounds * world : world]:
        prompts = [rows[index].input_ids[: rows[index].prompt] for index in share]
        written = _write(trainer, prompts, config)
        found += [
            (index, _answer(rows[index], ids, tokenizer, ends)) for index, ids in zip(share, written, strict=True)
        ]
    gathered = dict(gather_object(found) if world > 1 else found)
    return [gathered[index] for index in range(len(rows))]


def _write(trainer: Any, prompts: Sequence[Sequence[int]], config: Any) -> list[list[int]]:
    longest = max(map(len, prompts))
    rest = [longest - len(prompt) for prompt in prompts]
    ids = torch.tensor([[config.pad_token_id] * n + list(p) for n, p in zip(rest, prompts, strict=True)])
    seen = torch.tensor([[0] * n + [1] * len(p) for n, p in zip(rest, prompts, strict=True)])
    shards = trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled
    if watched := getattr(trainer, "watched", None):
        watched.looking = False
    with trainer.compute_loss_context_manager():
        made = trainer.model.generate(
            input_ids=ids.to(trainer.args.device),
            attention_mask=seen.to(trainer.args.device),
            generation_config=config,
            synced_gpus=shards,
        )
    return [list(row) for row in made[:, longest:].tolist()]


def _answer(row: Row, written: list[int], tokenizer: Any, ends: Sequence[int]) -> Answer:
    end = next((at for at, token in enumerate(written) if token in ends), None)
    text = tokenizer.decode(written[:end], skip_special_tokens=True, clean_up_tokenization_spaces=False)
    opening = prefilled(tokenizer.decode(row.input_ids[: row.prompt], skip_special_tokens=False))
    return Answer(str(row.facts.get("problem_id", "")), opening + text, "length" if end is None else "stop")
