"""Who says what a teacher thinks of given tokens: `def x(rows, teacher, k, *, options) -> Iterator[(Asked, Said)]`.

A scorer gives the `k` most probable tokens at each asked place (all there are, where the teacher has fewer), the most
probable first, with natural logarithms at temperature 1 over the teacher's whole vocabulary. It yields every row once,
in any order, as each is done, and raises TracegenError where it cannot go on: what was yielded is kept.
"""

from typing import NamedTuple

import numpy
from numpy.typing import NDArray


class Asked(NamedTuple):
    """A row to be scored."""

    number: int
    """Row of the corpus."""
    ids: list[int]
    """All its tokens, under the teacher's numbers."""
    places: list[int]
    """Where the next token is wanted, ascending; the first token has place 0, and none is asked at the last."""


class Said(NamedTuple):
    """Of n places: ids [n, k] under the teacher's numbers, and their log-probabilities [n, k]."""

    ids: NDArray[numpy.int32]
    logprobs: NDArray[numpy.float32]
