"""Curricula and weights: who is seen when, how much each row counts, and that both reach the trainer."""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trl")

import training
from training import Killed, column, dying, same

from sft.batches import table
from sft.data import IGNORED, Row
from sft.launch import launched
from sft.ordering import Paced, bands, check, hardness, weigh
from sft.schedule import Schedule
from tracegen.material import Order, Part, Weights
from tracegen.records import UsageError


def row(trained: int = 1, **facts: Any) -> Row:
    return Row("r", [0] * (trained + 1), [IGNORED] + [0] * trained, facts=facts)


def paced(ranks: list[float], pacing: Any, epochs: int, epoch: int, seed: int = 1) -> list[int]:
    sampler = Paced(ranks, Schedule("pacing", pacing), epochs=epochs, seed=seed)
    sampler.set_epoch(epoch)
    return list(sampler)


def test_pass_rate_is_taken_as_it_is_and_other_numbers_by_their_place() -> None:
    rows = [row(pass_rate=0.25), row(pass_rate=1.0), row()]
    assert hardness(rows, "pass_rate") == [0.75, 0.0, None]
    assert hardness([row(3), row(9), row(30)], "length") == [0.0, 0.5, 1.0]
    assert hardness([row(level=5), row(level=2), row(level=5), row(level="hard")], "level") == [0.75, 0.0, 0.75, None]


def test_what_no_row_has_is_refused() -> None:
    with pytest.raises(UsageError, match=r"no row has a level that is a number.*they can by length, pass_rate\."):
        hardness([row(pass_rate=0.5, domain="math"), row(level=True)], "level")


def test_weights_are_1_in_the_mean_of_the_trained_tokens() -> None:
    rows = [row(10, pass_rate=0.0), row(30, pass_rate=1.0), row(20, pass_rate=0.5), row(7)]
    found = weigh(rows, Weights(easy=0.5, hard=1.5))
    assert found[0] / found[1] == pytest.approx(3)
    assert found[2] / found[1] == pytest.approx(2)
    assert found[3] == 1.0
    tokens = [10, 30, 20, 7]
    assert sum(v * n for v, n in zip(found, tokens, strict=True)) == pytest.approx(sum(tokens))
    with pytest.raises(UsageError, match="gives every row the weight 0"):
        weigh([row(pass_rate=1.0)], Weights(easy=0, hard=1))


def test_easy_rows_come_first_and_each_row_comes_once() -> None:
    ranks = [n / 99 for n in range(100)]
    found = paced(ranks, {0: 0.1, 1: 1.0}, 1, 0)
    assert sorted(found) == list(range(100))
    assert all(index <= 10 + turn for turn, index in enumerate(found))
    assert found != list(range(100))
    assert paced(ranks, {0: 0.1, 1: 1.0}, 1, 0) == found
    assert paced(ranks, {0: 0.1, 1: 1.0}, 1, 0, seed=2) != found


def test_hard_rows_catch_up_once_they_are_open() -> None:
    ranks = [n / 49 for n in range(50)]
    epochs = [paced(ranks, {0: 0.2, 0.5: 1.0}, 4, epoch) for epoch in range(4)]
    assert all(len(epoch) == 50 for epoch in epochs)
    assert max(epochs[0]) < 35 < max(epochs[1])
    counts = Counter(index for epoch in epochs for index in epoch)
    assert len(counts) == 50
    assert sum(counts[index] for index in range(40, 50)) >= 3 * 10


def test_open_from_the_start_is_an_ordinary_epoch() -> None:
    first, second = (paced([0.5] * 20, 1.0, 2, epoch) for epoch in range(2))
    assert sorted(first) == sorted(second) == list(range(20))
    assert first != second


def test_rows_share_a_pack_with_rows_of_their_difficulty() -> None:
    rows = [row(1 + n) for n in range(40)]
    hard = hardness(rows, "length")
    whole, banded = table(rows, 60)["rows"], table(rows, 60, bands=bands(hard))["rows"]
    assert sorted(index for pack in banded for index in pack) == list(range(40))
    assert max(max(pack) - min(pack) for pack in banded) < 4 < max(max(pack) - min(pack) for pack in whole)
    assert all(sum(index + 2 for index in pack) <= 60 for pack in banded)


@pytest.mark.parametrize(
    ("order", "weights", "trainer", "said"),
    [
        (Order(pacing={0: 0, 1: 1}), None, {}, "each is above 0"),
        (Order(pacing={0: 0.5, 1: 1.5}), None, {}, "at most 1"),
        (Order(pacing={0: 0.5, 2: 1}), None, {}, "share of the steps"),
        (Order(), None, {"train_sampling_strategy": "random"}, "name one of them"),
        (None, Weights(), {"loss_type": "dft"}, "`trainer.loss_type` shapes TRL's own loss"),
    ],
)
def test_what_cannot_be(order: Any, weights: Any, trainer: Mapping[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        check(order, weights, trainer)


def test_weights_of_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="leaves nothing to learn"):
        Weights(easy=0, hard=0)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Twelve sums; the last six were solved by nobody, and say something else than the first."""
    path = tmp_path_factory.mktemp("corpus") / "corpus.jsonl"
    with path.open("w") as file:
        for n in range(12):
            chat = [{"role": "user", "content": f"{n}?"}, {"role": "assistant", "content": "ab"[n // 6] * 8}]
            file.write(json.dumps({"id": n, "messages": chat, "pass_rate": float(n < 6)}) + "\n")
    return str(path)


def fit(folder: Path, *given: Any, **options: Any) -> list[float]:
    """The losses of a training."""
    return column(training.fit(folder, *given, **options), "loss")


TIGHT = 1e-5


def test_equal_weights_change_nothing(tmp_path: Path, corpus: str, base: str) -> None:
    plain = fit(tmp_path / "plain", corpus, base)
    assert fit(tmp_path / "weighed", corpus, base, weights=Weights(easy=3, hard=3)) == pytest.approx(plain, rel=1e-5)
    same(tmp_path / "plain", tmp_path / "weighed", TIGHT)


def test_rows_of_no_weight_teach_nothing(tmp_path: Path, corpus: str, base: str) -> None:
    """A batch of all rows, six of weight 0 and so the others of weight 2: the step that these six alone give."""
    whole = {"per_device_train_batch_size": 12, "max_steps": 2}
    halved = fit(tmp_path / "weighed", corpus, base, weights=Weights(easy=0, hard=1), trainer=whole)
    hard = tmp_path / "hard.jsonl"
    hard.write_text("".join(Path(corpus).read_text().splitlines(keepends=True)[6:]))
    alone = fit(tmp_path / "alone", str(hard), base, trainer=whole | {"per_device_train_batch_size": 6})
    assert halved == pytest.approx(alone, rel=1e-5)
    same(tmp_path / "weighed", tmp_path / "alone", TIGHT)


def test_weights_count_in_a_distillation_too(tmp_path: Path, corpus: str, base: str, teacher: str) -> None:
    heavy = Weights(easy=0.5, hard=1.5)
    given = (corpus, base, {"big": teacher})
    plain = fit(tmp_path / "plain", corpus, base, weights=heavy)
    taught = fit(tmp_path / "taught", *given, weights=heavy, distill={"alpha": 1.0})
    assert taught == pytest.approx(plain, rel=1e-5)
    even = fit(tmp_path / "even", *given, distill={"alpha": 0.0})
    uneven = fit(tmp_path / "uneven", *given, weights=heavy, distill={"alpha": 0.0})
    assert uneven != pytest.approx(even, rel=1e-4)


def test_packing_and_accumulating_keep_each_weight_with_its_row(tmp_path: Path, corpus: str, base: str) -> None:
    given = {"weights": Weights(easy=0.5, hard=1.5)}
    once = {"per_device_train_batch_size": 12, "max_steps": 2}
    whole = fit(tmp_path / "whole", corpus, base, **given, trainer=once)
    packs = fit(tmp_path / "packs", corpus, base, **given, trainer=once | {"packing": True}, max_length=100)
    split = {"per_device_train_batch_size": 3, "gradient_accumulation_steps": 4, "max_steps": 2}
    parts = fit(tmp_path / "parts", corpus, base, **given, trainer=split)
    assert whole == pytest.approx(packs, rel=1e-5)
    assert whole == pytest.approx(parts, rel=1e-5)
    same(tmp_path / "whole", tmp_path / "packs", TIGHT)
    same(tmp_path / "whole", tmp_path / "parts", TIGHT)


def test_curriculum_reaches_the_trainer_and_is_resumed(tmp_path: Path, corpus: str, base: str) -> None:
    """With 2 rows a batch, the first 3 steps of the only epoch see the rows that all were solved."""
    easy = tmp_path / "easy.jsonl"
    easy.write_text("".join(Path(corpus).read_text().splitlines(keepends=True)[:6]))
    trainer = {"per_device_train_batch_size": 2, "max_steps": -1, "num_train_epochs": 1, "save_steps": 2}
    trainer |= {"save_strategy": "steps", "learning_rate": 0.0}
    order = Order(pacing={0: 0.5, 0.5: 1.0, "shape": "step"})
    losses = fit(tmp_path / "paced", corpus, base, order=order, trainer=trainer)
    alone = fit(tmp_path / "easy", str(easy), base, trainer=trainer)
    assert sum(losses[:3]) == pytest.approx(sum(alone), rel=1e-4)
    assert sum(losses[3:]) != pytest.approx(sum(alone), rel=1e-3)
    trainer["learning_rate"] = 5e-3
    through = fit(tmp_path / "through", corpus, base, order=order, trainer=trainer)
    with pytest.raises(Killed):
        fit(tmp_path / "killed", corpus, base, order=order, trainer=trainer, progress=dying(5))
    again = fit(tmp_path / "killed", corpus, base, order=order, trainer=trainer)
    assert again == pytest.approx(through, rel=1e-6)
    same(tmp_path / "through", tmp_path / "killed", tolerance=0)


@pytest.mark.soak
def test_two_processes_see_and_weigh_the_same_rows(
    tmp_path: Path, corpus: str, base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mixture, an order and weights at once; ten seconds, most of which two processes spend on importing torch."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    old = tmp_path / "old.jsonl"
    old.write_text("".join(Path(corpus).read_text().splitlines(keepends=True)[:3]))
    given: dict[str, Any] = {
        "data": {"own": Part(), "old": Part(corpus=str(old), weight=0.5)},
        "order": Order(),
        "weights": Weights(easy=0.5, hard=2),
    }
    trainer = {"max_steps": -1, "num_train_epochs": 2, "use_cpu": True}
    one = fit(tmp_path / "one", corpus, base, trainer=trainer, **given)
    launched(
        "torchrun --standalone --nproc-per-node 2",
        corpus=corpus,
        model=base,
        out=tmp_path / "two",
        work=tmp_path / "work",
        dtype="float32",
        trainer=training.STEPS | trainer | {"per_device_train_batch_size": 2},
        **given,
    )
    assert training.losses(tmp_path / "two") == pytest.approx(one, rel=1e-4)
    same(tmp_path / "one", tmp_path / "two", TIGHT)
