"""A run's traces in the order of its problems, cut into partitions, so that a reader holds one partition at a time.

Traces arrive as their answers did. `write` deals them out to files by their problem; `traces` reads file after file,
each sorted by problem, then teacher, then sample. So all traces of one problem stand together, in one partition.
Memory: WAITING characters while they are dealt out, about PARTITION traces while they are read.
Limits: the files are pickles, made and read within one launch; nothing else may read them.
"""

import pickle
import shutil
import struct
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Self

from tracegen.generate import Asker
from tracegen.packed import hashed
from tracegen.records import Trace, Verdict
from tracegen.rundir import fingerprint

__all__ = ["Partitions", "unpacked"]

PARTITION = 1000
"""Traces that a partition is to hold: 2 MB of 400 words each, 32 MB of 8,000 tokens each."""
WAITING = 16 << 20
"""Characters that wait to be dealt out: a thousand partitions then get 16 kB in one go."""
_FRAME = struct.Struct("<QQ")
"""Bytes of what follows, packed and unpacked."""


class Partitions:
    """The traces of these problems and teachers, in their order, in a folder that is there for a `with` block."""

    def __init__(self, folder: Path, problems: Iterable[str], teachers: Sequence[Asker]) -> None:
        self.folder = folder
        self._ids = list(problems)
        self._problems = {name: number for number, name in enumerate(self._ids)}
        self._teachers = {asker.name: number for number, asker in enumerate(teachers)}
        self._each = max(1, PARTITION // max(1, sum(asker.most for asker in teachers)))
        self.sizes = [0] * -(-len(self._problems) // self._each)
        """How many traces each partition holds."""
        self.unjudged = 0
        self._hash = 0

    def __enter__(self) -> Self:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def write(self, traces: Iterable[Trace]) -> None:
        """Deal out traces, which come in any order; to be called once."""
        waiting: dict[int, list[tuple[tuple[int, int, int], Trace]]] = defaultdict(list)
        characters = 0
        for trace in traces:
            self._count(trace)
            place = (self._problems[trace.problem_id], self._teachers[trace.teacher], trace.sample)
            waiting[place[0] // self._each].append((place, trace))
            characters += len(trace.reasoning) + len(trace.response)
            if characters > WAITING:
                self._append(waiting)
                waiting.clear()
                characters = 0
        self._append(waiting)

    def traces(self) -> Iterator[Trace]:
        """All of them, in order."""
        for number in range(len(self.sizes)):
            yield from unpacked(self.packed(number))

    def packed(self, number: int) -> bytes:
        """One partition, for `unpacked`, here or on another machine."""
        return self.path(number).read_bytes() if self.sizes[number] else b""

    def problems(self, number: int) -> list[str]:
        """The ids of those whose traces are in this partition, if there are any."""
        return self._ids[number * self._each : (number + 1) * self._each]

    def path(self, number: int) -> Path:
        """Where a partition lies, if it holds a trace; what else is known of it may lie beside it."""
        return self.folder / f"{number:06d}"

    def __len__(self) -> int:
        return sum(self.sizes)

    def fingerprint(self) -> str:
        """A hash of all traces, texts and verdicts included, in whatever order they came."""
        return f"{len(self)}-{self._hash:064x}"

    def _count(self, trace: Trace) -> None:
        self.unjudged += trace.verdict is None
        # How long a verdict took changes nothing.
        verdict = trace.verdict and {
            name: getattr(trace.verdict, name) for name in Verdict.__slots__ if name != "seconds"
        }
        # What a key stands for changes where an answer was gone on with.
        text = hashed(trace.reasoning, trace.response)
        seen = [trace.key, trace.problem_id, trace.teacher, trace.sample, verdict, text, trace.status, trace.tokens]
        # A sum knows no order, and no two traces cancel each other as they would under exclusive or.
        self._hash = (self._hash + int(fingerprint(seen), 16)) % (1 << 256)

    def _append(self, waiting: dict[int, list[tuple[tuple[int, int, int], Trace]]]) -> None:
        from pyarrow import compress

        for number, some in waiting.items():
            whole = pickle.dumps(some)
            packed = compress(whole, codec="zstd", asbytes=True)
            with self.path(number).open("ab") as file:
                file.write(_FRAME.pack(len(packed), len(whole)) + packed)
            self.sizes[number] += len(some)


def unpacked(partition: bytes) -> list[Trace]:
    """The traces of a partition, in order."""
    from pyarrow import decompress

    found: list[tuple[tuple[int, int, int], Trace]] = []
    start = 0
    while start < len(partition):
        size, whole = _FRAME.unpack_from(partition, start)
        start += _FRAME.size + size
        found += pickle.loads(decompress(partition[start - size : start], whole, "zstd", asbytes=True))
    found.sort(key=lambda item: item[0])
    return [trace for _, trace in found]
