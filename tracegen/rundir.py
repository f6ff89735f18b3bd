"""A run directory: who owns it, which recipe made it, which of its stages are up to date.

    runs/<name>/  recipe.yaml (recipe.2.yaml ...)  environment.json  problems.jsonl  source/  traces/  verdicts/  asked/
                  dropped/  corpus/  signals/  student/  eval/  scores.jsonl  report.html

Nothing in it is edited in place. A derived stage keeps a `stage.json` with the hash of its inputs: equal, the stage is
skipped; otherwise it is rebuilt beside the old one and renamed into place.
"""

import fcntl
import hashlib
import json
import os
import shutil
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from tracegen.records import UsageError

OWNER_LOOKS = 0.1
"""Seconds for which a lock may be held by somebody who only looks whether there is an owner."""
STATUS = "status.json"
"""What a run says of itself while it goes on, and how it ended."""


def fingerprint(inputs: Any) -> str:
    """A hash of anything JSON-able (keys in any order); half a surrogate pair, as a model may write it, included."""
    canonical = json.dumps(inputs, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str)
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()


@contextmanager
def owned(run: Path) -> Iterator[None]:
    """Hold the run directory for this process; a second process is refused and told who holds it."""
    try:
        run.mkdir(parents=True, exist_ok=True)
        lock = (run / ".lock").open("a+")
    except OSError as error:
        raise UsageError(f"cannot write to the run directory {run}: {error.strerror}.") from None
    with lock:
        patience = time.monotonic() + OWNER_LOOKS
        while not _locked(lock, fcntl.LOCK_EX):
            if time.monotonic() > patience:
                lock.seek(0)
                raise UsageError(f"{run} is in use by {lock.read().strip() or 'another process'}.")
            time.sleep(0.02)
        lock.truncate(0)
        lock.write(f"process {os.getpid()} on {socket.gethostname()}")
        lock.flush()
        yield


def owner(run: Path) -> str | None:
    """Who holds the run directory, or None."""
    try:
        with (run / ".lock").open() as lock:
            return None if _locked(lock, fcntl.LOCK_SH) else lock.read().strip() or "another process"
    except OSError:
        return None


def _locked(lock: IO[str], kind: int) -> bool:
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def keep_recipe(run: Path, text: str) -> Path:
    """Store the recipe of this launch: nothing new if it equals the last one kept, else `recipe.2.yaml` and so on."""
    kept = recipes(run)
    if kept and kept[-1].read_text(encoding="utf-8") == text:
        return kept[-1]
    path = run / ("recipe.yaml" if not kept else f"recipe.{len(kept) + 1}.yaml")
    return write_atomically(path, text)


def recipes(run: Path) -> list[Path]:
    """The recipes that a run directory has seen, oldest first."""
    later = [path for path in run.glob("recipe.*.yaml") if path.name.split(".")[1].isdigit()]
    return [*run.glob("recipe.yaml"), *sorted(later, key=lambda path: int(path.name.split(".")[1]))]


def write_atomically(path: Path, text: str) -> Path:
    """Replace a file's text in one step."""
    beside = path.with_name(f".{path.name}.new")
    beside.write_text(text, encoding="utf-8")
    os.replace(beside, path)
    return path


def up_to_date(folder: Path, inputs: Mapping[str, Any]) -> bool:
    """Whether the stage in this folder was made from these very inputs."""
    _finish_rename(folder)
    return bool(_stage(folder).get("hash") == fingerprint(inputs))


def inputs(folder: Path) -> dict[str, Any]:
    """What the stage in this folder was made from; nothing where that is not known."""
    found: dict[str, Any] = _stage(folder).get("inputs") or {}
    return found


def _stage(folder: Path) -> dict[str, Any]:
    try:
        found = json.loads((folder / "stage.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


@contextmanager
def rebuilt(folder: Path, inputs: Mapping[str, Any]) -> Iterator[Path]:
    """A new empty folder to build a stage in; it takes the old one's place when the block ends well."""
    new = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    yield new
    mark(new, inputs)
    old = folder.with_name(f"{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    new.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def mark(folder: Path, inputs: Mapping[str, Any]) -> None:
    """Say in `stage.json` what a folder was made from."""
    stage = {"hash": fingerprint(inputs), "inputs": inputs}
    write_atomically(folder / "stage.json", json.dumps(stage, indent=1, default=str, ensure_ascii=False))


def _finish_rename(folder: Path) -> None:
    """A crash between the two renames leaves no `folder`, but the new one complete with its stage.json; one behind them
    leaves the old one.
    """
    new, old = folder.with_name(f"{folder.name}.new"), folder.with_name(f"{folder.name}.old")
    if not folder.exists() and (new / "stage.json").exists():
        new.rename(folder)
    elif not folder.exists() and old.exists():
        old.rename(folder)
    shutil.rmtree(old, ignore_errors=True)
