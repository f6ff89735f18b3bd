"""Several processes over gloo: they learn what one learns, stop when they are told to, and say what went wrong."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trl")

import small
import torch
from training import log, weights

from sft.answers import Answer
from sft.batches import Evened, Shuffled
from sft.launch import check, launched
from sft.train import train
from tracegen.records import TracegenError, UsageError
from tracegen.student import Distill, HeldOut

TWO = "torchrun --standalone --nproc-per-node 2"
ONE_BY_ONE = {"learning_rate": 5e-3, "num_train_epochs": 2, "lr_scheduler_type": "constant", "use_cpu": True}


@pytest.fixture(autouse=True)
def each_in_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory, base: str, teacher: str) -> tuple[str, str, str]:
    """A corpus of 18 rows, a student, and a wider and deeper teacher."""
    return small.corpus(tmp_path_factory.mktemp("corpus") / "corpus.jsonl", rows=18), base, teacher


def given(models: tuple[str, str, str], folder: Path, batch: int, **more: Any) -> dict[str, Any]:
    corpus, base, _ = models
    trainer = ONE_BY_ONE | {"per_device_train_batch_size": batch} | more.pop("trainer", {})
    places = {"corpus": corpus, "model": base, "out": folder / "student", "work": folder / "work"}
    return {**places, "dtype": "float32", "trainer": trainer, **more}


def same(one: Path, other: Path) -> None:
    """1e-4 relative, for every loss that is logged, and for the weights."""
    left, right = log(one / "student"), log(other / "student")
    assert len(left) == len(right)
    for a, b in zip(left, right, strict=True):
        for name in a.keys() - {"seconds", "memory", "tokens", "entropy", "epoch"}:
            assert a[name] == pytest.approx(b[name], rel=1e-4, abs=1e-7), (a["step"], name)
    expected = weights(other / "student")
    for name, tensor in weights(one / "student").items():
        torch.testing.assert_close(tensor, expected[name], atol=2e-5, rtol=1e-4)


def verify(said: Sequence[Answer]) -> list[bool]:
    return [int(answer.problem_id[1:]) % 3 == 0 for answer in said]


def test_two_processes_learn_what_one_learns(models: tuple[str, str, str], tmp_path: Path) -> None:
    """Held-out problems included; of 14 rows in batches of 4, the last batch is not full."""
    watched = {"held_out": HeldOut(problems=4, every=4, max_tokens=4), "verify": verify}
    told: list[Any] = []
    one = train(**given(models, tmp_path / "one", 4, **watched))
    two = launched(TWO, **given(models, tmp_path / "two", 2, **watched), progress=told.append)
    same(tmp_path / "one", tmp_path / "two")
    assert told[-1]["step"] == two["steps"] == 8
    for left, right in zip(one["held_out"]["lines"], two["held_out"]["lines"], strict=True):
        assert left["loss"] == pytest.approx(right["loss"], rel=1e-4)
        assert (left["solved"], left["asked"]) == (right["solved"], right["asked"])
    assert not (tmp_path / "two" / "work" / "processes").exists()


def test_two_processes_distil_what_one_distils(models: tuple[str, str, str], tmp_path: Path) -> None:
    losses = {"forward_kl": {}, "hidden": {"weight": 0.5}, "attention": {"weight": 0.2, "window": 16}}
    way: dict[str, Any] = {
        "method": "distill",
        "distill": Distill(losses=losses, balance="ratio"),
        "teachers": {"big": (models[2], None)},
    }
    train(**given(models, tmp_path / "one", 4, **way))
    split = {"gradient_accumulation_steps": 2}
    launched(TWO, **given(models, tmp_path / "two", 1, **way, trainer=split))
    same(tmp_path / "one", tmp_path / "two")


@pytest.mark.soak
def test_processes_stop_with_a_checkpoint_and_go_on(models: tuple[str, str, str], tmp_path: Path) -> None:
    train(**given(models, tmp_path / "whole", 4, trainer={"num_train_epochs": 40}))
    work = tmp_path / "broken" / "work"

    def stop(line: Any) -> None:
        (work / "processes" / "stop").touch()

    same_call = given(models, tmp_path / "broken", 2, trainer={"num_train_epochs": 40})
    with pytest.raises(KeyboardInterrupt):
        launched(TWO, **same_call, progress=stop)
    assert [folder for folder in work.glob("checkpoint-*") if (folder / "rng_state_1.pth").is_file()]
    figures = launched(TWO, **same_call)
    assert 0 < figures["resumed_from"] < figures["steps"] == 200
    same(tmp_path / "whole", tmp_path / "broken")


def test_the_processes_say_what_went_wrong(models: tuple[str, str, str], tmp_path: Path) -> None:
    call = given(models, tmp_path, 2) | {"attention": "no_such_attention"}
    with pytest.raises(UsageError, match="no_such_attention"):
        launched(f"{sys.executable}", **call)
    with pytest.raises(UsageError, match="begins with no program"):
        launched("no-such-launcher --nproc 2", **given(models, tmp_path, 2))
    with pytest.raises(TracegenError, match=r"status \d+ .*output.log has it all"):
        launched(f"{sys.executable} -X", **given(models, tmp_path, 2))


def test_a_run_has_one_owner(monkeypatch: pytest.MonkeyPatch) -> None:
    assert check(None) == []
    assert check("python -u") == ["python", "-u"]
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_RANK", "0")
    with pytest.raises(UsageError, match=r"name the launcher in `student.launch`"):
        check(None)


def test_every_process_has_as_many_rows() -> None:
    sampler = Evened(Shuffled(10, seed=1), 4, blank=10)
    first = list(sampler)
    assert sorted(first[:10]) == list(range(10))
    assert first[10:] == [10, 10]
    assert len(sampler) == 12
    sampler.set_epoch(1)
    assert list(sampler) != first
