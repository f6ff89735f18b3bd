"""Which rows a new corpus adds, removes or changes, by key, against the one that is published; told in a changelog.

Shape: `changes(remote, corpus) -> Changes`, `entry(...)` one section of CHANGELOG.md, the newest on top.
A row that keeps its key is changed where its length, its verdict or what is known of its terms is another one.
Memory: a key and a hash for each row of the files that differ; texts are never read.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from tracegen.hub.remote import Remote
from tracegen.markdown import counted, inline_code

LOG = "CHANGELOG.md"
SHOWN = 20
"""Keys of one kind that an entry names; the commits before and after it hold all of them."""
DATA = ("data/curated/train-*.parquet", "data/train-*.parquet")
"""Where rows stand: ours, and where a corpus stood before it had configs."""
SAME = ("key", "tokens", "forced", "verdict", "verifier", "verifier_version", "verdict_answer", "licence", "may_train")


@dataclass(frozen=True, slots=True)
class Changes:
    """Keys of `curated`."""

    added: Sequence[str]
    removed: Sequence[str]
    changed: Sequence[str]
    first: bool
    """Nothing was published before."""

    def __str__(self) -> str:
        parts = {"added": self.added, "removed": self.removed, "changed": self.changed}
        return ", ".join(f"{len(keys):,} {what}" for what, keys in parts.items() if keys) or "no row added or removed"


def changes(remote: Remote, corpus: Path) -> Changes:
    """Compare the rows of the files that are not the same on both sides."""
    import pyarrow.parquet as parquet

    ours = {f"data/curated/{path.name}": path for path in sorted((corpus / "data/curated").glob("train-*.parquet"))}
    theirs = sorted(path for path in remote.files if any(fnmatch(path, pattern) for pattern in DATA))
    equal = {path for path in theirs if path in ours and remote.same(path, ours[path])}
    old = [rows for path in theirs if path not in equal and "key" in (rows := remote.rows(path, SAME)).column_names]
    # Tables of an earlier layout have fewer columns: what they do not say is no change.
    names = [name for name in SAME[1:] if all(name in table.column_names for table in old)]
    before = {key: row for table in old for key, row in _rows(table, names)}
    new = (parquet.read_table(file, columns=list(SAME)) for path, file in ours.items() if path not in equal)
    now = {key: row for table in new for key, row in _rows(table, names)}
    return Changes(
        added=sorted(now.keys() - before.keys()),
        removed=sorted(before.keys() - now.keys()),
        changed=sorted(key for key in now.keys() & before.keys() if now[key] != before[key]),
        first=not theirs,
    )


def entry(changes: Changes, rows: Mapping[str, int], *, day: str, before: str, log: str) -> str:
    """The changelog with a new section on top of the sections of `log`; `before` is the commit that it follows."""
    old = log[log.index("\n## ") + 1 :] if "\n## " in log else ""
    held = ", ".join(f"`{config}` {counted(count, 'row')}" for config, count in rows.items())
    happened = "First published" if changes.first else str(changes).capitalize()
    lines = [f"## {version(log) + 1} ({day})", "", f"{happened}: {held}."]
    for what in ("added", "removed", "changed"):
        keys = getattr(changes, what)
        if keys and not changes.first:
            more = f" and {len(keys) - SHOWN:,} more" if len(keys) > SHOWN else ""
            lines += ["", f"{what.capitalize()}: {', '.join(map(inline_code, keys[:SHOWN]))}{more}."]
    if not changes.first:
        lines += ["", f'What was there before: `revision="{before}"`.']
    return "\n".join(["# Changelog", "", "Rows of `curated` by their `key`; the newest first.", "", *lines, "", old])


def version(log: str) -> int:
    """How many publishes the changelog tells of."""
    return log.count("\n## ")


def _rows(table: Any, names: Sequence[str]) -> Iterator[tuple[str, int]]:
    """Each key, and a hash of what else is compared."""
    columns = [table[name].to_pylist() for name in ("key", *names)]
    for key, *values in zip(*columns, strict=True):
        yield key, hash(tuple(values))
