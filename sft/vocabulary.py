"""Two tokenizers of one family: which token of the one is which of the other, by what it is and not by its number.

Models of one family pad their vocabularies to different sizes (Qwen2.5: 151,936 and 152,064 rows for 151,665 tokens),
and a fine-tuned one may have tokens of its own. Logits are compared on the tokens that both know.
Limits: texts must be cut at the same places. Where they are not, `check` refuses; see `sft/spans.py`.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy
import torch
from numpy.typing import NDArray

from sft.data import Row, decode
from tracegen.records import UsageError

LOOKED_AT = 50
"""Rows whose texts show whether two tokenizers cut alike."""


class Shared:
    """The tokens that both tokenizers know: V of them, in the order of the student's numbers."""

    def __init__(self, student: Any, teacher: Any) -> None:
        theirs = teacher.get_vocab()
        ours = student.get_vocab()
        known = sorted((number, theirs[token]) for token, number in ours.items() if token in theirs)
        own, other = (torch.tensor(numbers) for numbers in zip(*known, strict=True))
        self.student_columns, self.teacher_columns = _columns(own), _columns(other)
        """Where they stand among the logits of either side."""
        self._known = frozenset(number for number, _ in known)
        self._numbers = torch.full((max(ours.values()) + 1,), -1)
        self._numbers[own] = other
        self._back = numpy.full(int(other.max()) + 2, -1, numpy.int32)
        self._back[other.numpy()] = own.numpy()
        self.size, self.strangers = len(known), len(theirs) > len(known)
        """How many tokens they share, and whether the teacher knows others."""

    def knows(self, ids: Iterable[int]) -> bool:
        """Whether the teacher has all of the student's tokens `ids`."""
        return self._known.issuperset(ids)

    def to_teacher(self, ids: torch.Tensor) -> torch.Tensor:
        """The same tokens under the teacher's numbers; -1 for one that it does not know."""
        if isinstance(self.student_columns, slice) and isinstance(self.teacher_columns, slice):
            return ids
        self._numbers = self._numbers.to(ids.device)
        return self._numbers[ids]

    def to_student(self, ids: NDArray[numpy.int32]) -> NDArray[numpy.int32]:
        """The student's numbers of the teacher's tokens; -1 for one that it does not know."""
        # Of ids beyond its tokenizer, which pad the teacher's logits, the last place is the answer.
        return self._back[numpy.minimum(ids, len(self._back) - 1)]

    def check(self, rows: Sequence[Row], student: Any, teacher: Any) -> None:
        """UsageError unless the teacher's tokenizer cuts the texts of the first rows as the student's has."""
        for ids in (row.input_ids for row in rows[:LOOKED_AT]):
            text = decode(ids, student)
            if self.to_teacher(torch.tensor(ids)).tolist() != teacher.encode(text, add_special_tokens=False):
                raise UsageError(
                    f"{teacher.name_or_path} cuts text into other tokens than {student.name_or_path}, so their "
                    "distributions cannot be compared token by token; train on the teacher's traces (method: sft), "
                    "or set `distill.align: spans`."
                )


def _columns(numbers: torch.Tensor) -> torch.Tensor | slice:
    """A slice where the tokens are the first ones in order: it copies nothing."""
    first = torch.equal(numbers, torch.arange(len(numbers)))
    return slice(0, len(numbers)) if first else numbers
