"""A student that is its own teacher: an earlier one, an average, one that knows more, deeper layers."""

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trl")

import small
import tiny
import torch
from pydantic import ValidationError
from training import column, fit, killed, same, weights

from sft.again import Source, again
from sft.collate import Flat, Padded
from sft.itself import Hinted, documents
from sft.mixture import rows as rendered
from sft.places import Places
from sft.views import View
from tracegen.records import UsageError
from tracegen.student import Distill

HINT = "It is {{ answer }}."


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory, corpus: str) -> tuple[str, str, dict[str, str]]:
    """Corpus, a student of four layers, and no other teacher."""
    return corpus, small.model(tmp_path_factory.mktemp("given"), num_hidden_layers=4), {}


def test_an_average_follows_the_student(tmp_path: Path, given: Any) -> None:
    frozen = fit(tmp_path / "frozen", given[0], given[1], {"before": given[1]}, distill={"alpha": 0.5})
    still = {"teachers": {"self": {"ema": 0.9999999}}, "alpha": 0.5}
    assert column(fit(tmp_path / "still", *given, distill=still), "loss") == pytest.approx(
        column(frozen, "loss"), rel=1e-5
    )
    at_once = fit(tmp_path / "at_once", *given, distill={"teachers": {"self": {"ema": 0.0}}, "alpha": 0.5})
    assert column(at_once, "forward_kl") == pytest.approx([0.0] * 4, abs=1e-6)
    half = fit(tmp_path / "half", *given, distill={"teachers": {"self": {"ema": 0.5}}, "alpha": 0.5})
    assert 1e-6 < column(half, "forward_kl")[-1] < column(frozen, "forward_kl")[-1]


def test_an_average_reads_as_far_as_the_student(tmp_path: Path, corpus: str) -> None:
    short = small.model(tmp_path / "short", max_position_embeddings=64, initializer_range=0.5)
    rope = {"rope_type": "linear", "factor": 4.0}
    log = fit(tmp_path / "out", corpus, short, {}, distill={"teachers": {"self": {"ema": 0.9}}}, rope=rope)
    assert log[0]["forward_kl"] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("lora", [None, {"r": 4, "alpha": 8}])
def test_an_average_survives_a_kill(tmp_path: Path, given: Any, lora: Any) -> None:
    distill = {"teachers": {"self": {"ema": 0.8}}, "alpha": 0.5}
    options: dict[str, Any] = {"distill": distill, "lora": lora, "trainer": {"learning_rate": 2e-2}}
    whole = fit(tmp_path / "whole", *given, **options)
    assert column(whole, "forward_kl")[-1] > 1e-7, "the student has left its average behind"
    broken = killed(tmp_path / "broken", *given, at=3, **options)
    assert column(broken, "forward_kl") == column(whole, "forward_kl")
    same(tmp_path / "whole", tmp_path / "broken", tolerance=0)


def test_a_hint_stands_before_the_prompt_and_the_trace_is_the_same(given: Any) -> None:
    words = tiny.tokenizer()
    rows, _ = rendered(given[0], words, max_length=500)
    others = again(rows, [Source(given[0])], words, hint=HINT)
    for n, (row, other) in enumerate(zip(rows, others, strict=True)):
        assert row.trained == other.trained
        text = words.decode(other.input_ids[: other.prompt])
        assert text == words.decode(row.input_ids[: row.prompt]).replace("user\n", f"user\nIt is {2 * n}.\n\n")


@pytest.mark.parametrize("collate", [Flat(), Padded(0)])
def test_places_of_a_hinted_teacher_are_the_students(given: Any, collate: Any) -> None:
    words = tiny.tokenizer()
    rows, _ = rendered(given[0], words, max_length=500)
    others = again(rows, [Source(given[0])], words, hint=HINT)
    picked = [5, 2, 2, 7]
    lengths = [len(rows[n].input_ids) for n in picked]
    ids, labels = ([token for n in picked for token in getattr(rows[n], name)] for name in ("input_ids", "labels"))
    inputs = collate([{"rows": picked, "lengths": lengths, "input_ids": ids, "labels": labels}])
    places = Places.of(inputs)
    assert documents(places) == picked
    seen: list[Any] = []

    def teacher(batch: Any, theirs: Places) -> Any:
        seen.append((batch, theirs))
        return lambda chosen: View()

    Hinted(teacher, rows, others, collate)(inputs, places)
    batch, theirs = seen[0]
    assert theirs.labels.tolist() == places.labels.tolist()
    assert theirs.documents.tolist() == places.documents.tolist()
    assert batch["input_ids"].numel() > inputs["input_ids"].numel()


def test_who_knows_the_answer_teaches_something_else(tmp_path: Path, given: Any) -> None:
    plain = fit(tmp_path / "plain", *given, distill={"teachers": {"self": {"hint": " "}}, "alpha": 0.0})
    hinted = fit(tmp_path / "hinted", *given, distill={"teachers": {"self": {"hint": HINT, "ema": 0.9}}, "alpha": 0.0})
    assert column(hinted, "forward_kl")[0] != pytest.approx(column(plain, "forward_kl")[0], rel=1e-3)
    assert column(hinted, "forward_kl")[0] > 0


def test_deeper_layers_teach_shallow_ones(tmp_path: Path, given: Any) -> None:
    teachers = {"self": {"deeper": True}}
    losses = {"hidden": {"layers": {1: 3}, "weight": 100}, "attention": {"layers": {2: 4}, "window": 32}}
    trainer = {"max_steps": 12}
    distill = {"teachers": teachers, "losses": losses, "alpha": 0.5}
    log = fit(tmp_path / "out", *given, distill=distill, trainer=trainer)
    control = fit(tmp_path / "control", *given, distill=distill | {"alpha": 1.0}, trainer=trainer)
    assert log[0]["hidden"] == control[0]["hidden"]
    assert log[-1]["hidden"] < 0.7 * control[-1]["hidden"]
    assert weights(tmp_path / "out").keys() == weights(given[1]).keys()
    # The teacher's side has no gradient: with the layers' distance alone, what lies above the shallow one stands still.
    alone = {"teachers": teachers, "losses": {"hidden": {"layers": {1: 3}}}, "alpha": 0.0}
    fit(tmp_path / "alone", *given, distill=alone, trainer={"max_steps": 1, "weight_decay": 0.0})
    before, after = weights(given[1]), weights(tmp_path / "alone")
    moved = {name.split(".")[2] for name in before if ".layers." in name and not torch.equal(before[name], after[name])}
    assert moved == {"0"}


@pytest.mark.parametrize(
    ("distill", "said"),
    [
        ({"teachers": {"self": {"deeper": True}}}, "'forward_kl' has nothing to compare"),
        ({"teachers": {"self": {"deeper": True}}, "losses": {"hidden": {}}}, "would learn from itself"),
        ({"teachers": {"self": {"hint": "{{ answer"}}}, "is no template"),
        ({"teachers": {"self": {"hint": "{{ solution }}"}}}, "cannot be filled in"),
        ({"teachers": {"self": {"hint": "x" * 600}}}, "reads at most 512 tokens"),
    ],
)
def test_what_cannot_be(tmp_path: Path, given: Any, distill: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        fit(tmp_path / "out", *given, distill=distill)


@pytest.mark.parametrize(
    "guide",
    [
        {"ema": 0.9, "model": "x"},
        {"ema": 0.9, "dtype": "bfloat16"},
        {"deeper": True, "hint": "x"},
        {"hint": "x", "store": 8},
        {"model": "x", "store": 8, "dtype": "bfloat16"},
    ],
)
def test_guides_that_contradict_themselves(guide: Any) -> None:
    with pytest.raises(ValidationError, match="leave"):
        Distill.model_validate({"teachers": {"self": guide}})
