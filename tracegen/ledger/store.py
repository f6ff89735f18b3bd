"""The one who writes: rows go to the end of a live segment, and are handed on once an fsync has covered them."""

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
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
        self._sealing: ThreadPoolExecutor | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lost = [] if writer else sizes.lost(folder)
            torn = 0 if writer else self._put_in_order()
        except OSError as error:
            raise UsageError(f"cannot write to the folder {folder}: {error.strerror}.") from None
        self._index = Index()
        there = segments(folder)
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
        return Pen(self.folder, self._append)

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

    def _append(self, rows: Sequence[Row]) -> list[Row]:
        """Make rows durable, but for those that are stored already; returns the new ones."""
        new: list[Row] = []
        fresh: dict[str, Row] = {}
        for row in rows:
            if row["key"] in fresh:  # whether this one is wanted still is known once that one is stored
                new += self._append_fresh(fresh)
                fresh = {}
            if not self._stored(row):
                fresh[row["key"]] = row
        return new + self._append_fresh(fresh)

    def _append_fresh(self, rows: dict[str, Row]) -> list[Row]:
        if not rows:
            return []
        if self._segment is None or self._size >= SEGMENT_BYTES:
            self._begin_segment()
        assert self._segment is not None
        lines = [_line(row) for row in rows.values()]
        self._write_through(self._segment, b"".join(lines))
        stem = Path(self._segment.name).with_suffix("")
        for row, line in zip(rows.values(), lines, strict=True):
            self._index.add(row, stem, self._rows, self._size)
            self._rows += 1
            self._size += len(line)
        return list(rows.values())

    def _write_through(self, segment: BinaryIO, lines: bytes) -> None:
        try:
            left = memoryview(lines)
            while left:
                left = left[segment.write(left) :]
            os.fsync(segment.fileno())
        except OSError:
            # Whole lines stay, durable or not: they are paid for. A full disk lets a file shrink.
            with suppress(OSError):
                cut_torn_line(segment)
            give_up(segment)
            self._segment = None
            raise

    def _begin_segment(self) -> None:
        if self._segment is not None:
            give_up(self._segment)
            self._seal(Path(self._segment.name))
        self._segment = create(self.folder, self.writer)
        self._rows = self._size = 0

    def _seal(self, path: Path) -> None:
        self._sealing = self._sealing or ThreadPoolExecutor(1, thread_name_prefix="sealing")
        self._sealing.submit(_seal_unwritten, path)

    def _put_in_order(self) -> int:
        """Finish what a crash interrupted; returns the bytes of unfinished lines that were cut off.

        Only segments of this kind of writer: of another's, here or on another machine, nobody knows whether it lives,
        and what it leaves behind does no harm.
        """
        remove(self.folder, leftovers(self.folder))
        torn = 0
        for path in segments(self.folder):
            if _of_owner(path):
                with unwritten(path) as segment:
                    torn += cut_torn_line(segment) if segment else 0
        return torn

    def _remember_sizes(self) -> None:
        if not self.writer:
            sizes.remember(self.folder)

    def _stored(self, row: Row) -> bool:
        return self.has(row["key"], row["max_tokens"], forced=bool(row.get("forced")))


def _of_owner(path: Path) -> bool:
    """Whether this is a live segment of the run's owner."""
    return path.suffix == ".jsonl" and "-" not in path.stem


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
