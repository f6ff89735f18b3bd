"""Repositories of the fake Hub: snapshots in memory, one a commit, and how the Hub names and lists files."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Commit:
    """One state of a repository; `changed` names the paths that were added, replaced or deleted to reach it."""

    oid: str
    summary: str
    changed: tuple[str, ...]
    files: Mapping[str, bytes]
    lfs: frozenset[str]
    """The paths that came as LFS objects."""


@dataclass
class Repo:
    """A repository and its history, the newest commit last."""

    kind: str
    """`datasets` or `models`."""
    name: str
    private: bool
    commits: list[Commit] = field(default_factory=list)

    @property
    def head(self) -> Commit:
        return self.commits[-1]

    def at(self, revision: str) -> Commit | None:
        if revision == "main":
            return self.head
        return next((commit for commit in self.commits if commit.oid == revision), None)

    def commit(self, summary: str, changes: Mapping[str, bytes | None], lfs: frozenset[str] = frozenset()) -> Commit:
        """Make the next commit; None deletes a path."""
        before = self.head if self.commits else Commit("", "", (), {}, frozenset())
        files = {path: data for path, data in {**before.files, **changes}.items() if data is not None}
        text = f"{before.oid} {summary} {[(path, hashlib.sha1(data).hexdigest()) for path, data in files.items()]}"
        kept = (before.lfs - changes.keys()) | lfs
        made = Commit(hashlib.sha1(text.encode()).hexdigest(), summary, tuple(sorted(changes)), files, kept)
        self.commits.append(made)
        return made


def is_lfs(path: str) -> bool:
    return path.endswith((".parquet", ".safetensors"))


def oid(commit: Commit, path: str) -> str:
    """What the Hub calls a file: sha256 of an LFS object, git's blob hash of anything else."""
    data = commit.files[path]
    if path in commit.lfs:
        return hashlib.sha256(data).hexdigest()
    return hashlib.sha1(b"blob %d\0%s" % (len(data), data)).hexdigest()


def listing(commit: Commit, folder: str, recursive: bool) -> list[dict[str, Any]]:
    """Files and folders below `folder`, as the Hub lists them."""
    prefix = f"{folder.rstrip('/')}/" if folder else ""
    entries: dict[str, dict[str, Any]] = {}
    for path, data in sorted(commit.files.items()):
        if not path.startswith(prefix):
            continue
        parts = path.removeprefix(prefix).split("/")
        for depth in range(1, len(parts) if recursive else min(2, len(parts))):
            name = prefix + "/".join(parts[:depth])
            entries[name] = {
                "type": "directory",
                "path": name,
                "size": 0,
                "oid": hashlib.sha1(name.encode()).hexdigest(),
            }
        if recursive or len(parts) == 1:
            entry = {"type": "file", "path": path, "size": len(data), "oid": oid(commit, path)}
            if path in commit.lfs:
                entry["lfs"] = {"oid": oid(commit, path), "size": len(data), "pointerSize": 130}
            entries[path] = entry
    return list(entries.values())
