"""A repository at one commit: which files it holds, whether ours are the same, and the text or columns of one.

Memory: names and hashes; of a Parquet file only the columns that are asked for travel.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

Kind = Literal["dataset", "model"]
Content = Path | bytes
"""A file of ours: where it lies, or what is in it."""
PIECE = 1 << 20


@dataclass(frozen=True)
class Remote:
    """What stands in a repository at the commit `sha`."""

    api: Any
    name: str
    kind: Kind
    sha: str
    private: bool
    files: Mapping[str, Any]
    """Path -> the client's RepoFile."""

    def same(self, path: str, ours: Content) -> bool:
        """Whether the file is there with this very content."""
        there = self.files.get(path)
        if there is None or there.size != _size(ours):
            return False
        return _hash(ours, "sha256") == there.lfs.sha256 if there.lfs else _hash(ours, "git") == there.blob_id

    def text(self, path: str) -> str:
        """A text file; empty where there is none."""
        if path not in self.files:
            return ""
        with self._open(path) as file:
            return str(file.read().decode("utf-8", "replace"))

    def rows(self, path: str, columns: Sequence[str]) -> Any:
        """The columns of a Parquet file that it has, as a table; an empty one where it is not Parquet."""
        import pyarrow
        import pyarrow.parquet as parquet

        with self._open(path) as file:
            try:
                there = parquet.ParquetFile(file)
            except pyarrow.ArrowInvalid:
                return pyarrow.table({})
            return there.read([name for name in columns if name in there.schema_arrow.names])

    def _open(self, path: str) -> Any:
        return self._system.open(f"{self.kind}s/{self.name}@{self.sha}/{path}", "rb")

    @cached_property
    def _system(self) -> Any:
        from huggingface_hub import HfFileSystem

        return HfFileSystem(endpoint=self.api.endpoint, skip_instance_cache=True)


def look(api: Any, name: str, kind: Kind) -> Remote:
    """The newest commit of the repository."""
    from huggingface_hub.hf_api import RepoFile

    info = api.repo_info(name, repo_type=kind)
    entries = api.list_repo_tree(name, repo_type=kind, revision=info.sha, recursive=True)
    files = {entry.path: entry for entry in entries if isinstance(entry, RepoFile)}
    return Remote(api, info.id, kind, info.sha, bool(info.private), files)


def _size(ours: Content) -> int:
    return len(ours) if isinstance(ours, bytes) else ours.stat().st_size


def _hash(ours: Content, kind: Literal["sha256", "git"]) -> str:
    """As the Hub names a file: LFS by the content's SHA-256, others by git's hash of a blob."""
    found = hashlib.sha256() if kind == "sha256" else hashlib.sha1(f"blob {_size(ours)}\0".encode())
    if isinstance(ours, bytes):
        found.update(ours)
        return found.hexdigest()
    with ours.open("rb") as file:
        while piece := file.read(PIECE):
            found.update(piece)
    return found.hexdigest()
