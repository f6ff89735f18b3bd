"""Several processes over gloo: they learn what one learns, stop when they are told to, and say what went wrong."""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trl")

import small
import torch
import training
from pydantic import TypeAdapter
from training import Killed, dying, log, weights

from sft.answers import Answer
from sft.batches import Evened, Shuffled
from sft.capture import capture_for
from sft.launch import check, launched
from sft.train import train
from tracegen.records import TracegenError, UsageError
from tracegen.student import Distill, HeldOut

WAYS: dict[str, dict[str, Any]] = {
    "layers": {
        "teachers": {"big": {}},
        "losses": {"forward_kl": {}, "hidden": {"weight": 0.5}, "attention": {"weight": 0.2, "window": 16}},
        "balance": "ratio",
    },
    "several": {
        "teachers": {"big": {}, "other": {}},
        "several": {"reliability": {"big": 0.9, "other": 0.4}},
        "temperature": 2.0,
    },
    "ema": {"teachers": {"mean": {"ema": 0.8}}},
    "spans": {"teachers": {"foreign": {}}, "align": "spans", "losses": {"uld": {}}},
    "stored": {"teachers": {"big": {"store": 8, "by": "hf"}}},
}
"""Of distilling, for the recipe's `distill`."""
TOGETHER = """
import sys
from pathlib import Path
from sft.launch import main

sys.exit(max([main(Path(folder)) for folder in sys.argv[1:]]))
"""
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


@pytest.fixture(scope="module")
def taught(models: tuple[str, str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a student of each of WAYS, from one process (`one`) and from two (`two`)."""
    folder = tmp_path_factory.mktemp("taught")
    corpus, base, big = models
    at = {"big": big, "other": small.model(folder / "other", seed=2)}
    at["foreign"] = small.model(folder / "foreign", words=small.words())
    calls = []
    for name, way in WAYS.items():
        distill = Distill.model_validate(way)
        teachers = {each: (at[each], None) for each, guide in distill.teachers.items() if not guide.itself}
        same_both: dict[str, Any] = {"distill": distill, "teachers": teachers, "signals": folder / "signals"}
        where = {"corpus": corpus, "model": base, "revision": None, "max_length": 1024, "seed": 1}
        capture_for(distill, folder / "signals", teachers=teachers, **where)
        train(**given(models, folder / "one" / name, 4, method="distill", **same_both))
        split = {"gradient_accumulation_steps": 2}
        calls.append(given(models, folder / "two" / name, 1, method="distill", **same_both, trainer=split))
    in_two(folder, calls)
    return folder


def in_two(folder: Path, calls: Sequence[Mapping[str, Any]]) -> None:
    """All these trainings in two processes, which are started once: that takes longer than a training."""
    places = []
    for call in calls:
        places.append(call["work"] / "processes")
        places[-1].mkdir(parents=True)
        whole = {"verify": False, **call}
        (places[-1] / "call.json").write_bytes(TypeAdapter(dict[str, Any]).dump_json(whole))
    (folder / "together.py").write_text(TOGETHER)
    launcher = [sys.executable, "-m", "torch.distributed.run", *TWO.split()[1:]]
    command = [*launcher, str(folder / "together.py"), *map(str, places)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]


@pytest.mark.parametrize("name", WAYS)
def test_two_processes_distil_what_one_distils(taught: Path, name: str) -> None:
    same(taught / "one" / name, taught / "two" / name)


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_processes_that_were_stopped_and_killed_go_on_exactly(models: tuple[str, str, str], tmp_path: Path) -> None:
    """As two that were not: beside one process, rounding grows to 1e-4 within a hundred steps.

    Two teachers, one of them an average, balanced: all that a checkpoint has to hold.
    """
    way = {"teachers": {"big": {}, "mean": {"ema": 0.9}}, "balance": "ratio", "several": {"reliability": "equal"}}
    distill = {"method": "distill", "distill": Distill.model_validate(way), "teachers": {"big": (models[2], None)}}
    saving = {"num_train_epochs": 40, "save_strategy": "steps", "save_steps": 5}
    work = tmp_path / "broken" / "work"
    call, whole = (given(models, tmp_path / name, 2, **distill, trainer=saving) for name in ("broken", "whole"))
    launched(TWO, **whole)

    def stop(line: Mapping[str, Any]) -> None:
        (work / "processes" / "stop").touch()

    with pytest.raises(KeyboardInterrupt):
        launched(TWO, **call, progress=stop)
    assert [folder for folder in work.glob("checkpoint-*") if (folder / "rng_state_1.pth").is_file()]
    with pytest.raises(Killed):
        launched(TWO, **call, progress=dying(at=120))
    figures = launched(TWO, **call)
    assert 0 < figures["resumed_from"] < figures["steps"] == 200
    training.same(tmp_path / "whole" / "student", tmp_path / "broken" / "student", tolerance=0)
    for left, right in zip(log(tmp_path / "whole" / "student"), log(tmp_path / "broken" / "student"), strict=True):
        assert left | {"seconds": 0, "memory": 0} == right | {"seconds": 0, "memory": 0}


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


def test_a_configuration_that_tracegen_comes_with_is_found_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = "recipes/accelerate/fsdp2.yaml"
    *_, found = check(f"python --config_file {config}")
    assert Path(found).is_file()
    own = tmp_path / config
    own.parent.mkdir(parents=True)
    own.write_text("num_processes: 2\n")
    assert check(f"python --config_file {config}")[-1] == config, "one's own comes first"
    with pytest.raises(UsageError, match=r"there is no recipe 'recipes/accelerate/mine\.yaml'"):
        check("python --config_file recipes/accelerate/mine.yaml")


def test_every_process_has_as_many_rows() -> None:
    sampler = Evened(Shuffled(10, seed=1), 4, blank=10)
    first = list(sampler)
    assert sorted(first[:10]) == list(range(10))
    assert first[10:] == [10, 10]
    assert len(sampler) == 12
    sampler.set_epoch(1)
    assert list(sampler) != first
