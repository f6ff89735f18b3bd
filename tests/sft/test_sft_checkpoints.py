"""A training that was killed or stopped goes on from its last whole checkpoint and ends as if it had not been."""

import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trl")

import small
from training import Killed, column, dying, log, losses, same, trained, work

from sft import checkpoints
from sft.checkpoints import fingerprint, last_whole
from sft.data import Row

EPOCHS = {"max_steps": -1, "num_train_epochs": 2, "lr_scheduler_type": "linear"}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Five batches."""
    return small.corpus(tmp_path_factory.mktemp("corpus") / "corpus.jsonl", rows=20)


@pytest.mark.parametrize("torn", [False, True])
def test_resumed_run_ends_with_the_same_weights(base: str, corpus: str, tmp_path: Path, torn: bool) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    trainer = EPOCHS | {"save_strategy": "steps", "save_steps": 3, "num_train_epochs": 3}
    trained(whole, corpus, base, trainer=trainer)
    with pytest.raises(Killed):
        trained(broken, corpus, base, trainer=trainer, progress=dying(8))
    assert not broken.exists()
    if torn:
        (work(broken) / "checkpoint-6" / "trainer_state.json").write_text('{"global_st')
    figures = trained(broken, corpus, base, trainer=trainer)
    assert figures["resumed_from"] == (3 if torn else 6)
    assert losses(broken) == pytest.approx(losses(whole), rel=1e-6)
    same(whole, broken, tolerance=0)
    lines = log(broken)
    assert column(lines, "step") == list(range(1, 16))
    assert lines == sorted(lines, key=lambda line: (line["tokens"], line["seconds"]))


def test_checkpoints_by_the_clock(base: str, corpus: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "SECONDS", 0.0)
    monkeypatch.setattr(checkpoints, "SHARE", 1e9)
    logged_never = {"logging_strategy": "no"}
    assert trained(tmp_path / "silent", corpus, base, trainer=EPOCHS | logged_never)["loss"] is None
    out = tmp_path / "out"
    with pytest.raises(Killed):
        trained(out, corpus, base, trainer=EPOCHS, progress=dying(8))
    assert sorted(path.name for path in work(out).glob("checkpoint-*")) == ["checkpoint-6", "checkpoint-7"]
    assert trained(out, corpus, base, trainer=EPOCHS)["resumed_from"] == 7


def test_checkpoint_of_other_inputs_is_not_gone_on_from(tmp_path: Path) -> None:
    def checkpoint() -> None:
        folder = tmp_path / "checkpoint-4"
        folder.mkdir()
        for name in ("trainer_state.json", "optimizer.pt", "scheduler.pt"):
            (folder / name).write_text("{}")

    rows = [Row("a", [1, 2], [-100, 2])]
    one = fingerprint(rows, ["seed", 1])
    assert one != fingerprint([Row("a", [1, 2], [1, 2])], ["seed", 1])
    assert last_whole(tmp_path, one) is None
    checkpoint()
    assert last_whole(tmp_path, one) == tmp_path / "checkpoint-4"
    assert last_whole(tmp_path, fingerprint(rows, ["seed", 2])) is None
    assert not (tmp_path / "checkpoint-4").exists()


def test_ctrl_c_leaves_a_checkpoint_and_the_next_run_goes_on(base: str, corpus: str, tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT)

    def interrupt(line: Mapping[str, Any]) -> None:
        if line["step"] == 4:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "out", corpus, base, trainer=EPOCHS, progress=interrupt)
    assert signal.getsignal(signal.SIGINT) is before
    figures = trained(tmp_path / "out", corpus, base, trainer=EPOCHS)
    assert figures["resumed_from"] in (4, 5)
    assert len(losses(tmp_path / "out")) == 10


def test_a_kill_while_checkpoints_are_removed_leaves_none_to_go_on_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    last_whole(tmp_path, "inputs")
    folder = tmp_path / "checkpoint-4"
    folder.mkdir()
    for name in ("trainer_state.json", "optimizer.pt", "model.safetensors"):
        (folder / name).write_text("{}")

    def half(path: Path) -> None:
        (path / "model.safetensors").unlink()
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr("sft.checkpoints.shutil.rmtree", half)
        with pytest.raises(Killed):
            checkpoints.clear(tmp_path)
    assert last_whole(tmp_path, "inputs") is None
