"""The log of a training run: one JSON line a logged step, which a resumed run continues."""

import json
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from tracegen.records import TracegenError

TOLD = {"loss", "epoch", "mean_token_accuracy", "num_tokens"}
"""What stands in a line under a name of its own; all else that the trainer logs follows under its name there."""
Progress = Callable[[Mapping[str, Any]], None]


class Log(TrainerCallback):  # type: ignore[misc]
    """One JSON line a logged step: step, epoch, loss, learning_rate, tokens and seconds since the run's first start."""

    def __init__(self, path: Path, progress: Progress | None, *, resumed: bool) -> None:
        self.path, self.progress = path, progress
        self.lines: list[dict[str, Any]] = []
        self.before: dict[str, Any] = {"tokens": 0, "seconds": 0.0}
        self.started = time.monotonic()
        self.resumed = resumed

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Keep the log up to the checkpoint; what came after it is done again."""
        if self.resumed and self.path.is_file():
            lines = [json.loads(line) for line in self.path.read_text().splitlines() if line.endswith("}")]
            self.lines = [line for line in lines if line["step"] <= state.global_step]
            self.before = self.lines[-1] if self.lines else self.before
        if state.is_world_process_zero:
            self.path.write_text("".join(json.dumps(line) + "\n" for line in self.lines))
        self.started = time.monotonic()

    def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Write the line before anything is told of it; a loss that is no number ends the run."""
        logs = kwargs["logs"]
        if "loss" not in logs:
            return
        line = {
            "step": state.global_step,
            "steps": state.max_steps,
            "epoch": round(state.epoch, 4),
            "loss": logs["loss"],
            **{name: value for name, value in logs.items() if name not in TOLD},
            **({"accuracy": logs["mean_token_accuracy"]} if "mean_token_accuracy" in logs else {}),
            "tokens": self.before["tokens"] + int(logs["num_tokens"]),
            "memory": _memory(),
            "seconds": round(self.before["seconds"] + time.monotonic() - self.started, 2) or 0.01,
        }
        if not math.isfinite(line["loss"]):
            raise TracegenError(
                f"the loss is {line['loss']} at step {line['step']}; lower trainer.learning_rate, or set "
                "student.dtype to float32, and run again."
            )
        self.lines.append(line)
        if not state.is_world_process_zero:
            return
        with self.path.open("a") as file:
            file.write(json.dumps(line) + "\n")
        if self.progress:
            self.progress(line)

    def figures(self) -> dict[str, Any]:
        """First and last loss (each the mean of a tenth of the lines), tokens, seconds."""
        tenth = max(1, len(self.lines) // 10)
        losses = [line["loss"] for line in self.lines]
        last = self.lines[-1] if self.lines else self.before
        return {
            "first_loss": sum(losses[:tenth]) / tenth if losses else None,
            "loss": sum(losses[-tenth:]) / tenth if losses else None,
            "tokens": last["tokens"],
            "seconds": last["seconds"],
        }


def _memory() -> float:
    """GB at the highest: of the accelerator, or else of this process."""
    import resource
    import sys

    import torch

    if torch.accelerator.is_available():
        return round(torch.accelerator.max_memory_allocated() / 1e9, 2)
    # Kilobytes, but bytes on macOS.
    unit = 1 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9, 2)
