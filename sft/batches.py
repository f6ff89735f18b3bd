"""TRL's SFTTrainer on rows laid end to end, drawn so that a resumed run sees the same batches, and without calls home.

Shape: `table(rows, pack)` is what it trains on, a row of the corpus or a pack of them in each of its rows.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import datasets
import torch
import trl.trainer.utils
from torch.utils.data import Sampler, SequentialSampler
from trl import SFTTrainer

from sft.collate import PADDING
from sft.data import IGNORED, Row
from sft.packing import packs

GROUPS = 50
"""Steps whose rows are sorted together, as in transformers' own length grouping."""


def _skips_masked(device: torch.device) -> bool:
    """Everywhere but on Neuron, which would compile anew for every number of trained positions."""
    return device.type != "neuron"


# TRL's fused head leaves the masked positions out on GPUs alone. On a CPU the vocabulary is a third of the work of a
# small model, so there it pays even more; the losses are the same.
trl.trainer.utils._use_triton = _skips_masked  # type: ignore[attr-defined]


def table(
    rows: Sequence[Row], pack: int | None, *, first: int = 0, bands: Sequence[Sequence[int]] = ()
) -> datasets.Dataset:
    """The rows as `input_ids` and `labels`, with the `rows` and `lengths` of the documents in each.

    `pack` is the length of a pack in tokens; None: every row by itself. `first` is the number of the first row.
    Rows share a pack with those of their own band alone, where there are any.
    """
    each = [[index] for index in range(len(rows))]
    if pack:
        lengths = [len(row.input_ids) for row in rows]
        each = [
            [band[index] for index in found]
            for band in bands or [range(len(rows))]
            for found in packs([lengths[index] for index in band], pack)
        ]
    return datasets.Dataset.from_dict(
        {
            "input_ids": [[token for index in pack for token in rows[index].input_ids] for pack in each],
            "labels": [[label for index in pack for label in rows[index].labels] for pack in each],
            "rows": [[first + index for index in pack] for pack in each],
            "lengths": [[len(rows[index].input_ids) for index in pack] for pack in each],
        }
    )


def with_blank(examples: datasets.Dataset) -> datasets.Dataset:
    """The same, and behind them an example of which nothing is learned."""
    blank = {"input_ids": [0], "labels": [IGNORED], "rows": [PADDING], "lengths": [1]}
    return datasets.concatenate_datasets([examples, datasets.Dataset.from_list([blank], features=examples.features)])


class Shuffled(Sampler[int]):
    """All indices below `size`, in an order set by seed and epoch alone."""

    def __init__(self, size: int, seed: int) -> None:
        self.size, self.seed, self.epoch = size, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Called by accelerate before each epoch, also when resuming in the middle of one."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[int]:
        return iter(random.Random(f"{self.seed} {self.epoch}").sample(range(self.size), self.size))


class Evened(Sampler[int]):
    """The indices of another sampler, and behind them `blank` until all processes have as many.

    accelerate would take the first rows of the epoch again, so that two processes would train on more than one.
    """

    def __init__(self, inner: Any, multiple: int, blank: int) -> None:
        self.inner, self.multiple, self.blank = inner, multiple, blank

    def set_epoch(self, epoch: int) -> None:
        """Handed on."""
        if hasattr(self.inner, "set_epoch"):
            self.inner.set_epoch(epoch)

    def __len__(self) -> int:
        return -(-len(self.inner) // self.multiple) * self.multiple

    def __iter__(self) -> Iterator[int]:
        yield from self.inner
        yield from [self.blank] * (len(self) - len(self.inner))


class ByLength(Sampler[int]):
    """Row indices in which each run of `batch` has about one length, in an order set by seed and epoch alone.

    Rows are shuffled, sorted by length among GROUPS batches, cut into batches, and the batches shuffled, so that
    length says nothing about when in the epoch a row is seen.
    """

    def __init__(self, lengths: Sequence[int], batch: int, seed: int) -> None:
        self.lengths, self.batch, self.seed, self.epoch = lengths, batch, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Called by accelerate before each epoch, also when resuming in the middle of one."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        draw = random.Random(f"{self.seed} {self.epoch}")
        order = draw.sample(range(len(self.lengths)), len(self.lengths))
        size = self.batch * GROUPS
        groups = [sorted(order[i : i + size], key=self.lengths.__getitem__) for i in range(0, len(order), size)]
        order = [index for group in groups for index in group]
        batches = [order[i : i + self.batch] for i in range(0, len(order), self.batch)]
        # An incomplete batch stays last: in the middle it would shift all behind it out of their groups.
        rest = [batches.pop()] if len(batches[-1]) < self.batch else []
        draw.shuffle(batches)
        return iter([index for batch in batches + rest for index in batch])


class StudentTrainer(SFTTrainer):  # type: ignore[misc]
    """The trainer of TRL with a sampler that can be resumed."""

    paced: Sampler[int] | None = None
    """A curriculum (`sft/ordering.py`), where there is one."""

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """TRL's loss; which rows a batch holds is nothing that a model takes."""
        given = {name: tensor for name, tensor in inputs.items() if name != "documents"}
        return super().compute_loss(model, given, return_outputs, num_items_in_batch)

    @torch.no_grad()
    def sums(self, inputs: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Of a held-out batch: cross-entropy and right guesses, summed over its places, and how many these are."""
        given = {name: tensor for name, tensor in inputs.items() if name != "documents"}
        with self.compute_loss_context_manager():
            model: Any = self.model
            said = model(**given, fused_lm_head=True)
        return {"loss": -said.log_probs.sum(), "accuracy": said.is_top1.sum(), "places": said.label_mask.sum()}

    def _save_rng_state(self, output_dir: str) -> None:
        # What the main process writes next says that the checkpoint is whole.
        super()._save_rng_state(output_dir)
        self.accelerator.wait_for_everyone()

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        rows: Any = self.train_dataset if train_dataset is None else train_dataset
        if self.args.world_size == 1:
            return self._order(rows, len(rows))
        # The last one is blank.
        together = self.args.train_batch_size * self.args.world_size
        return Evened(self._order(rows, len(rows) - 1), together, len(rows) - 1)

    def _order(self, rows: Any, size: int) -> Any:
        """The order of the first `size` rows; transformers draws from the global generator, which differs from process
        to process, and which a resumed epoch cannot replay."""
        if self.paced is not None:
            return self.paced
        if self.args.train_sampling_strategy == "group_by_length":
            batch = self.args.train_batch_size * self.args.gradient_accumulation_steps * self.args.world_size
            return ByLength([len(ids) for ids in rows["input_ids"][:size]], batch, self.args.seed)
        if self.args.train_sampling_strategy == "sequential":
            return SequentialSampler(range(size))
        return Shuffled(size, self.args.seed)

    def _send_telemetry(self) -> None:
        """A training run tells nobody."""

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """The student's card is `sft/student.py`'s."""
