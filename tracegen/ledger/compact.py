"""Compaction: everything sealed, and texts that no longer count put away.

Kept whole are, of each key, the row that counts and, while it is unfinished, the longest answer to go on from. Of every
other row (a failure that was overcome, an answer that was cut off and since finished) prompt and text go, the usage
stays: tokens, seconds and reasons add up as before. Such a row has `text: null`. Small segments are put together.

Every new segment takes the place of its sources in one renaming; a crash at any moment leaves each row in one of them.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import chain
from pathlib import Path

from tracegen.ledger import sealed, sizes
from tracegen.ledger.ranks import Rank, Row, length, rank
from tracegen.ledger.reading import choose, marked, of_segment
from tracegen.ledger.segments import leftovers, remove, segments, sync_folder, unwritten
from tracegen.ledger.store import SEGMENT_BYTES
from tracegen.records import UsageError

SHRINKS = 4
"""Prose is about so many times smaller when it is sealed."""


def compact(folder: Path) -> Iterator[tuple[int, int]]:
    """Compact a ledger that nobody writes; yields how many of how many segments are done."""
    with ExitStack() as held:
        remove(folder, [*leftovers(folder), *folder.glob(".*.new")])
        files = segments(folder)
        for path in files:
            if path.suffix == ".jsonl" and held.enter_context(unwritten(path)) is None:
                raise UsageError(f"{path} is being written by another process; end it first.")
        kept = dict(zip(files, _kept(files), strict=True))
        done = 0
        for group in _groups(files):
            if len(group) > 1 or group[0].suffix == ".jsonl" or _has_texts_to_put_away(group[0], kept[group[0]]):
                target = group[-1].with_suffix(".parquet")
                rows = chain.from_iterable(_rows(path, kept[path]) for path in group)
                sealed.write(target, rows, [path.name for path in group if path != target])
                remove(folder, [path for path in group if path != target])
            done += len(group)
            yield done, len(files)
        sync_folder(folder)
        sizes.remember(folder)


def _kept(files: Sequence[Path]) -> list[bytearray]:
    """For each segment, a 1 at each row that stays whole."""
    best = choose(files, rank)
    partial = choose(files, lambda row: length(row) if rank(row) is Rank.TRUNCATED else None)
    unfinished = (place for key, place in partial.places.items() if best.worth(key) != Rank.FINISHED)
    return marked(best.ends, chain(best.rows(), unfinished))


def _groups(files: Sequence[Path]) -> Iterator[list[Path]]:
    """Neighbours that fill one segment."""
    group: list[Path] = []
    size = 0
    for path in files:
        held = path.stat().st_size * (SHRINKS if path.suffix == ".parquet" else 1)
        if group and size + held > SEGMENT_BYTES:
            yield group
            group, size = [], 0
        group.append(path)
        size += held
    if group:
        yield group


def _rows(path: Path, kept: bytearray) -> Iterator[Row]:
    for row, whole in zip(of_segment(path, None), kept, strict=True):
        yield row if whole else row | {"prompt": [], "text": None, "reasoning": None}


def _has_texts_to_put_away(path: Path, kept: bytearray) -> bool:
    texts = (row["text"] for row in of_segment(path, ["text"]))
    return any(not whole and text is not None for whole, text in zip(kept, texts, strict=True))
