"""Problems that are kept out of training to watch it by: the loss on them, and how many of them the student solves.

Shape: `split(rows, problems, seed)` keeps problems out, with all their traces; the callback `Evaluation` looks at them
every so often, writes a line of `held_out.jsonl` each time, makes sure that the best student so far stands in a
checkpoint, and ends a training that gets no better.
The best student is the one that solves most of them; among equals, and where nothing can verify, it is the one with the
lowest cross-entropy. That is also what decides about stopping: it means the same at every step, while the weights of an
objective may move. Everything that is decided follows from the lines, so a resumed training decides the same.
"""

import hashlib
import json
import math
import time
from array import array
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback

from sft.answers import Answer, answers
from sft.data import Row
from tracegen.records import UsageError
from tracegen.student import HeldOut

FILE = "held_out.jsonl"
Verify = Callable[[Sequence[Answer]], Sequence[bool]]
"""Which of the answers are right."""


def split(rows: Sequence[Row], problems: float, seed: int) -> tuple[list[Row], list[Row]]:
    """Rows to train on, and rows of so many problems (below 1: such a share of them).

    A problem is a prompt. Which ones are kept out depends on the seed and on each problem alone, so that a corpus that
    grows keeps out what it kept out before.
    """
    named: dict[bytes, list[int]] = {}
    for index, row in enumerate(rows):
        named.setdefault(_prompt(row), []).append(index)
    count = math.ceil(problems * len(named)) if problems < 1 else round(problems)
    if not 0 < count < len(named):
        raise UsageError(
            f"`student.held_out` keeps {count} problems out, and the corpus has {len(named)}; at least one must be "
            "held out and one be left to train on."
        )
    drawn = sorted(named, key=lambda name: hashlib.sha256(b"%d " % seed + name).digest())
    out = {index for name in drawn[:count] for index in named[name]}
    return [row for i, row in enumerate(rows) if i not in out], [row for i, row in enumerate(rows) if i in out]


def one_each(rows: Sequence[Row]) -> list[Row]:
    """The first row of every problem."""
    return list({_prompt(row): row for row in reversed(rows)}.values())[::-1]


def _prompt(row: Row) -> bytes:
    return array("q", row.input_ids[: row.prompt]).tobytes()


class Evaluation(TrainerCallback):  # type: ignore[misc]
    """Looks at the held-out problems, remembers the best student, and stops.

    `table` is that of all held-out rows; `ends` are the tokens that end an answer.
    """

    def __init__(
        self,
        recipe: HeldOut,
        *,
        trainer: Any,
        rows: Sequence[Row],
        table: Any,
        ends: Sequence[int],
        max_length: int,
        stop_after: int | None = None,
        verify: Verify | None = None,
        resumed: bool = False,
    ) -> None:
        self.recipe, self.trainer, self.ends = recipe, trainer, ends
        self.stop_after, self.verify, self.resumed = stop_after, verify, resumed
        self.path = Path(trainer.args.output_dir) / FILE
        size = trainer.args.per_device_eval_batch_size
        examples = list(table)
        self.batches = [trainer.data_collator(examples[at : at + size]) for at in range(0, len(examples), size)]
        self.problems = one_each([row for row in rows if "problem_id" in row.facts])[: recipe.answers]
        self.max_tokens = recipe.max_tokens or max_length - min((row.prompt for row in self.problems), default=0)
        self.lines: list[dict[str, Any]] = []

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Forget what was found out after the checkpoint; it is found out again."""
        lines = self.path.read_text().splitlines() if self.resumed and self.path.is_file() else []
        read = [json.loads(line) for line in lines if line.endswith("}")]
        self.lines = [line for line in read if line["step"] <= state.global_step]
        self._remember(args, state)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:
        """Look, where it is time; a best student is saved unless it is the last one anyway."""
        every = self.recipe.every
        every = max(1, round(every * state.max_steps)) if every < 1 else round(every)
        last = state.global_step >= state.max_steps
        if state.global_step % every and not last:
            return control
        line = {"step": state.global_step, "epoch": round(state.epoch, 4), **self.look()}
        self.lines.append(line)
        self._remember(args, state)
        if self._no_better():
            control.should_training_stop = True
        elif self.best is line and not last:
            control.should_save = True
        return control

    @property
    def best(self) -> Mapping[str, Any] | None:
        """The line of the best student; of two equals the earlier."""
        by = self.recipe.keep
        if by == "last" or not self.lines:
            return self.lines[-1] if self.lines else None
        return max(self.lines, key=lambda line: (line.get("solved", 0) if by == "accuracy" else 0, -line["loss"]))

    def go_back(self) -> None:
        """Put the weights of the best student into the model."""
        best = self.best
        if self.recipe.keep != "last" and best and best["step"] != self.trainer.state.global_step:
            self.trainer._load_best_model()

    def figures(self) -> dict[str, Any]:
        """What the student's folder and card say of it."""
        return {"problems": self.recipe.problems, "kept": self.best, "lines": self.lines}

    def look(self) -> dict[str, float]:
        """The means over all held-out tokens, and how many of the problems are solved."""
        trainer, began = self.trainer, time.monotonic()
        trainer.model.eval()
        found = self._means()
        if self.verify and self.problems:
            said = answers(trainer, self.problems, ends=self.ends, max_tokens=self.max_tokens)
            right = [sum(self.verify(said)) if trainer.is_world_process_zero() else 0]
            if trainer.accelerator.num_processes > 1:
                from accelerate.utils import broadcast_object_list

                broadcast_object_list(right)
            cut = sum(answer.finish_reason == "length" for answer in said)
            found |= {"solved": right[0], "asked": len(said), "cut_off": cut}
        trainer.model.train()
        return found | {"seconds": round(time.monotonic() - began, 2)}

    def _means(self) -> dict[str, float]:
        """Sums over tokens, not means of batches; every process has a share of the batches."""
        world, rank = self.trainer.accelerator.num_processes, self.trainer.accelerator.process_index
        sums: dict[str, torch.Tensor] = {}
        for first in range(0, len(self.batches), world):
            # Where the batches run out, one is run once more for nothing, because all processes have to take part.
            own = first + rank
            batch = self.batches[own if own < len(self.batches) else 0]
            placed = {name: tensor.to(self.trainer.args.device) for name, tensor in batch.items()}
            for name, value in self.trainer.sums(placed).items():
                value = value.detach().double() * (own < len(self.batches))
                sums[name] = sums[name] + value if name in sums else value
        whole = self.trainer.whole(sums)
        places = whole.pop("places")
        return {"loss": whole.pop("loss") / places, **{name: value / places for name, value in whole.items()}}

    def _remember(self, args: Any, state: Any) -> None:
        """Write the lines, and keep the checkpoint of the best from being thrown away."""
        if state.is_world_process_zero:
            self.path.write_text("".join(json.dumps(line) + "\n" for line in self.lines))
        if self.best and self.recipe.keep != "last":
            state.best_global_step = self.best["step"]
            state.best_model_checkpoint = str(Path(args.output_dir) / f"checkpoint-{self.best['step']}")

    def _no_better(self) -> bool:
        """Whether the loss has not gone down for `stop_after` looks in a row."""
        losses = [line["loss"] for line in self.lines]
        return bool(self.stop_after) and len(losses) - 1 - losses.index(min(losses)) >= (self.stop_after or 0)
