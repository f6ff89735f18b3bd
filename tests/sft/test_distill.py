"""Distillation on tiny models: what it equals, what it must not depend on, and that it learns."""

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trl")

import small
import tiny
import training
from training import Log, column, same, weights

from tracegen import registry
from tracegen.records import UsageError

TIGHT = 1e-5


def fit(tmp_path: Path, name: str, corpus: str, base: str, teacher: str | None, **given: Any) -> Log:
    """The log of a training, of a distillation where there is a teacher."""
    return training.fit(tmp_path / name, corpus, base, teacher and {"big": teacher}, **given)


def test_all_weight_on_the_cross_entropy_is_sft(tmp_path: Path, corpus: str, base: str, teacher: str) -> None:
    plain = fit(tmp_path, "plain", corpus, base, None)
    taught = fit(tmp_path, "taught", corpus, base, teacher, distill={"alpha": 1.0})
    assert column(plain, "loss") == pytest.approx(column(taught, "loss"), rel=1e-5)
    same(tmp_path / "plain", tmp_path / "taught", TIGHT)


ALL = {"forward_kl": {}, "hidden": {"weight": 0.5}, "attention": {"weight": 0.2, "layers": "uniform", "window": 64}}


def test_accumulating_and_packing_change_nothing(tmp_path: Path, corpus: str, base: str, teacher: str) -> None:
    distill = {"losses": ALL, "alpha": 0.3, "temperature": 2.0}
    # Adam takes a step of one size whatever the gradient, so it would show where rounding turned a sign.
    trainer: dict[str, Any] = {"optim": "sgd", "learning_rate": 0.5}
    trainer |= {"train_sampling_strategy": "sequential", "max_steps": 2, "per_device_train_batch_size": 12}
    whole = fit(tmp_path, "whole", corpus, base, teacher, distill=distill, trainer=trainer)
    split = trainer | {"per_device_train_batch_size": 3, "gradient_accumulation_steps": 4}
    parts = fit(tmp_path, "parts", corpus, base, teacher, distill=distill, trainer=split)
    packed = trainer | {"packing": True}
    packs = fit(tmp_path, "packs", corpus, base, teacher, distill=distill, trainer=packed)
    assert column(whole, "loss") == pytest.approx(column(parts, "loss"), rel=1e-5)
    assert column(whole, "loss") == pytest.approx(column(packs, "loss"), rel=1e-5)
    same(tmp_path / "whole", tmp_path / "parts", TIGHT)
    same(tmp_path / "whole", tmp_path / "packs", TIGHT)


def test_chunks_of_the_vocabulary_are_the_whole(
    tmp_path: Path, corpus: str, base: str, teacher: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = fit(tmp_path, "whole", corpus, base, teacher, distill={"losses": ALL})
    monkeypatch.setattr("sft.objective.CHUNK", 20 * 259)
    monkeypatch.setattr("sft.objective.Objective.__init__.__kwdefaults__", {"mix": None, "chunk": 20 * 259})
    chunks = fit(tmp_path, "chunks", corpus, base, teacher, distill={"losses": ALL})
    assert column(whole, "loss") == pytest.approx(column(chunks, "loss"), rel=1e-5)
    same(tmp_path / "whole", tmp_path / "chunks", TIGHT)


@pytest.mark.parametrize("loss", [name for name in registry.names("loss") if name != "cross_entropy"])
def test_each_loss_goes_down(tmp_path: Path, corpus: str, base: str, teacher: str, loss: str) -> None:
    trainer = {"max_steps": 12, "per_device_train_batch_size": 12}
    distill = {"losses": {loss: {}}, "alpha": 0.0, "align": "spans" if loss == "uld" else "tokens"}
    log = fit(tmp_path, "out", corpus, base, teacher, distill=distill, trainer=trainer)
    assert log[-1][loss] < 0.9 * log[0][loss]


def test_a_student_that_is_the_teacher_has_nothing_to_learn(tmp_path: Path, corpus: str, base: str) -> None:
    log = fit(tmp_path, "out", corpus, base, base, distill={"losses": ALL, "alpha": 0.0}, trainer={"max_steps": 1})
    assert log[0]["forward_kl"] == pytest.approx(0, abs=1e-6)
    assert log[0]["hidden"] == pytest.approx(0, abs=1e-10)
    assert log[0]["attention"] == pytest.approx(0, abs=1e-6)


def test_a_student_with_a_state_learns_from_a_transformer(tmp_path: Path, corpus: str, teacher: str) -> None:
    base = small.model(tmp_path / "mamba", "Mamba")
    log = fit(tmp_path, "out", corpus, base, teacher, distill={"alpha": 0.0}, trainer={"max_steps": 10})
    assert log[-1]["forward_kl"] < 0.95 * log[0]["forward_kl"]


@pytest.mark.parametrize("kind", ["Lfm2", "Bloom", "Mamba"])
@pytest.mark.parametrize("role", ["student", "teacher"])
def test_no_architecture_sees_the_other_documents_of_a_batch(
    tmp_path: Path, corpus: str, base: str, kind: str, role: str
) -> None:
    """Convolutions and states take no notice of position ids, and some models take none at all."""
    shape = {"initializer_range": 0.5} | ({"layer_types": ["conv", "full_attention"]} if kind == "Lfm2" else {})
    other = small.model(tmp_path / kind, kind, seed=3, **shape)
    models = (other, None) if role == "student" else (base, other)
    batches = [{"per_device_train_batch_size": size, "gradient_accumulation_steps": 4 // size} for size in (4, 1)]
    one, alone = (
        fit(tmp_path, str(number), corpus, *models, trainer={"max_steps": 1, **batch})[0]
        for number, batch in enumerate(batches)
    )
    for name in {"loss", "grad_norm", "forward_kl"} & one.keys():
        assert one[name] == pytest.approx(alone[name], rel=1e-4)


def test_what_hung_on_the_student_is_not_saved(tmp_path: Path, corpus: str, base: str, teacher: str) -> None:
    fit(tmp_path, "out", corpus, base, teacher, distill={"losses": ALL, "balance": "uncertainty"})
    assert weights(tmp_path / "out").keys() == weights(base).keys()


def test_another_tokenizer_is_refused(tmp_path: Path, corpus: str, base: str) -> None:
    other = Path(small.model(tmp_path / "other"))
    file = json.loads((other / "tokenizer.json").read_text())
    file["model"]["merges"] = [["a", "n"]]
    file["model"]["vocab"]["an"] = 600
    (other / "tokenizer.json").write_text(json.dumps(file))
    with pytest.raises(UsageError, match="cuts text into other tokens"):
        fit(tmp_path, "out", corpus, base, str(other))


@pytest.mark.parametrize("renumbered", [False, True])
def test_a_token_that_the_teacher_does_not_know_is_refused(tmp_path: Path, teacher: str, renumbered: bool) -> None:
    """It stands behind the rows that show whether both cut alike; a head may have a row of its number all the same."""
    words = tiny.tokenizer()
    words.add_tokens(["<|more|>"])
    base = small.model(tmp_path / "base", vocab_size=len(words))
    words.save_pretrained(base)
    if renumbered:
        teacher = small.model(tmp_path / "teacher")
        file = json.loads((Path(teacher) / "tokenizer.json").read_text())
        vocabulary = file["model"]["vocab"]
        vocabulary["0"], vocabulary["1"] = vocabulary["1"], vocabulary["0"]
        (Path(teacher) / "tokenizer.json").write_text(json.dumps(file))
    rows = Path(small.corpus(tmp_path / "corpus.jsonl", rows=60)).read_text().splitlines()
    rows[-1] = rows[-1].replace("and nothing more", "<|more|>")
    (tmp_path / "corpus.jsonl").write_text("\n".join(rows))
    with pytest.raises(UsageError, match=r"1 rows \(such as row-59\) have tokens that the teacher big does not know"):
        fit(tmp_path, "out", str(tmp_path / "corpus.jsonl"), base, teacher)


def test_a_teacher_that_cannot_read_the_rows_is_refused(tmp_path: Path, corpus: str, base: str) -> None:
    short = small.model(tmp_path / "short", max_position_embeddings=64)
    with pytest.raises(UsageError, match="the teacher big reads at most 64 tokens"):
        fit(tmp_path, "out", corpus, base, short)


@pytest.mark.parametrize(
    ("distill", "said"),
    [
        ({"alpha": 1.5}, "lie in 0 to 1"),
        ({"temperature": 0}, "must be positive"),
        ({"temperature": {0: 1, 2: 3}}, "share of the steps"),
        ({"losses": {"forward_kl": {"beta": 1}}}, "has no option 'beta'"),
        ({"losses": {"kl": {}}}, "there is no loss 'kl'"),
        ({"losses": {"cross_entropy": {}}}, "is `distill.alpha`"),
        ({"losses": {"hidden": {"layers": {9: 1}}}}, "layer 9 of the student"),
        ({"losses": {}}, "names no loss"),
        ({"losses": {"jsd": {"weight": {0: 1, 1: -0.5}}}}, "weight` is -0.5"),
        ({"losses": {"hidden": {}}, "temperature": 2.0}, "no loss compares them"),
        ({"several": {"conflict": 0.5}}, "there is one"),
        ({"missing": "skip"}, "teachers that are stored"),
    ],
)
def test_what_cannot_be(
    tmp_path: Path, corpus: str, base: str, teacher: str, distill: dict[str, Any], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        fit(tmp_path, "out", corpus, base, teacher, distill=distill)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"trainer": {"loss_type": "dft"}}, "`trainer.loss_type` shapes TRL's own loss, which `method: distill`"),
        ({"trainer": {"label_smoothing_factor": 0.1}}, "`trainer.label_smoothing_factor` shapes"),
        ({"distill": {"losses": {"attention": {}}}, "attention": "eager"}, "runs on eager"),
    ],
)
def test_options_that_the_distillation_would_not_heed(
    tmp_path: Path, corpus: str, base: str, teacher: str, options: Any, said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        fit(tmp_path, "out", corpus, base, teacher, **options)
