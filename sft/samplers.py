"""In which order rows are drawn: set by seed and epoch alone, so that a resumed training sees the same batches.

Shape: a sampler of a kind of its own takes `Drawn` and writes `__len__` and `__iter__`; curricula are
`sft/ordering.py`, prompts that are answered several times `sft/on_policy.py`.
"""

import random
from collections.abc import Iterator, Sequence
from typing import Any

from torch.utils.data import Sampler

GROUPS = 50
"""Steps whose rows are sorted together, as in transformers' own length grouping."""


class Drawn(Sampler[int]):
    """What all of them share: a generator for each epoch."""

    def __init__(self, seed: int) -> None:
        self.seed, self.epoch = seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Called by accelerate before each epoch, also when resuming in the middle of one."""
        self.epoch = epoch

    def draw(self) -> random.Random:
        """The generator of the epoch, from its start."""
        return random.Random(f"{self.seed} {self.epoch}")


class Shuffled(Drawn):
    """All indices below `size`, in any order."""

    def __init__(self, size: int, seed: int) -> None:
        super().__init__(seed)
        self.size = size

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[int]:
        return iter(self.draw().sample(range(self.size), self.size))


class ByLength(Drawn):
    """Row indices in which each run of `batch` has about one length.

    Rows are shuffled, sorted by length among GROUPS batches, cut into batches, and the batches shuffled, so that
    length says nothing about when in the epoch a row is seen.
    """

    def __init__(self, lengths: Sequence[int], batch: int, seed: int) -> None:
        super().__init__(seed)
        self.lengths, self.batch = lengths, batch

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        draw = self.draw()
        order = draw.sample(range(len(self.lengths)), len(self.lengths))
        size = self.batch * GROUPS
        groups = [sorted(order[i : i + size], key=self.lengths.__getitem__) for i in range(0, len(order), size)]
        order = [index for group in groups for index in group]
        batches = [order[i : i + self.batch] for i in range(0, len(order), self.batch)]
        # An incomplete batch stays last: in the middle it would shift all behind it out of their groups.
        rest = [batches.pop()] if len(batches[-1]) < self.batch else []
        draw.shuffle(batches)
        return iter([index for batch in batches + rest for index in batch])


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
