"""The one who writes: rows go to the end of a live segment, and are handed on once an fsync has covered them."""

import json
import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from tracegen.ledger import sealed, sizes
from tracegen.ledger.index import Found, Index
from tracegen.ledger.pen import Pen
from tracegen.ledger.ranks import Row
from tracegen.ledger.segments import create, cut_torn_line, give_up, leftovers, remove, rows, segments, unwritten
from tracegen.records import UsageError

SEGMENT_BYTES = 64 << 20
"""A live segment of this size is full: some 30,000 answers of 2 kB. It bounds what a restart has to parse."""
_encode = json.JSONEncoder(ensure_ascii=False).encode


class Ledger:
    """A writer of a folder of segments (who may write is the run directory's lock, not decided here).

    The run's owner is the writer without a name, and puts in order what a crash has left. Others, with a `writer` name
    each, may write beside it; each knows the rows that stood there when it began, and its own.

    A full segment is sealed in a thread of its own.
    """

    def __init__(self, folder: Path, *, writer: str = "") -> None:
        if not re.fullmatch(r"[\w.-]*", writer, re.ASCII):
            raise UsageError(f"a writer's name holds letters, digits, '_', '.' and '-', not {writer!r}.")
        self.folder, self.writer = folder, writer
        self._segment: BinaryIO | None = None
        self._rows = self._size = 0
        """Of the live segment."""
        self._changing = threading.Lock()
        """Held while the live segment is replaced or synced."""
        self._sealing: ThreadPoolExecutor | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lost = [] if writer else sizes.lost(folder)
            if not writer:
                remove(folder, leftovers(folder))
            there = segments(folder)
            torn = 0 if writer else sum(_cut_off(path) for path in there if _of_owner(path))
        except OSError as error:
            raise UsageError(f"cannot write to the folder {folder}: {error.strerror}.") from None
        self._index = Index()
        for path in there:
            self._index.add_segment(path)
        for path in there:  # only now: a live segment that is read must not go away
            if not writer and _of_owner(path) and path.stat().st_size >= SEGMENT_BYTES:
                self._seal(path)
        self.found = Found(self._index.ranks.copy(), segments=len(there), torn=torn, lost=tuple(lost))
        self._remember_sizes()

    def has(self, key: str, max_tokens: int, *, forced: bool = False) -> bool:
        """Whether this sample needs no asking: finished, or cut off or forced at no less than `max_tokens`.

        Where answers that are cut off are to be `forced` to an end, one that is merely cut off does not count.
        """
        return self._index.has(key, max_tokens, forced=forced)

    @property
    def unfinished(self) -> bool:
        """Whether any sample has nothing but answers that were cut off."""
        return self._index.unfinished

    def partial(self, key: str) -> Row | None:
        """The longest answer of an unfinished sample that was cut off and not forced: what to go on from."""
        return self._index.partial(key)

    def commit(self, rows: Iterable[Row], *, wait: Callable[[], bool] = lambda: False) -> Iterator[Row]:
        """Append each row and yield it once an fsync has covered its line; what is already stored is passed over.

        While `wait()` holds, a row is yielded before the next is drawn: for whoever must see an answer to go on asking.
        """
        with self.writing() as pen:
            for row in rows:
                alone = wait() and not self._stored(row)
                pen.put(row)
                if alone:  # Whoever waits for this row would draw no next one.
                    pen.flush()
                yield from pen.durable()
        yield from pen.durable()

    def writing(self) -> Pen:
        """`with ledger.writing() as pen`: the same for whoever puts rows in and takes them out by themselves."""
        return Pen(self.folder, self._write, self._sync)

    def close(self) -> None:
        """Give up the live segment; what is being sealed is sealed first."""
        if self._segment is not None:
            give_up(self._segment)
            self._segment = None
        if self._sealing is not None:
            self._sealing.shutdown()
            self._sealing = None
        self._remember_sizes()

    def __enter__(self) -> "Ledger":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _write(self, row: Row) -> bool:
        """Write a row behind the others, for `_sync` to make durable; False where it is stored already."""
        if self._stored(row):
            return False
        if self._segment is None or self._size >= SEGMENT_BYTES:
            self._begin_segment()
        assert self._segment is not None
        line = _line(row)
        self._write_through(self._segment, line)
        self._index.add(row, self._stem, self._rows, self._size)
        self._rows += 1
        self._size += len(line)
        return True

    def _sync(self) -> None:
        """Make durable what was written; in another thread than `_write`."""
        with self._changing:
            if self._segment is not None:
                os.fsync(self._segment.fileno())

    def _write_through(self, segment: BinaryIO, line: bytes) -> None:
        left = memoryview(line)
        try:
            while left:
                left = left[segment.write(left) :]
        except OSError:
            # Whole lines stay, durable or not: they are paid for. A full disk lets a file shrink.
            with self._changing, suppress(OSError):
                cut_torn_line(segment)
                os.fsync(segment.fileno())
            with self._changing:
                give_up(segment)
                self._segment = None
            raise

    def _begin_segment(self) -> None:
        with self._changing:
            if self._segment is not None:
                os.fsync(self._segment.fileno())
                give_up(self._segment)
                self._seal(Path(self._segment.name))
                self._segment = None
            self._segment = create(self.folder, self.writer)
            self._stem = Path(self._segment.name).with_suffix("")
            self._rows = self._size = 0

    def _seal(self, path: Path) -> None:
        self._sealing = self._sealing or ThreadPoolExecutor(1, thread_name_prefix="sealing")
        self._sealing.submit(_seal_unwritten, path)

    def _remember_sizes(self) -> None:
        if not self.writer:
            sizes.remember(self.folder)

    def _stored(self, row: Row) -> bool:
        return self.has(row["key"], row["max_tokens"], forced=bool(row.get("forced")))


def _of_owner(path: Path) -> bool:
    """Whether this is a live segment of the run's owner.

    Of another's, here or on another machine, nobody knows whether it lives, and what it leaves behind does no harm.
    """
    return path.suffix == ".jsonl" and "-" not in path.stem


def _cut_off(path: Path) -> int:
    """Cut off the unfinished line that a crash left; returns how many bytes it had."""
    with unwritten(path) as segment:
        return cut_torn_line(segment) if segment else 0


def seal(path: Path) -> Path:
    """Make the sealed segment of a live one that nobody writes; the live one is removed only then."""
    sealed_path = path.with_suffix(".parquet")
    sealed.write(sealed_path, (row for _, row in rows(path)), [path.name])
    remove(path.parent, [path])
    return sealed_path


def _seal_unwritten(path: Path) -> None:
    # Where the disk is full, the rows stay as they are, and the next start tries again.
    with suppress(OSError), unwritten(path) as segment:
        if segment:
            seal(path)


def _line(row: Row) -> bytes:
    text = _encode(row)
    try:
        return text.encode() + b"\n"
    except UnicodeEncodeError:  # half of a surrogate pair, as a model may write it
        return json.dumps(row).encode() + b"\n"
