"""Numbers by hashed keys in flat arrays: 24 bytes a slot, where a dict of Python's objects takes some 200.

Shape: `packed[key] = number`, `packed.get(key)`, for keys of 128 bits that are hashes (`hashed` makes them) and numbers
from 0 to 2**63 - 1. There is no order, and nothing is taken out again.
An open table with linear probing (Knuth, The Art of Computer Programming 3, section 6.4, algorithm L): keys are hashes,
so their own low bits say where to look first. At FULL a lookup that finds nothing takes 5 probes on average.
"""

from array import array
from collections.abc import Iterator
from hashlib import blake2b

__all__ = ["Packed", "hashed"]

FULL = 2 / 3
"""The share of its slots that is taken before a table doubles."""
_HALF = (1 << 64) - 1


class Packed:
    """A table that grows as it is filled."""

    def __init__(self) -> None:
        self._empty(1 << 10)

    def get(self, key: int) -> int | None:
        """The number that stands under a key, or None."""
        number = self._numbers[self._slot(key)]
        return None if number < 0 else number

    def __setitem__(self, key: int, number: int) -> None:
        if self._taken >= FULL * len(self._numbers):
            self._grow()
        slot = self._slot(key)
        self._taken += self._numbers[slot] < 0
        self._low[slot], self._high[slot], self._numbers[slot] = key & _HALF, key >> 64, number

    def __len__(self) -> int:
        return self._taken

    def items(self) -> Iterator[tuple[int, int]]:
        """All keys with their numbers as they are now, in no order."""
        slots = zip(self._low, self._high, self._numbers, strict=True)
        return (((high << 64) + low, number) for low, high, number in slots if number >= 0)

    def _slot(self, key: int) -> int:
        """Where a key stands, or the free slot in which it belongs."""
        low, high, numbers, mask = key & _HALF, key >> 64, self._numbers, len(self._numbers) - 1
        slot = low & mask
        while numbers[slot] >= 0 and (self._low[slot] != low or self._high[slot] != high):
            slot = (slot + 1) & mask
        return slot

    def _empty(self, slots: int) -> None:
        self._taken = 0
        self._low, self._high = array("Q", [0]) * slots, array("Q", [0]) * slots
        self._numbers = array("q", [-1]) * slots

    def _grow(self) -> None:
        before = self.items()
        self._empty(2 * len(self._numbers))
        for key, number in before:
            self[key] = number


def hashed(*parts: str) -> int:
    """The key of some texts, half a surrogate pair included."""
    said = "\0".join(parts).encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(said, digest_size=16).digest())
