"""Trainings of tiny models, killed and gone on with, for the tests of what must hold of them."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from sft.train import train
from tracegen.student import Distill

STEPS = {"learning_rate": 5e-3, "max_steps": 4, "per_device_train_batch_size": 4, "lr_scheduler_type": "constant"}
Log = list[dict[str, Any]]


class Killed(BaseException):
    """Stands for SIGKILL: nothing of the trainer's catches it."""


def dying(at: int) -> Callable[[Mapping[str, Any]], None]:
    """A `progress` that kills a training when this step has been logged."""

    def die(line: Mapping[str, Any]) -> None:
        if line["step"] == at:
            raise Killed

    return die


def trained(
    folder: Path, corpus: str, base: str, teachers: Mapping[str, str] | None = None, **given: Any
) -> dict[str, Any]:
    """The figures of a training, a distillation where there are `teachers`; `folder` holds the student.

    `distill` is the recipe's, `trainer` what differs from STEPS; in float32 unless told otherwise.
    """
    if teachers is not None:
        distill = Distill.model_validate(given.pop("distill", {}))
        named = {name: (path, None) for name, path in teachers.items()}
        given = {"method": "distill", "distill": distill, "teachers": named} | given
    given = {"dtype": "float32", **given, "trainer": STEPS | given.get("trainer", {})}
    return train(corpus=corpus, model=base, out=folder, work=work(folder), **given)


def work(folder: Path) -> Path:
    """Where the checkpoints are."""
    return folder.with_name(f".{folder.name}")


def fit(folder: Path, *given: Any, **options: Any) -> Log:
    """The log of a training."""
    trained(folder, *given, **options)
    return log(folder)


def killed(folder: Path, *given: Any, at: int, **options: Any) -> Log:
    """The same, killed when step `at` has been logged and gone on with from the checkpoint before."""
    saving = {"save_strategy": "steps", "save_steps": 1}
    options["trainer"] = options.get("trainer", {}) | saving
    with pytest.raises(Killed):
        fit(folder, *given, progress=dying(at), **options)
    assert list(work(folder).glob("checkpoint-*"))
    return fit(folder, *given, **options)


def log(folder: Path) -> Log:
    """Of a student's folder, a line for each step that was logged."""
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def column(log: Log, name: str) -> list[float]:
    """One figure of every line."""
    return [line[name] for line in log]


def losses(folder: Path) -> list[float]:
    """Of a student's folder."""
    return column(log(folder), "loss")


def weights(folder: str | Path) -> Mapping[str, torch.Tensor]:
    """Of a student's folder."""
    found: Mapping[str, torch.Tensor] = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).state_dict()
    return found


def same(one: Path, other: Path, tolerance: float = 5e-5) -> None:
    """The students in both folders have equal weights; Adam moves each by 5e-3 a step, and rounding by its sign."""
    left, right = weights(one), weights(other)
    assert left.keys() == right.keys()
    for name, tensor in left.items():
        torch.testing.assert_close(tensor, right[name], atol=tolerance, rtol=0)
