"""All that a training reads: the rows of an epoch, rows that are held out, how hard each is and how much it counts.

Shape: `read(corpus, data, tokenizer, ...) -> Material`.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sft import hygiene, ordering
from sft.data import Row
from sft.held_out import split
from sft.hygiene import Hygiene
from sft.mixture import rows as rendered
from tracegen.material import Order, Part, Weights
from tracegen.student import HeldOut


@dataclass(frozen=True, slots=True)
class Material:
    """Rows are numbered through, those that are held out behind the others."""

    rows: list[Row]
    held_out: list[Row]
    counted: Hygiene
    hard: list[float | None] | None
    """Of each row to train on, where an order asks for it."""
    weights: list[float] | None
    """Of each row, where they differ; 1 for one that is held out."""

    @property
    def every(self) -> list[Row]:
        """All rows."""
        return [*self.rows, *self.held_out]

    @property
    def longest(self) -> int:
        """Tokens of the longest."""
        return max(len(row.input_ids) for row in self.every)


def read(
    corpus: str,
    data: Mapping[str, Part] | None,
    tokenizer: Any,
    *,
    max_length: int,
    seed: int,
    columns: Collection[str] = (),
    held_out: HeldOut | None = None,
    order: Order | None = None,
    weights: Weights | None = None,
) -> Material:
    """Arguments are those of `sft.train.train`; `columns` are kept among the facts of a row."""
    rows, counted = rendered(corpus, tokenizer, data, max_length=max_length, seed=seed, columns=columns)
    out: list[Row] = []
    if held_out and held_out.corpus:
        out = rendered(held_out.corpus, tokenizer, max_length=max_length)[0]
    elif held_out:
        rows, out = split(rows, held_out.problems, seed)
        counted = hygiene.left(counted, rows, len(out))
    return Material(
        rows,
        out,
        counted,
        ordering.hardness(rows, order.by) if order else None,
        [*ordering.weigh(rows, weights), *[1.0] * len(out)] if weights else None,
    )
