"""Near-duplicate texts: MinHash signatures, and an index that finds the text that a signature is most like.

How alike two texts are is the Jaccard similarity of their shingles, runs of SHINGLE tokens: what both have / what
either has (Broder 1997, "On the resemblance and containment of documents"). A signature holds, for each of
PERMUTATIONS orders of all shingles, which one of the text comes first; the share of equal places estimates the
similarity, with a standard error of at most sqrt(0.25 / 128) = 0.044. Of each place 16 bits are kept, so that two that
differ look equal once in 65,536 times (Li and König 2010, "b-bit minwise hashing").

An index compares signatures that are equal in a whole band of `rows` places (locality-sensitive hashing), and finds one
only if all its places say that it is alike enough: a chance meeting in a band drops nothing. Texts of similarity s meet
with probability 1 - (1 - s^rows)^bands.
Memory: of an index, 256 bytes of signature for each text in it, and about 10 bytes for each band. Importing this module
needs the extra `curate`.
"""

import unicodedata
from array import array
from functools import cache
from typing import Any

from tracegen.records import MissingExtra

try:
    import numpy as np
    from numpy.typing import NDArray
    from rensa import RMinHash
except ImportError as error:
    raise MissingExtra(f"{error.name}, which finds near-duplicates,", "curate") from None

__all__ = ["PERMUTATIONS", "SHINGLE", "Index", "Signature", "alike", "bands", "shingles", "signature"]

SHINGLE = 3
"""Lee et al. 2022 (arXiv:2107.06499) take 5 words of web text. Measured on a 0.5B model's answers to GSM8K (137 words,
four a problem, temperature 0.7): with 3, the 99th percentile of two answers to one problem is 0.59, the 1st of an
answer and its copy with 3 % of the words replaced 0.69; with 5, 0.46 and 0.61; with 1, 0.80 and 0.81."""
PERMUTATIONS = 128
MEET = 0.9
"""The share that an index compares of the pairs that are just alike enough; of more alike ones it is higher."""
CROWD = 100
"""Of those that are equal in a band, so many are compared, the last first: problems made from one pattern may have
thousands of traces that are somewhat alike, and time would grow with their square."""
Signature = bytes
"""256 of them, the same on every machine."""

_SEED = 1
_PLACE = np.dtype("<u2")
_BYTES = PERMUTATIONS * _PLACE.itemsize
_SPACE, _SIGN, _LETTER = range(3)
_UNSPACED = 0x2E80
"""From here on stand the scripts whose words have no spaces between them: each of their signs is a token."""
_ODD = np.uint64(0x9E3779B97F4A7C15)
_MIXER = np.uint64(0xBF58476D1CE4E5B9)
_INVERSE = np.uint64(pow(int(_ODD), -1, 1 << 64))


def shingles(text: str, size: int = SHINGLE) -> NDArray[np.uint64]:
    """Hashes of the runs of `size` tokens, the same in every process: words, numbers, any other sign by itself.

    A text of fewer tokens has one shingle, one without any token has none.
    """
    if text.isascii():
        codes: NDArray[Any] = np.frombuffer(text.encode(), np.uint8)
    else:
        codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")
    kinds = _kinds().take(codes, mode="clip")
    seen, letter = kinds != _SPACE, kinds == _LETTER
    begins = seen.copy()
    begins[1:] &= ~(letter[1:] & letter[:-1])
    starts = begins.nonzero()[0]
    if not len(starts):
        return np.empty(0, np.uint64)
    up, down = _powers(len(codes).bit_length())
    # A token is a polynomial of its signs; taking the powers down to its start makes it the same wherever it stands.
    tokens = _mixed(np.add.reduceat(codes * seen * up[: len(codes)], starts) * down[starts])
    runs = tokens[: max(1, len(tokens) - size + 1)]
    for after in range(1, min(size, len(tokens))):
        runs = runs * _ODD + tokens[after : after + len(runs)]
    return _mixed(runs)


def signature(found: NDArray[np.uint64], salt: int = 0) -> Signature:
    """The signature of a text's shingles, of which there is at least one; with another salt it has no like."""
    matrix = RMinHash.digest_matrix_from_flat_token_hashes(
        found ^ np.uint64(salt), (0, len(found)), PERMUTATIONS, _SEED
    )
    return np.array(matrix.to_rows()[0], np.uint32).astype(_PLACE).tobytes()


def alike(one: Signature, other: Signature) -> float:
    """How alike two texts are, estimated from their signatures."""
    return int(np.count_nonzero(_places(one) == _places(other))) / PERMUTATIONS


def bands(near: float) -> tuple[int, int]:
    """How many bands of how many rows: the most rows with which MEET of the pairs of similarity `near` meet."""
    shapes = ((PERMUTATIONS // rows, rows) for rows in range(PERMUTATIONS, 0, -1))
    return next(((b, r) for b, r in shapes if 1 - (1 - near**r) ** b >= MEET), (PERMUTATIONS, 1))


class Index:
    """Signatures by their number, which counts from 0; each that is found is at least `near` alike.

    A table for each band holds the number of the last signature in a slot, and with each signature stands the one that
    was there before it. Numbers stand in them one higher, for 0 is nobody.
    """

    def __init__(self, near: float) -> None:
        self.near = near
        count, rows = bands(near)
        size = rows * _PLACE.itemsize
        self._bands = [slice(start, start + size) for start in range(0, count * size, size)]
        self._signatures = bytearray()
        self._before = array("I")
        self._last: list[array[int]] = []
        self._make_room(1024)

    def find(self, wanted: Signature) -> tuple[int, float] | None:
        """The signature that is most like the wanted one, by its number (the first of equals), and how alike it is."""
        if not (met := sorted(self._met(wanted))):
            return None
        others = np.frombuffer(b"".join(map(self._signature, met)), _PLACE).reshape(len(met), PERMUTATIONS)
        equal = np.count_nonzero(others == _places(wanted), axis=1)
        best = int(equal.argmax())
        share = int(equal[best]) / PERMUTATIONS
        return (met[best], share) if share >= self.near else None

    def add(self, signature: Signature) -> int:
        """The number of a signature, now that it is in the index."""
        number = len(self._signatures) // _BYTES
        if number == self._room:
            self._make_room(2 * number)
        self._signatures += signature
        self._link(number, signature)
        return number

    def _met(self, wanted: Signature) -> set[int]:
        """Those that are equal in a band, in each band the last CROWD of them."""
        met: set[int] = set()
        signatures, before, width, mask = self._signatures, self._before, len(self._bands), self._room - 1
        for band, (part, last) in enumerate(zip(self._bands, self._last, strict=True)):
            sought, crowd = wanted[part], CROWD
            above = last[hash(sought) & mask]
            while above and crowd:
                start = (above - 1) * _BYTES
                if signatures[start + part.start : start + part.stop] == sought:
                    met.add(above - 1)
                    crowd -= 1
                above = before[(above - 1) * width + band]
        return met

    def _signature(self, number: int) -> Signature:
        return bytes(self._signatures[number * _BYTES : (number + 1) * _BYTES])

    def _link(self, number: int, signature: Signature) -> None:
        stand_before, mask, above = self._before.append, self._room - 1, number + 1
        for part, last in zip(self._bands, self._last, strict=True):
            slot = hash(signature[part]) & mask
            stand_before(last[slot])
            last[slot] = above

    def _make_room(self, room: int) -> None:
        """For as many signatures; a power of two."""
        self._room = room
        self._last = [array("I", bytes(room * array("I").itemsize)) for _ in self._bands]
        self._before = array("I")
        for number in range(len(self._signatures) // _BYTES):
            self._link(number, self._signature(number))


def _places(signature: Signature) -> NDArray[np.uint16]:
    return np.frombuffer(signature, _PLACE)


@cache
def _powers(bits: int) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """The powers of a number modulo 2^64, as many as `bits` can count, and their inverses."""
    return _row(_ODD, 1 << bits), _row(_INVERSE, 1 << bits)


def _row(factor: np.uint64, size: int) -> NDArray[np.uint64]:
    factors = np.full(size, factor, np.uint64)
    factors[0] = 1
    return np.multiply.accumulate(factors)


def _mixed(hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """So that every bit depends on all bits."""
    hashes = (hashes ^ (hashes >> np.uint64(30))) * _MIXER
    return hashes ^ (hashes >> np.uint64(29))


@cache
def _kinds() -> NDArray[np.uint8]:
    """What each sign of Unicode's first plane is; what lies beyond it counts as its last one does, a sign."""
    kinds = np.full(1 << 16, _SIGN, np.uint8)
    for code in range(_UNSPACED):
        if chr(code).isspace():
            kinds[code] = _SPACE
        elif unicodedata.category(chr(code))[0] in "LMN":
            kinds[code] = _LETTER
    kinds[0x3000] = _SPACE
    return kinds
