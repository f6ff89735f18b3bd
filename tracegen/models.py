"""What a model's name in a recipe stands for, and what identifies it.

`embedded` is the small model that needs no hub; a folder is local weights, identified by a hash of its files; anything
else is a name that a server or the Hub knows, identified by that name and its revision.
"""

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tracegen.embedded import NAME, cache_folder, embedded
from tracegen.records import UsageError

IDENTIFYING = (
    "*.safetensors",
    "*.bin",
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
)


@dataclass(frozen=True)
class Model:
    """A model that an engine can run."""

    name: str
    """What cards and reports show: as the recipe says it, or what `embedded` stands for."""
    path: str
    """What the engine is given: a folder, or a name that a server or the Hub knows."""
    revision: str | None
    """Hub revision, or `sha256:...` of local files."""

    @property
    def identity(self) -> dict[str, Any]:
        """What stands in a sample's key. Local weights are what they are, wherever they lie."""
        local = self.revision is not None and self.revision.startswith("sha256:")
        return {"revision": self.revision} if local else {"model": self.path, "revision": self.revision}


def resolve(name: str, revision: str | None = None) -> Model:
    """Find the model; fetches and unpacks the embedded one when it is named for the first time."""
    if name == "embedded":
        return local(embedded(), f"HuggingFaceTB/{NAME}")
    if Path(name).is_dir():
        return local(Path(name), name)
    if name.startswith(("/", "./", "../", "~")):
        raise UsageError(f"there is no model folder {name}.")
    return Model(name, name, revision)


def local(folder: Path, name: str) -> Model:
    """A model in a local folder."""
    if not (folder / "config.json").is_file():
        raise UsageError(f"{folder} is not a model folder: it has no config.json.")
    return Model(name, str(folder), f"sha256:{_hash(folder.resolve())[:16]}")


@cache
def _hash(folder: Path) -> str:
    """Hash of the files that determine what the model says; remembered in the cache by size and time of change."""
    files = sorted({file for pattern in IDENTIFYING for file in folder.glob(pattern)})
    stamp = json.dumps([[file.name, file.stat().st_size, file.stat().st_mtime_ns] for file in files] + [str(folder)])
    known = cache_folder() / "hashes" / hashlib.sha256(stamp.encode()).hexdigest()
    if known.is_file():
        return known.read_text()
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as content:
            digest.update(f"{file.name} {hashlib.file_digest(content, 'sha256').hexdigest()}\n".encode())
    known.parent.mkdir(parents=True, exist_ok=True)
    known.write_text(digest.hexdigest())
    return digest.hexdigest()
