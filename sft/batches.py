"""TRL's SFTTrainer on rows laid end to end, drawn as `sft/samplers.py` has it, and without calls home.

Shape: `table(rows, pack)` is what it trains on, a row of the corpus or a pack of them in each of its rows.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import datasets
import torch
import trl.trainer.utils
from torch.utils.data import Sampler, SequentialSampler
from trl import SFTTrainer

from sft.collate import PADDING
from sft.data import IGNORED, Row
from sft.packing import packs
from sft.samplers import ByLength, Evened, Shuffled


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


class Private:
    """What any trainer of TRL is to leave out."""

    def _send_telemetry(self) -> None:
        """A training run tells nobody."""

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """The student's card is `sft/student.py`'s."""


class StudentTrainer(Private, SFTTrainer):  # type: ignore[misc]
    """The trainer of TRL with a sampler that can be resumed."""

    paced: Sampler[int] | None = None
    """A curriculum (`sft/ordering.py`), where there is one."""

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """TRL's loss."""
        return super().compute_loss(model, _for_model(inputs), return_outputs, num_items_in_batch)

    @torch.no_grad()
    def sums(self, inputs: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Of a held-out batch: cross-entropy and right guesses, summed over its places, and how many these are."""
        with self.compute_loss_context_manager():
            model: Any = self.model
            said = model(**_for_model(inputs), fused_lm_head=True)
        return {"loss": -said.log_probs.sum(), "accuracy": said.is_top1.sum(), "places": said.label_mask.sum()}

    def whole(self, sums: Mapping[str, torch.Tensor]) -> dict[str, float]:
        """The sums of all processes."""
        names = sorted(sums)
        stacked = torch.stack([torch.as_tensor(sums[name], dtype=torch.float64) for name in names])
        return dict(zip(names, self.accelerator.reduce(stacked).tolist(), strict=True))

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


def _for_model(inputs: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A batch without what no model takes: which rows it holds."""
    return {name: tensor for name, tensor in inputs.items() if name != "documents"}
