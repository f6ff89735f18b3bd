"""What brings losses to one scale, and the values that move over a training."""

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trl")

import torch
from torch import Tensor
from training import column, fit, killed, same

from sft.balance import MOST, Balance
from sft.temperature import by_confidence, confidence
from sft.views import Top, View

TWO = {"forward_kl": {}, "hidden": {"weight": 0.5}}


@pytest.fixture
def given(corpus: str, base: str, teacher: str) -> tuple[str, str, dict[str, str]]:
    return corpus, base, {"big": teacher}


def test_ratio_brings_losses_to_the_cross_entropy() -> None:
    balance = Balance(["a", "b"], "ratio")
    assert balance.factors() == {}
    balance.stepped({"cross_entropy": 2.0, "a": 0.5, "b": 1e-9})
    assert balance.factors() == {"a": pytest.approx(4.0), "b": MOST}
    balance.stepped({"cross_entropy": 1.0, "a": 1.5, "b": 1e-9})
    assert balance.factors()["a"] == pytest.approx((0.9 * 2 + 0.1 * 1) / (0.9 * 0.5 + 0.1 * 1.5))


def test_learned_factors_settle_where_the_uncertainty_is_least() -> None:
    """exp(-s) L + s is least at s = log L."""
    balance = Balance(["large", "small"], "uncertainty")
    for _ in range(200):
        balance.stepped({"cross_entropy": 1.0, "large": 20.0, "small": 0.05})
    assert balance.factors() == {"large": pytest.approx(1 / 20, rel=1e-3), "small": pytest.approx(20, rel=1e-3)}
    restored = Balance(["large", "small"], "uncertainty")
    restored.load_state_dict(balance.state_dict())
    assert restored.factors() == balance.factors()


@pytest.mark.parametrize("kind", ["ratio", "uncertainty"])
def test_neither_logging_nor_accumulation_nor_a_kill_changes_a_balance(tmp_path: Path, given: Any, kind: str) -> None:
    distill = {"losses": TWO, "balance": kind}
    whole = fit(tmp_path / "whole", *given, distill=distill, trainer={"per_device_train_batch_size": 6})
    assert column(whole, "balance_hidden")[0] != column(whole, "balance_hidden")[-1]
    assert column(whole, "balance_hidden")[-1] != 1
    parts = {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 3}
    split = fit(tmp_path / "split", *given, distill=distill, trainer=parts | {"logging_steps": 2})
    assert column(split, "balance_hidden") == pytest.approx(column(whole, "balance_hidden")[1::2], rel=1e-5)
    same(tmp_path / "whole", tmp_path / "split")
    broken = killed(tmp_path / "broken", *given, at=3, distill=distill, trainer={"per_device_train_batch_size": 6})
    assert column(broken, "balance_forward_kl") == column(whole, "balance_forward_kl")
    same(tmp_path / "whole", tmp_path / "broken", tolerance=0)


def test_an_adapter_learns_projections_and_a_kill_does_not_lose_them(tmp_path: Path, given: Any) -> None:
    distill = {"losses": {"hidden": {}}, "alpha": 0.0, "balance": "ratio"}
    lora = {"r": 4, "alpha": 8}
    whole = fit(tmp_path / "whole", *given, distill=distill, lora=lora)
    broken = killed(tmp_path / "broken", *given, at=3, distill=distill, lora=lora)
    assert column(broken, "hidden") == column(whole, "hidden")
    same(tmp_path / "whole", tmp_path / "broken", tolerance=0)


def test_stages_are_schedules(tmp_path: Path, given: Any) -> None:
    """The cross-entropy alone, then distributions, then layers, then the cross-entropy again."""
    distill = {
        "alpha": {0: 1.0, 0.25: 0.5, 0.75: 1.0, "shape": "step"},
        "losses": {"forward_kl": {}, "hidden": {"weight": {0: 0.0, 0.5: 2.0, "shape": "step"}}},
    }
    log = fit(tmp_path / "out", *given, distill=distill, trainer={"max_steps": 8})
    weights = [(1.0, 0.0), (1.0, 0.0), (0.5, 0.0), (0.5, 0.0), (0.5, 2.0), (0.5, 2.0), (1.0, 2.0), (1.0, 2.0)]
    for line, (alpha, weight) in zip(log, weights, strict=True):
        due = alpha * line["cross_entropy"] + (1 - alpha) * (line["forward_kl"] + weight * line["hidden"])
        assert line["loss"] == pytest.approx(due, rel=1e-4)
    assert (log[0]["alpha"], log[2]["alpha"], log[4]["weight_hidden"]) == (1.0, 0.5, 2.0)


def test_the_temperature_follows_how_sure_the_teacher_is(tmp_path: Path, given: Any) -> None:
    scores = torch.randn(5, 9, generator=torch.Generator().manual_seed(0)) * 3
    sure: Tensor = torch.softmax(scores, -1).amax(-1)
    torch.testing.assert_close(confidence(View(scores)), sure)
    top = torch.log_softmax(scores, -1).topk(3, -1)
    torch.testing.assert_close(confidence(View(top=Top(top.indices, top.values))), sure)
    torch.testing.assert_close(by_confidence(1.0, 4.0)(0.0, View(scores)), 1 + 3 * sure)
    heat = {"by": "confidence", "low": 2.0, "high": 5.0}
    log = fit(tmp_path / "out", *given, distill={"temperature": heat}, trainer={"max_steps": 1})
    assert 2.0 < log[0]["temperature"] < 2.5, "a model that was never trained is sure of nothing"
