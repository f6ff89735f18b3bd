"""What lets a killed training go on: when checkpoints are written, which one is whole, and whose they are.

Limits: a checkpoint belongs to one set of inputs; with others, `work` starts anew. A checkpoint that was being written
when the process died is removed.
"""

import hashlib
import json
import shutil
import signal
import threading
import time
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from sft.data import Row

SECONDS = 60.0
"""Work that a kill may cost, unless writing checkpoints then took more than SHARE of the time."""
SHARE = 0.05


def fingerprint(rows: Sequence[Row], inputs: Sequence[Any]) -> str:
    """What the training depends on, as a hash: the rows' ids and masks, and everything in `inputs`."""
    digest = hashlib.sha256(json.dumps(inputs, sort_keys=True, default=str).encode())
    for row in rows:
        digest.update(array("q", row.input_ids + row.labels).tobytes())
    return digest.hexdigest()


def last_whole(work: Path, inputs: str) -> Path | None:
    """The newest checkpoint to go on from. Removes torn ones, and all of them when the fingerprint is another."""
    stamp = work / "inputs.sha256"
    if not stamp.is_file() or stamp.read_text() != inputs:
        clear(work)
        work.mkdir(parents=True, exist_ok=True)
        stamp.write_text(inputs)
    found = sorted(work.glob("checkpoint-*"), key=lambda folder: int(folder.name.rpartition("-")[2]), reverse=True)
    for folder in found:
        if _whole(folder):
            return folder
        shutil.rmtree(folder)
    return None


def clear(work: Path) -> None:
    """Remove the checkpoints and the log in `work`."""
    # The stamp first: without it nothing that a kill leaves half removed is gone on from.
    for name in ("inputs.sha256", "log.jsonl", "held_out.jsonl"):
        (work / name).unlink(missing_ok=True)
    for folder in work.glob("checkpoint-*"):
        shutil.rmtree(folder)


def _whole(folder: Path) -> bool:
    """The trainer's state is written last, so a checkpoint that has one that can be read is complete."""
    try:
        json.loads((folder / "trainer_state.json").read_text())
    except (OSError, ValueError):
        return False
    # Shards of an optimizer lie in folders of their own.
    return any(folder.glob("*optimizer*")) or any(folder.glob("global_step*"))


def agreed(wanted: bool, device: torch.device) -> bool:
    """Whether any of the processes wants it: what one alone did, the others would wait for without an end."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return wanted
    said = torch.tensor(int(wanted), device=device)
    torch.distributed.all_reduce(said, torch.distributed.ReduceOp.MAX)
    return bool(said)


class ByTheClock(TrainerCallback):  # type: ignore[misc]
    """Writes a checkpoint after SECONDS, or as much later as keeps writing below SHARE of the time."""

    def __init__(self) -> None:
        self.last = self.asked = time.monotonic()
        self.wait = SECONDS

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        """Ask for a checkpoint when it is time; never for the last step, which becomes the student.

        Only where a line is logged too: the mean of a line that a kill cut in two would be another.
        """
        self.asked = time.monotonic()
        logged = control.should_log or args.logging_strategy == "no"
        if logged and state.global_step < state.max_steps and agreed(self.asked - self.last > self.wait, args.device):
            control.should_save = True
        return control

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        """Note how long the writing took."""
        self.last = time.monotonic()
        self.wait = max(SECONDS, (self.last - self.asked) / SHARE)
        return control


class StopCleanly(TrainerCallback):  # type: ignore[misc]
    """After the first Ctrl-C, finishes the step, writes a checkpoint and stops; a second Ctrl-C stops at once.

    `file`, once it is there, stops a training like the first Ctrl-C.
    """

    def __init__(self, file: Path | None = None) -> None:
        self.file = file
        self.stopped = False

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take Ctrl-C over for the time of the training, and raise KeyboardInterrupt behind it."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGINT, self._note)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before or signal.default_int_handler)
        if self.stopped:
            raise KeyboardInterrupt

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.stopped:
            raise KeyboardInterrupt
        self.stopped = True

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        """Turn the noted Ctrl-C into a checkpoint and an orderly end."""
        self.stopped = agreed(self.stopped or bool(self.file and self.file.exists()), args.device)
        if self.stopped:
            control.should_save = control.should_training_stop = True
        return control
