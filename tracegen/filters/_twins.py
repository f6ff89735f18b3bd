"""What traces are compared by, and what was kept so far: the two halves of filter `dedup`.

marks(traces, ...)  of each trace what is compared, some hundred bytes that can be computed anywhere
Kept                the marks of what was kept, and the twin of another mark among them
"""

import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

from tracegen.overlap import numbers, words
from tracegen.records import Problem, Trace

if TYPE_CHECKING:
    from tracegen.minhash import Index

Part = Literal["trace", "reasoning", "response", "statement"]
Found = tuple[str, dict[str, Any]]
"""A reason, and its evidence."""
SHORT = 20
"""Of fewer shingles a text is compared for equality only: one word, perhaps the answer, is in a seventh of them."""
BATCH = 32
"""Traces whose statements go through the embedding model together."""
_DIGEST, _SIGNATURE = 16, 256


@dataclass(frozen=True, slots=True)
class Mark:
    """What is compared of one trace; a field is empty where nobody asked for it."""

    equal: bytes
    """Digest of what a duplicate has in common."""
    signature: bytes = b""
    """MinHash of what a near-duplicate has in common; zeros of a text that is too short."""
    numbers: bytes = b""
    """Digest of the statement's numbers."""
    meaning: bytes = b""
    """Vector of the statement, in numbers of 16 bits."""

    def write(self) -> bytes:
        return self.equal + self.signature + self.numbers + self.meaning

    @classmethod
    def read(cls, mark: bytes, near: bool) -> "Mark":
        signed = _DIGEST + _SIGNATURE * near
        return cls(mark[:_DIGEST], mark[_DIGEST:signed], mark[signed:][:_DIGEST], mark[signed + _DIGEST :])


def marks(
    traces: Iterable[Trace], *, problems: Mapping[str, Problem], of: Part, near: bool, semantic: str | None
) -> Iterator[Mark]:
    """The mark of each trace, in order; with `semantic`, BATCH traces are looked at together."""
    sign = _signer() if near else None
    embed = _embedder(semantic) if semantic else None
    traces = iter(traces)
    while window := list(islice(traces, BATCH if embed else 1)):
        statements = {trace.problem_id: problems[trace.problem_id].statement for trace in window}
        meanings = dict(zip(statements, embed(list(statements.values())), strict=True)) if embed else {}
        for trace in window:
            statement = _normalized(statements[trace.problem_id])
            parts = [_normalized(part) for part in _parts(trace, of)]
            counted = _digest(*numbers(words(statement))) if embed or of == "statement" else b""
            yield Mark(
                _digest(statement, *parts),
                sign(" ".join(parts or [statement]), counted if of == "statement" else b"") if sign else b"",
                counted if embed else b"",
                meanings.get(trace.problem_id, b""),
            )


class Kept:
    """What was kept, by its keys."""

    def __init__(self, near: float | None, semantic_near: float) -> None:
        self._equal: dict[bytes, str] = {}
        self._index, self._keys = _index(near) if near else None, list[str]()
        self._least = semantic_near
        self._problems: dict[bytes, list[tuple[str, bytes]]] = defaultdict(list)

    def twin(self, mark: Mark) -> Found | None:
        """Why a trace of this mark says what a kept one says."""
        if key := self._equal.get(mark.equal):
            return "duplicate", {"kept": key, "similarity": 1.0}
        if self._index and any(mark.signature) and (found := self._index.find(mark.signature)):
            return "near_duplicate", {"kept": self._keys[found[0]], "similarity": round(found[1], 3)}
        return None

    def same_problem(self, mark: Mark) -> Found | None:
        """Why the problem of this mark is one that a trace was kept of."""
        if not (known := self._problems.get(mark.numbers)):
            return None
        import numpy as np

        vectors = np.frombuffer(b"".join(vector for _, vector in known), np.float16).reshape(len(known), -1)
        cosines = vectors.astype(np.float32) @ np.frombuffer(mark.meaning, np.float16).astype(np.float32)
        best = int(cosines.argmax())
        if cosines[best] < self._least:
            return None
        return "same_problem", {"kept": known[best][0], "similarity": round(float(cosines[best]), 3)}

    def add(self, mark: Mark, key: str) -> None:
        self._equal[mark.equal] = key
        if self._index and any(mark.signature):
            self._index.add(mark.signature)
            self._keys.append(key)

    def add_problem(self, mark: Mark, key: str) -> None:
        """The problem of this mark, by the key of its first trace that was kept."""
        if mark.meaning:
            self._problems[mark.numbers].append((key, mark.meaning))


def _parts(trace: Trace, of: Part) -> Sequence[str]:
    parts = {"reasoning": trace.reasoning, "response": trace.response}
    return tuple(parts.values()) if of == "trace" else () if of == "statement" else (parts[of],)


def _normalized(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _digest(*parts: str) -> bytes:
    return blake2b("\0".join(parts).encode("utf-8", "surrogatepass"), digest_size=_DIGEST).digest()


def _signer() -> Callable[[str, bytes], bytes]:
    """A function from a text to its signature; texts with different salts have nothing in common."""
    from tracegen.minhash import shingles, signature

    def sign(text: str, salt: bytes) -> bytes:
        found = shingles(text)
        if len(found) < SHORT:
            return bytes(_SIGNATURE)
        return signature(found, int.from_bytes(salt[:8], "big"))

    return sign


def _index(near: float) -> "Index":
    from tracegen.minhash import Index

    return Index(near)


def _embedder(model: str) -> Callable[[Sequence[str]], Iterator[bytes]]:
    from tracegen.embeddings import embedder

    embed = embedder(model)
    return lambda texts: (vector.astype("float16").tobytes() for vector in embed(texts))
