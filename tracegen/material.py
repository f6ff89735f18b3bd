"""The recipe's `student.data`, `order` and `weights`: what is trained on, in which order, and what each row counts."""

import hashlib
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from tracegen.checked import Strict

OWN = "own"
"""The part of a mixture that is the run's own corpus."""
Points = float | dict[float | Literal["shape"], float | str]
"""A number, or points of a training's course and their values (`sft/schedule.py`)."""
GROWING: Points = {0.0: 0.2, 0.5: 1.0}
"""All rows are open in the second half: at the end the student is to see what it will be asked."""


class Part(Strict):
    """One of several corpora."""

    corpus: str | None = None
    """A folder, a .jsonl or .parquet file, or `name` or `name:config` of the Hub; None for the run's own."""
    weight: float = Field(1.0, gt=0)
    """Rows of an epoch against those of the run's own corpus, whose weight is 1 unless it says otherwise."""
    limit: int | None = Field(None, ge=1)
    """Read the first so many rows alone."""
    split: str = "train"
    revision: str | None = None
    """Of a data set of the Hub."""
    licence: str | None = None
    """None: the card of the student cannot say what follows from it."""


Data = dict[str, Part]


def has_own(data: Data | None) -> bool:
    """Whether the run's own corpus is trained on."""
    return not data or OWN in data


def fingerprint(place: Path) -> str:
    """A hash of a file, or of all files of a folder; of a data set of the Hub there are none."""
    digest = hashlib.sha256()
    for file in sorted(place.rglob("*")) if place.is_dir() else [place] if place.is_file() else []:
        if file.is_file():
            digest.update(f"{file.relative_to(place)}\n".encode())
            with file.open("rb") as opened:
                digest.update(hashlib.file_digest(opened, "sha256").digest())
    return digest.hexdigest()


def check(data: Data | None) -> None:
    """ValueError for a part that is nowhere to be found."""
    for name, part in (data or {}).items():
        if name == OWN and part.corpus:
            raise ValueError(f"`data.{OWN}` is the run's own corpus; give {part.corpus} another name")
        if name != OWN and not part.corpus:
            raise ValueError(f"`data.{name}` needs a `corpus`; only `{OWN}` has the run's")


class Order(Strict):
    """A curriculum: rows come by their difficulty, in a share of the corpus that grows."""

    by: str = "pass_rate"
    """pass_rate (of the problem; a high one is easy), length (in tokens; short is easy), or a column of numbers."""
    first: Literal["easy", "hard"] = "easy"
    pacing: Points = GROWING
    """The share of the rows that are open, over the course of the training."""


class Weights(Strict):
    """How much rows count in the loss; in between, in proportion. Scaled so that trained tokens count 1 in the mean."""

    by: str = "pass_rate"
    """As in `order`."""
    easy: float = Field(1.0, ge=0)
    hard: float = Field(1.0, ge=0)

    @model_validator(mode="after")
    def _some(self) -> "Weights":
        if self.easy == self.hard == 0:
            raise ValueError("`weights` leaves nothing to learn; `easy` or `hard` must be above 0")
        return self
