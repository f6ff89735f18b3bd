"""Which layer of the student learns from which of the teacher.

Layers count from 1, the first one above the embeddings, so that 0 is the embeddings themselves: hidden states have
them, attention has not.
    uniform    every layer of the student, spread evenly over the teacher's: layer s of S from round(s T / S) of T
               (Jiao et al. 2020, "TinyBERT", with g(s) = s T / S)
    last       the last of each
    {3: 6}     layer 3 of the student from layer 6 of the teacher
"""

from collections.abc import Mapping
from typing import Literal

from tracegen.records import UsageError

Layers = Literal["uniform", "last"] | Mapping[int, int]


def pairs(layers: Layers, *, student: int, teacher: int, lowest: int = 0) -> list[tuple[int, int]]:
    """(student's layer, teacher's layer), in the student's order; `student` and `teacher` count the layers of each."""
    if layers == "last":
        return [(student, teacher)]
    if layers == "uniform":
        return [(layer, max(1, round(layer * teacher / student))) for layer in range(1, student + 1)]
    if not isinstance(layers, Mapping) or not layers:
        raise UsageError(f"`layers` is {layers!r}; it must be uniform, last, or pairs such as {{3: 6}}.")
    for whose, count, chosen in (("student", student, layers.keys()), ("teacher", teacher, layers.values())):
        if wrong := sorted(layer for layer in chosen if not lowest <= layer <= count):
            raise UsageError(f"`layers` names layer {wrong[0]} of the {whose}, which has {lowest} to {count}.")
    return sorted(layers.items())
