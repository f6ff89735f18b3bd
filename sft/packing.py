"""Rows that fit are laid together into packs of one length: best fit, longest first, and no row is ever cut.

Source: best-fit decreasing bin packing (Johnson 1973); for language models, Ding et al. 2024, "Fewer Truncations
Improve Language Modeling".
"""

from bisect import bisect_left, insort
from collections.abc import Sequence


def packs(lengths: Sequence[int], size: int) -> list[list[int]]:
    """Indices of the rows that share a pack, whose lengths sum to at most `size` tokens; a longer row is alone."""
    filled: list[list[int]] = []
    room: list[tuple[int, int]] = []
    """What is left in each open pack and its number, the fullest first."""
    for index in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        at = bisect_left(room, (lengths[index], -1))
        left, number = room.pop(at) if at < len(room) else (max(size, lengths[index]), len(filled))
        if number == len(filled):
            filled.append([])
        filled[number].append(index)
        if left > lengths[index]:
            insort(room, (left - lengths[index], number))
    return filled


def efficiency(lengths: Sequence[int], packed: Sequence[Sequence[int]], size: int) -> float:
    """The share of the slots of all packs that hold a token."""
    return sum(lengths) / (len(packed) * size) if packed else 0.0
