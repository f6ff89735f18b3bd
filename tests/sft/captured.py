"""Signals of a tiny teacher, captured and compared, for the tests of who says them and of what is kept of them."""

from pathlib import Path
from typing import Any

import numpy

from sft.capture import capture
from sft.data import Row
from sft.signals import Reader, key
from tracegen.models import resolve

K = 8


def taken(folder: Path, teacher: str, read: list[Row], tokenizer: Any, **given: Any) -> dict[str, Any]:
    """The figures of a capture of the top K by the scorer hf, unless told otherwise."""
    given = {"k": K, "by": "hf", **given}
    return capture(folder, read, teacher=resolve(teacher), tokenizer=tokenizer, **given)


def agree(one: Path, other: Path, read: list[Row], tolerance: float = 0.0) -> None:
    """Both folders say the same of every row, to a tolerance but for a token in a hundred that changes its place."""
    left, right = Reader(one).read([key(row) for row in read]), Reader(other).read([key(row) for row in read])
    for own, (ids, logprobs) in left.items():
        numpy.testing.assert_allclose(logprobs, right[own][1], atol=tolerance)
        assert (ids == right[own][0]).mean() > (0.99 if tolerance else 1) - 1e-9
