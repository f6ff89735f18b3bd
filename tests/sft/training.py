"""Trainings of tiny models, killed and gone on with, for the tests of what must hold of them."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
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


@contextmanager
def one_thread() -> Iterator[None]:
    """Tiny matrices are slower on several."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def fit(folder: Path, corpus: str, base: str, teachers: Mapping[str, str], **given: Any) -> Log:
    """The log of a distillation in float32; `folder` holds the student, `distill` and `trainer` are the recipe's."""
    distill = Distill.model_validate(given.pop("distill", {}))
    train(
        corpus=corpus,
        model=base,
        out=folder,
        work=folder.with_name(f".{folder.name}"),
        method="distill",
        distill=distill,
        teachers={name: (path, None) for name, path in teachers.items()},
        trainer=STEPS | given.pop("trainer", {}),
        dtype="float32",
        **given,
    )
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def killed(folder: Path, *given: Any, at: int, **options: Any) -> Log:
    """The same, killed when step `at` has been logged and gone on with from the checkpoint before."""

    def kill(line: Mapping[str, Any]) -> None:
        if line["step"] == at:
            raise Killed

    saving = {"save_strategy": "steps", "save_steps": 1}
    options["trainer"] = options.get("trainer", {}) | saving
    with pytest.raises(Killed):
        fit(folder, *given, progress=kill, **options)
    assert list(folder.with_name(f".{folder.name}").glob("checkpoint-*"))
    return fit(folder, *given, **options)


def column(log: Log, name: str) -> list[float]:
    """One figure of every line."""
    return [line[name] for line in log]


def weights(folder: Path) -> Mapping[str, torch.Tensor]:
    """Of a student's folder."""
    found: Mapping[str, torch.Tensor] = AutoModelForCausalLM.from_pretrained(folder).state_dict()
    return found


def same(one: Path, other: Path, tolerance: float = 5e-5) -> None:
    """The students in both folders have equal weights; Adam moves each by 5e-3 a step, and rounding by its sign."""
    left, right = weights(one), weights(other)
    assert left.keys() == right.keys()
    for name, tensor in left.items():
        torch.testing.assert_close(tensor, right[name], atol=tolerance, rtol=0)
