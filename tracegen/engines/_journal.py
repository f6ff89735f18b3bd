"""Which batches were sent and what they hold, on disk before and after each step, so that none is paid for twice.

One JSON file per batch in `<folder>/batches/`, replaced as a whole: before the upload (what it is to hold), after it
(the file's id) and after the order (the batch's id). A crash in between leaves a tag by which the server is asked
whether the batch was made. A file goes when all answers were handed on and had SETTLED seconds to become durable, so
that the journal stays small. Without a folder it lives as long as the process.
"""

import json
import os
import time
import uuid
from collections import deque
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tracegen.ledger.segments import sync_folder
from tracegen.records import Request, TracegenError, UsageError

__all__ = ["Batch", "Journal", "Shape", "shape"]

SETTLED = 60.0
"""Seconds; a ledger commits within some milliseconds, or stops the run."""
Shape = tuple[int, int, int]
"""What a sample's key leaves out: max_tokens, the tokens of the text it goes on from, those meant for the answer."""


def shape(request: Request) -> Shape:
    return request.sampling["max_tokens"], request.prefix_tokens, request.forced


@dataclass
class Batch:
    """A batch that was ordered, or was about to be."""

    base_url: str
    keys: dict[str, Shape]
    tag: str = field(default_factory=lambda: uuid.uuid4().hex)
    made: float = field(default_factory=time.time)
    file_id: str | None = None
    batch_id: str | None = None
    collected: bool = False
    """Every answer was handed on once; some may be asked for again all the same."""


class Journal:
    """All batches of a run at one server, by what they hold."""

    def __init__(self, folder: Path | None, base_url: str) -> None:
        self.folder = folder and folder / "batches"
        self._holding: dict[str, Batch] = {}
        self._settled: deque[tuple[float, Batch]] = deque()
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
            for batch in sorted(map(_read, self.folder.glob("*.json")), key=lambda batch: batch.made):
                if batch.base_url == base_url:
                    self._holding.update(dict.fromkeys(batch.keys, batch))

    def holding(self, key: str) -> Batch | None:
        """The newest batch that holds this sample."""
        return self._holding.get(key)

    def write(self, batch: Batch, *, holding: bool = True) -> None:
        """Make durable what is known of a batch; while it is `holding`, its samples are to be had from it."""
        if holding:
            self._holding.update(dict.fromkeys(batch.keys, batch))
        if self.folder is None:
            return
        try:
            _replace(self.folder, f"{batch.tag}.json", json.dumps(asdict(batch)))
        except OSError as error:
            raise TracegenError(
                f"cannot write down in {self.folder} which batch is sent ({error.strerror}), so none is; make room and "
                "start the same command again."
            ) from error

    def settle(self, batch: Batch) -> None:
        """All of its answers were handed on."""
        self._settled.append((time.monotonic(), batch))

    def sweep(self) -> None:
        """Drop the batches whose answers are durable by now; called by whoever still hands on answers."""
        while self._settled and time.monotonic() - self._settled[0][0] > SETTLED:
            self.drop(self._settled.popleft()[1])

    def forget(self, keys: Iterable[str], batch: Batch) -> None:
        """These samples are not to be had from this batch."""
        for key in keys:
            if self._holding.get(key) is batch:
                del self._holding[key]

    def drop(self, batch: Batch) -> None:
        """Nothing is to be had from this batch (any more)."""
        self.forget(list(batch.keys), batch)
        if self.folder is not None:
            (self.folder / f"{batch.tag}.json").unlink(missing_ok=True)


def _replace(folder: Path, name: str, text: str) -> None:
    """A file's new text is there as a whole, and durable, or not at all."""
    beside = folder / f".{name}.new"
    with beside.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(beside, folder / name)
    sync_folder(folder)


def _read(path: Path) -> Batch:
    try:
        row = json.loads(path.read_text(encoding="utf-8"))
        return Batch(**row | {"keys": {key: tuple(given) for key, given in row["keys"].items()}})
    except (ValueError, TypeError, KeyError, AttributeError):
        raise UsageError(
            f"{path} is damaged: it does not say which batch was sent. Look for the tag {path.stem} among the batches "
            "of your account, and remove the file if there is none."
        ) from None
