"""The files of a ledger: their names and order, the rows of a live one, and what a crash leaves of it.

    0001.jsonl  0002-w3.jsonl     live: the number, and the writer's name where it has one
    0001.parquet                  sealed: the same rows, or those of several segments

A sealed segment names in its footer those that it replaces. They are never read again, whether they are gone already or
not: the renaming of the sealed one is the one moment at which all change. It bears the number of the last of them, so
that no later segment can be taken for one of them.
"""

import fcntl
import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from tracegen.ledger import sealed
from tracegen.ledger.ranks import MEND, Row
from tracegen.records import TracegenError, UsageError

NAME = re.compile(r"(\d{4,})(?:-([\w.-]+))?\.(jsonl|parquet)")


def segments(folder: Path) -> list[Path]:
    """The ledger's files in the order in which they were written, each row in one of them only."""
    found = present(folder)
    gone = replaced(found)
    return [path for path in found if path.name not in gone]


def leftovers(folder: Path) -> list[Path]:
    """Segments that stand there although others replace them: a crash came before their removal."""
    found = present(folder)
    gone = replaced(found)
    return [path for path in found if path.name in gone]


def replaced(found: Iterable[Path]) -> set[str]:
    """The names of the segments for which one of these stands, whether they are gone already or not."""
    return {name for path in found if path.suffix == ".parquet" for name in sealed.replaces(path)}


def present(folder: Path) -> list[Path]:
    named = ((NAME.fullmatch(path.name), path) for path in folder.glob("[0-9]*"))
    ordered = sorted((int(name[1]), name[2] or "", name[3], path) for name, path in named if name)
    return [path for *_, path in ordered]


def create(folder: Path, writer: str) -> BinaryIO:
    """A new live segment, locked for as long as it is open; its name is in the folder for good."""
    number = max((_number(path) for path in present(folder)), default=0)
    while True:
        number += 1
        try:
            file = (folder / f"{number:04d}{writer and f'-{writer}'}.jsonl").open("x+b", buffering=0)
        except FileExistsError:  # another process with the same writer's name was faster
            continue
        _lock(file)
        try:
            sync_folder(folder)
        except OSError:
            give_up(file)
            raise
        return file


def give_up(file: BinaryIO) -> None:
    """Close a live segment. A worker process may have inherited it open, and must not hold the lock any longer."""
    fcntl.flock(file, fcntl.LOCK_UN)
    file.close()


def rows(path: Path) -> Iterator[tuple[int, Row]]:
    """The rows of a live segment, each with the place where its line begins. A torn last line is passed over."""
    place = 0
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.endswith(b"\n"):
                return
            row = parsed(line)
            if row is None:
                raise UsageError(f"{path}, line {number} is damaged: not a row. {MEND}")
            yield place, row
            place += len(line)


def parsed(line: bytes) -> Row | None:
    """The row that a line holds, or None if it is damaged."""
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) and isinstance(row.get("key"), str) else None


def row_at(stem: Path, number: int, place: int) -> Row:
    """One row: the `number`th of its segment, whose line began at `place` while the segment was live."""
    try:
        with stem.with_name(f"{stem.name}.jsonl").open("rb") as lines:
            lines.seek(place)
            row = parsed(lines.readline())
    except FileNotFoundError:
        row = sealed.row_at(stem.with_name(f"{stem.name}.parquet"), number)
    if row is None:
        raise TracegenError(f"{stem} has changed under this process. Start the same command again.")
    return row


@contextmanager
def unwritten(path: Path) -> Iterator[BinaryIO | None]:
    """Hold a live segment that nobody writes; None where someone does, or where the file system has no locks."""
    with path.open("r+b") as file:
        yield file if _lock(file) else None


def is_written(path: Path) -> bool:
    """Whether a process has this live segment open for writing, as far as the file system can tell."""
    with path.open("rb") as file:
        return not _lock(file)


def repair(segment: Path) -> int:
    """Cut off a torn last line; returns how many bytes it had."""
    with segment.open("r+b") as file:
        return cut_torn_line(file)


def cut_torn_line(file: BinaryIO) -> int:
    size = file.seek(0, os.SEEK_END)
    end = size
    while end > 0:
        start = max(0, end - 65536)
        file.seek(start)
        newline = file.read(end - start).rfind(b"\n")
        if newline >= 0:
            end = start + newline + 1
            break
        end = start
    if end < size:
        file.truncate(end)
        os.fsync(file.fileno())
    return size - end


def remove(folder: Path, replaced: Sequence[Path]) -> None:
    """Remove segments for which another stands, once that one's name is safe."""
    if replaced:
        sync_folder(folder)
    for path in replaced:
        path.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _number(path: Path) -> int:
    return int(path.name.partition(".")[0].partition("-")[0])


def _lock(file: BinaryIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
