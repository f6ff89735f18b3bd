"""In which order rows are seen, and how much each of them counts: by how hard they are.

Order is a curriculum with a pacing function (Bengio et al. 2009, "Curriculum Learning"; Hacohen and Weinshall 2019, "On
the Power of Curriculum Learning in Training Deep Networks"): at each moment the easiest share of the rows is open, and
of the open ones that is drawn next which was drawn least. So a row is late, but not left out.

    weight of a row   v = (easy + (hard - easy) h) / mean over the trained tokens,   h in 0 (easy) .. 1 (hard)

h is 1 - pass_rate, or the share of the rows that are easier. A row that nothing is known of is of middling difficulty
in the order, and of weight 1.
"""

import heapq
import random
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sft.data import Row
from sft.samplers import Drawn
from sft.schedule import Schedule
from sft.settings import refuse_loss
from tracegen.material import Order, Weights
from tracegen.records import UsageError

MIDDLE = 0.5
BANDS = 10
"""Packs of rows of about one difficulty. Each band may leave one pack half empty."""


def hardness(rows: Sequence[Row], by: str) -> list[float | None]:
    """Of each row, from 0 (easy) to 1 (hard); None where it is not known. UsageError where it is known of none."""
    values = [_value(row, by) for row in rows]
    known = sorted(value for value in values if value is not None)
    if not known:
        there = sorted({name for row in rows for name in row.facts if _value(row, name) is not None})
        raise UsageError(
            f"no row has a {by} that is a number, so rows cannot be ordered or weighed by it; "
            f"they can by {', '.join(['length', *there])}."
        )
    if by == "pass_rate":
        return [None if value is None else 1 - value for value in values]
    # Rows of one value share the middle of their places.
    most = max(1, len(known) - 1)
    return [
        None if value is None else (bisect_left(known, value) + bisect_right(known, value) - 1) / 2 / most
        for value in values
    ]


def weigh(rows: Sequence[Row], given: Weights) -> list[float]:
    """v of each row."""
    found = hardness(rows, given.by)
    tokens = [len(row.input_ids) - row.prompt for row in rows]
    known = [
        (given.easy + (given.hard - given.easy) * h, count)
        for h, count in zip(found, tokens, strict=True)
        if h is not None
    ]
    mean = sum(value * count for value, count in known) / sum(count for _, count in known)
    if not mean:
        raise UsageError(f"`student.weights` gives every row the weight 0: all are of one {given.by}.")
    return [1.0 if h is None else (given.easy + (given.hard - given.easy) * h) / mean for h in found]


class Paced(Drawn):
    """Indices of the examples of an epoch, set by seed and epoch alone; over all `epochs` they follow the pacing.

    `ranks` says how hard each example is. Every epoch has as many as there are examples.
    """

    def __init__(self, ranks: Sequence[float], pacing: Schedule, *, epochs: float, seed: int) -> None:
        super().__init__(seed)
        self.ranks, self.pacing, self.epochs = ranks, pacing, epochs

    def __len__(self) -> int:
        return len(self.ranks)

    def __iter__(self) -> Iterator[int]:
        size = len(self.ranks)
        toss = random.Random(f"{self.seed} order")
        # Equals come in an order of their own.
        waiting = sorted(range(size), key=lambda index: (self.ranks[index], toss.random()), reverse=True)
        heap: list[tuple[int, float, int]] = []
        chosen = []
        for turn in range(size * (self.epoch + 1)):
            share = self.pacing(min(1.0, turn / (size * self.epochs)))
            while waiting and (not heap or len(waiting) > size - share * size):
                heapq.heappush(heap, (0, toss.random(), waiting.pop()))
            times, _, index = heapq.heappop(heap)
            heapq.heappush(heap, (times + 1, toss.random(), index))
            if turn >= size * self.epoch:
                chosen.append(index)
        return iter(chosen)


def bands(hard: Sequence[float | None]) -> list[list[int]]:
    """Rows of like difficulty, which may share a pack: best fit alone would lay the long beside the short."""
    ordered = sorted(range(len(hard)), key=lambda index: _known(hard[index]))
    size = -(-len(ordered) // BANDS)
    return [ordered[start : start + size] for start in range(0, len(ordered), size)]


def paced(hard: Sequence[float | None], examples: Sequence[Sequence[int]], order: Order, args: Any) -> Paced:
    """The curriculum of a training. An example is as hard as its rows are in the mean; `args` are the trainer's."""
    sign = 1 if order.first == "easy" else -1
    ranks = [sign * sum(_known(hard[index]) for index in rows) / len(rows) for rows in examples]
    batch = args.train_batch_size * args.gradient_accumulation_steps * args.world_size
    epochs = args.max_steps * batch / len(ranks) if args.max_steps > 0 else args.num_train_epochs
    return Paced(ranks, Schedule("student.order.pacing", order.pacing), epochs=epochs, seed=args.seed)


def check(order: Order | None, weights: Weights | None, trainer: Mapping[str, Any]) -> None:
    """UsageError for what needs no corpus to be seen to be wrong."""
    if order:
        shares = Schedule("student.order.pacing", order.pacing).values
        if not 0 < min(shares) <= max(shares) <= 1:
            raise UsageError("`student.order.pacing` opens shares of the rows; each is above 0 and at most 1.")
        if "train_sampling_strategy" in trainer:
            raise UsageError(
                "`student.order` and `trainer.train_sampling_strategy` both set the order; name one of them."
            )
    if weights:
        refuse_loss(trainer, "student.weights")


def _known(hard: float | None) -> float:
    return MIDDLE if hard is None else hard


def _value(row: Row, by: str) -> float | None:
    value = len(row.input_ids) if by == "length" else row.facts.get(by)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
