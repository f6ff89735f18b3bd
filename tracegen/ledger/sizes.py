"""What a ledger was known to hold, so that a later start can tell what the disk has lost.

`.sizes.json` says how large each segment was when a launch of the run's owner began or ended. A segment only grows, so
one that is shorter, or gone without another in its place, has lost rows that were durable. What a killed launch wrote
is known from the next start on.
"""

import json
import os
from contextlib import suppress
from pathlib import Path

from tracegen.ledger.segments import is_written, present, replaced

FILE = ".sizes.json"


def lost(folder: Path) -> list[str]:
    """The names of segments that are shorter than they were, or gone."""
    there = {path.name: path for path in present(folder)}
    followed = replaced(there.values())
    found = []
    for name, size in _known(folder).items():
        path = there.get(name)
        if name not in followed and (path is None or (path.suffix == ".jsonl" and path.stat().st_size < size)):
            found.append(name)
    return found


def remember(folder: Path) -> None:
    """Take down the present sizes, but for segments that are being written."""
    still = [path for path in present(folder) if path.suffix == ".parquet" or not is_written(path)]
    sizes = {path.name: path.stat().st_size for path in still}
    if sizes == _known(folder):
        return
    beside = folder / f"{FILE}.new"
    with suppress(OSError):  # on a full disk the next start knows less, which is all
        beside.write_text(json.dumps(sizes))
        os.replace(beside, folder / FILE)


def _known(folder: Path) -> dict[str, int]:
    try:
        return dict(json.loads((folder / FILE).read_text()))
    except (OSError, ValueError):
        return {}
