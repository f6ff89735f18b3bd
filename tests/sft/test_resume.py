"""Trainings that are killed (SIGKILL) and go on: they end with the weights and the losses of one that was not."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trl")

import small
import torch
from training import column, log, losses, same
from transformers import Trainer

from sft import checkpoints
from sft.train import train
from tracegen.student import Distill

STEPS = 10
TRAINER = {
    "learning_rate": 5e-3,
    "max_steps": STEPS,
    "per_device_train_batch_size": 4,
    "save_strategy": "steps",
    "save_steps": 3,
}
LAYERS = {"forward_kl": {}, "hidden": {"weight": 0.5, "layers": "uniform"}}
WAYS: dict[str, dict[str, Any]] = {
    "packing": {"trainer": {"packing": True}, "max_length": 128},
    "lora": {"lora": {"r": 4, "alpha": 8, "dropout": 0.1}},
    "ratio": {"distill": {"losses": LAYERS, "balance": "ratio"}},
    "lora_uncertainty": {"distill": {"losses": LAYERS, "balance": "uncertainty"}, "lora": {"r": 4}},
    "sft": {},
    "uncertainty": {"distill": {"losses": LAYERS, "balance": "uncertainty"}},
    "lora_ratio": {"distill": {"losses": LAYERS, "balance": "ratio"}, "lora": {"r": 4}},
}
QUICK = ("packing", "lora", "ratio", "lora_uncertainty")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory, base: str, teacher: str) -> tuple[str, str, str]:
    """A corpus, a student, and a wider and deeper teacher."""
    return small.corpus(tmp_path_factory.mktemp("corpus") / "corpus.jsonl", rows=20), base, teacher


def fit(models: tuple[str, str, str], folder: Path, way: Mapping[str, Any], **given: Any) -> dict[str, Any]:
    """A training in float32, its student in `folder`/student."""
    corpus, base, teacher = models
    given |= {name: value for name, value in way.items() if name not in ("distill", "trainer")}
    if "distill" in way:
        given |= {"method": "distill", "distill": Distill(**way["distill"]), "teachers": {"big": (teacher, None)}}
    trainer = TRAINER | way.get("trainer", {})
    return train(
        corpus=corpus,
        model=base,
        out=folder / "student",
        work=folder / "work",
        dtype="float32",
        trainer=trainer,
        **given,
    )


def killed(target: Callable[..., Any], *given: Any, **named: Any) -> None:
    """Run it in a process of its own, which has to die of SIGKILL."""
    # Not a fork of this process: the threads of torch, which other tests have started, do not survive that.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["sft.train", "sft.distill"])
    process = context.Process(target=alone, args=(target, *given), kwargs=named)
    process.start()
    process.join(120)
    assert process.exitcode == -signal.SIGKILL


def alone(target: Callable[..., Any], *given: Any, **named: Any) -> None:
    torch.set_num_threads(1)
    target(*given, **named)


def die(*_: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_at(step: int, line: Mapping[str, Any]) -> None:
    if line["step"] == step:
        die()


def at(step: int) -> Callable[[Mapping[str, Any]], None]:
    return partial(die_at, step)


def equal(one: Path, other: Path) -> None:
    lines = log(one)
    assert column(lines, "step") == list(range(1, STEPS + 1))
    for left, right in zip(lines, log(other), strict=True):
        assert {**left, "seconds": 0, "memory": 0} == {**right, "seconds": 0, "memory": 0}
    same(one, other, tolerance=0)


@pytest.mark.parametrize(
    "way", [name if name in QUICK else pytest.param(name, marks=pytest.mark.soak) for name in WAYS]
)
def test_a_killed_training_ends_as_one_that_was_not(models: tuple[str, str, str], tmp_path: Path, way: str) -> None:
    fit(models, tmp_path / "whole", WAYS[way])
    killed(fit, models, tmp_path / "broken", WAYS[way], progress=at(8))
    assert fit(models, tmp_path / "broken", WAYS[way])["resumed_from"] == 6
    equal(tmp_path / "whole" / "student", tmp_path / "broken" / "student")


def fit_and_die_in(part: str, *given: Any) -> None:
    """Die behind this part of the checkpoint of step 6."""
    write = getattr(Trainer, part)

    def dies_writing(trainer: Trainer, folder: str) -> None:
        write(trainer, folder)
        if folder.endswith("-6"):
            die()

    setattr(Trainer, part, dies_writing)
    fit(*given)


@pytest.mark.parametrize(
    "part", ["_save_rng_state", pytest.param("_save_optimizer_and_scheduler", marks=pytest.mark.soak)]
)
def test_killed_while_a_checkpoint_is_written(models: tuple[str, str, str], tmp_path: Path, part: str) -> None:
    way = WAYS["uncertainty"]
    fit(models, tmp_path / "whole", way)
    killed(fit_and_die_in, part, models, tmp_path / "broken", way)
    assert (tmp_path / "broken" / "work" / "checkpoint-6").is_dir()
    assert fit(models, tmp_path / "broken", way)["resumed_from"] == 3
    equal(tmp_path / "whole" / "student", tmp_path / "broken" / "student")


def test_killed_again_and_again(models: tuple[str, str, str], tmp_path: Path) -> None:
    """Before the first checkpoint, twice behind it, and just before one is written."""
    way = WAYS["lora_uncertainty"]
    fit(models, tmp_path / "whole", way)
    for step in (2, 5, 5, 9):
        killed(fit, models, tmp_path / "broken", way, progress=at(step))
    assert fit(models, tmp_path / "broken", way)["resumed_from"] == 6
    equal(tmp_path / "whole" / "student", tmp_path / "broken" / "student")


def test_what_hangs_on_a_frozen_student_is_trained(models: tuple[str, str, str], tmp_path: Path) -> None:
    way = WAYS["lora_uncertainty"] | {"trainer": {"max_steps": 4}}
    killed(fit, models, tmp_path, way, progress=at(4))
    kept = torch.load(tmp_path / "work" / "checkpoint-3" / "distill.pt", weights_only=True)
    assert all(kept["balance"]["logs"].values())
    for weight in kept["projections"].values():
        # It began orthogonal.
        assert not torch.allclose(weight.T @ weight, torch.eye(weight.shape[1]), atol=1e-4)


def fit_by_the_clock(models: tuple[str, str, str], folder: Path, **given: Any) -> dict[str, Any]:
    """A checkpoint at every step, a line of the log at every fourth."""
    checkpoints.SECONDS, checkpoints.SHARE = 0.0, 1e9
    corpus, base, _ = models
    trainer = {name: value for name, value in TRAINER.items() if not name.startswith("save")} | {"logging_steps": 4}
    places = {"out": folder / "student", "work": folder / "work"}
    return train(corpus=corpus, model=base, dtype="float32", trainer=trainer, **places, **given)


def test_lines_of_several_steps_are_not_cut_in_two(
    models: tuple[str, str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "SECONDS", checkpoints.SECONDS)
    monkeypatch.setattr(checkpoints, "SHARE", checkpoints.SHARE)
    fit_by_the_clock(models, tmp_path / "whole")
    killed(fit_by_the_clock, models, tmp_path / "broken", progress=at(8))
    assert fit_by_the_clock(models, tmp_path / "broken")["resumed_from"] == 4
    whole = losses(tmp_path / "whole" / "student")
    assert whole == losses(tmp_path / "broken" / "student")
    assert len(whole) == 2
