"""What is damaged in a ledger, and putting it aside so that the rest can be used.

Repair destroys nothing: damaged lines, and sealed segments as they were, go to `damaged/` inside the ledger. What stood
in them is not in the ledger any more, and is asked for again. A torn last line was never acknowledged, and is cut off.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tracegen.ledger import sealed, sizes
from tracegen.ledger.ranks import Rank, Row, rank
from tracegen.ledger.segments import cut_torn_line, leftovers, parsed, remove, segments, sync_folder, unwritten
from tracegen.records import UsageError


@dataclass
class Check:
    """What was found in one ledger."""

    folder: Path
    segments: int = 0
    ranks: Counter[Rank] = field(default_factory=Counter)
    keys: int = 0
    damaged: list[str] = field(default_factory=list)
    """A sentence for each line or segment that cannot be read, or whose key does not fit what it holds."""
    lost: list[str] = field(default_factory=list)
    """Segments that the disk has made shorter, or that are gone."""
    finished_twice: list[str] = field(default_factory=list)
    """Keys with two finished answers: paid twice, counted once."""
    unplanned: int = 0
    """Rows whose key no recipe of the run asks for."""
    torn: list[str] = field(default_factory=list)
    """Segments that end in an unfinished line, left by a crash or being written."""
    unsealed: list[str] = field(default_factory=list)
    """Segments that wait to be removed: they are sealed already."""
    aside: list[str] = field(default_factory=list)
    """What a repair has put aside."""

    @property
    def sound(self) -> bool:
        return not self.damaged and not self.lost


def check(folder: Path, planned: Callable[[Row], bool | None] = lambda row: None) -> Check:
    """Read everything that a ledger holds. `planned` says whether a row's key is one of the run's, or None: unknown."""
    found = Check(folder, unsealed=[path.name for path in leftovers(folder)], lost=sizes.lost(folder))
    finished: set[str] = set()
    keys: set[str] = set()
    for path in segments(folder):
        found.segments += 1
        for row in _sound_rows(path, found):
            kind = rank(row)
            found.ranks[kind] += 1
            keys.add(row["key"])
            if kind is Rank.FINISHED and row.get("text") is not None:
                if row["key"] in finished:
                    found.finished_twice.append(row["key"])
                finished.add(row["key"])
            found.unplanned += planned(row) is False
    found.keys = len(keys)
    return found


def repair(folder: Path) -> list[str]:
    """Put aside what cannot be read; returns a sentence for each thing done. The ledger must be this process' own."""
    done = []
    if stale := leftovers(folder):
        remove(folder, stale)
        done += [f"removed {path.name}, which is sealed" for path in stale]
    for path in segments(folder):
        done += _repair_sealed(path) if path.suffix == ".parquet" else _repair_live(path)
    if done:
        sizes.remember(folder)
    return done


def _sound_rows(path: Path, found: Check) -> Iterator[Row]:
    if path.suffix == ".parquet":
        try:
            yield from sealed.rows(path)
        except UsageError as error:
            found.damaged.append(str(error))
        return
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.endswith(b"\n"):
                found.torn.append(path.name)
            elif (row := parsed(line)) is None:
                found.damaged.append(f"{path}, line {number} is not a row.")
            else:
                if not _fits(row):
                    found.damaged.append(
                        f"{path}, line {number}: the key does not fit the seed that it was asked with."
                    )
                yield row


def _fits(row: Row) -> bool:
    """The seed that a sample is asked with is the beginning of its key."""
    seed = (row.get("sampling") or {}).get("seed")
    if seed is None or row.get("imported"):
        return True
    try:
        return bool(int(row["key"][:7], 16) == seed)
    except ValueError:
        return False


def _repair_live(path: Path) -> list[str]:
    with unwritten(path) as file:
        if file is None:
            return [f"left {path.name} alone, which another process writes"]
        torn = cut_torn_line(file)
        file.seek(0)
        bad = {line for line in file if (row := parsed(line)) is None or not _fits(row)}
        done = [f"cut {torn} bytes of an unfinished line off {path.name}"] * bool(torn)
        if not bad:
            return done
        aside = _aside(path)
        _write(aside, bad)
        file.seek(0)
        beside = path.with_name(f".{path.name}.new")
        _write(beside, (line for line in file if line not in bad))
        beside.rename(path)
        sync_folder(path.parent)
    return [*done, f"put {len(bad)} damaged lines of {path.name} into {aside}"]


def _repair_sealed(path: Path) -> list[str]:
    """Row groups that can be read stay; where the footer is gone, none can."""
    try:
        for _ in sealed.rows(path):
            pass
    except UsageError:
        aside = _aside(path)
        os.link(path, aside)
        replaced, rows = sealed.replaces(path), list(sealed.readable_rows(path))
    else:
        return []
    if rows:
        sealed.write(path, rows, replaced)
    else:
        path.unlink()
    sync_folder(path.parent)
    return [f"put {path.name} as it was into {aside}; {len(rows)} of its rows are readable and stay"]


def _aside(path: Path) -> Path:
    """A new file for what is damaged in this segment."""
    folder = path.parent / "damaged"
    folder.mkdir(exist_ok=True)
    number = 1
    while (aside := folder / f"{path.stem}.{number}{path.suffix}").exists():
        number += 1
    return aside


def _write(path: Path, lines: Iterable[bytes]) -> None:
    with path.open("wb") as file:
        file.writelines(lines)
        file.flush()
        os.fsync(file.fileno())
