"""Attention document by document: the numbers of sdpa with its mask, in outputs, losses and gradients."""

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trl")

import small
import torch
from transformers import AutoModelForCausalLM

from sft import attention
from sft.attention import by_document
from sft.collate import Flat

ROWS = [[5, 6, 7, 8, 9, 10, 11], [12], [13, 14, 15], [16, 17, 18, 19, 20]]
CPU = torch.device("cpu")


def model(folder: Path, **changed: Any) -> Any:
    kind = changed.pop("kind", "Llama")
    return AutoModelForCausalLM.from_pretrained(small.model(folder, kind, **changed), dtype=torch.float32)


def flat() -> dict[str, torch.Tensor]:
    examples = [
        {"input_ids": row, "labels": row, "rows": [number], "lengths": [len(row)]} for number, row in enumerate(ROWS)
    ]
    batch = Flat()(examples)
    return {name: batch[name] for name in ("input_ids", "position_ids", "labels")}


def gradients(made: Any, batches: list[dict[str, torch.Tensor]]) -> tuple[float, dict[str, torch.Tensor]]:
    """Of the loss summed over all trained tokens of the batches."""
    made.zero_grad()
    total = 0.0
    for batch in batches:
        said = made(**{name: tensor for name, tensor in batch.items() if name != "labels"}, use_cache=False).logits
        labels = batch["labels"][0, 1:]
        loss = torch.nn.functional.cross_entropy(said[0, :-1], labels, reduction="sum", ignore_index=-100)
        loss.backward()
        total += loss.item()
    return total, {name: weight.grad.clone() for name, weight in made.named_parameters() if weight.grad is not None}


@pytest.mark.parametrize("changed", [{}, {"num_key_value_heads": 1}, {"kind": "Qwen2"}, {"kind": "Qwen3"}])
def test_packed_rows_have_the_loss_and_the_gradients_of_each_alone(tmp_path: Path, changed: dict[str, Any]) -> None:
    made = model(tmp_path, **changed)
    alone = [{"input_ids": torch.tensor([row]), "labels": torch.tensor([row])} for row in ROWS if len(row) > 1]
    each = gradients(made, alone)
    masked = gradients(made, [flat()])
    by_document(made, CPU)
    assert made.config._attn_implementation == attention.NAME
    ours = gradients(made, [flat()])
    for total, found in (masked, ours):
        assert total == pytest.approx(each[0], rel=1e-5)
        assert found.keys() == each[1].keys()
        for name, tensor in found.items():
            torch.testing.assert_close(tensor, each[1][name], atol=1e-5, rtol=1e-4)


def test_padded_batches_and_generation_are_as_ever(tmp_path: Path) -> None:
    made = model(tmp_path)
    padded = {"input_ids": torch.tensor([[0, 0, 5, 6], [7, 8, 9, 10]])}
    padded["attention_mask"] = torch.tensor([[0, 0, 1, 1], [1, 1, 1, 1]])
    before = made.generate(**padded, max_new_tokens=6, do_sample=False)
    scores = made(**padded).logits[padded["attention_mask"] == 1]
    by_document(made, CPU)
    assert torch.equal(before, made.generate(**padded, max_new_tokens=6, do_sample=False))
    torch.testing.assert_close(scores, made(**padded).logits[padded["attention_mask"] == 1])


def test_windows_keep_their_mask(tmp_path: Path) -> None:
    made = model(tmp_path, kind="Mistral", sliding_window=3)
    before = made(**flat()).logits
    by_document(made, CPU)
    assert made.config._attn_implementation == "sdpa"
    torch.testing.assert_close(before, made(**flat()).logits)


def test_a_layer_that_is_not_told_where_documents_begin_keeps_its_mask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = model(tmp_path)
    told = attention.attend

    def untold(*args: Any, **kwargs: Any) -> Any:
        return told(*args, **{name: value for name, value in kwargs.items() if name != "position_ids"})

    monkeypatch.setattr(attention, "attend", untold)
    by_document(made, CPU)
    assert made.config._attn_implementation == "sdpa"
