"""Watched attention is what eager attention returns; packed or alone, a document is the same."""

from pathlib import Path

import pytest

pytest.importorskip("transformers")

import small
import torch
from transformers import AutoModelForCausalLM

from sft.collate import Flat, Padded
from sft.heads import open_head
from sft.places import Places, model_inputs
from sft.watching import watch

KINDS = [("Llama", {}), ("Llama", {"num_key_value_heads": 1}), ("Qwen3", {})]
HEADS = [*KINDS, ("Gemma2", {"final_logit_softcapping": 5.0}), ("Cohere", {"logit_scale": 0.25}), ("Mamba", {})]
ROWS = [
    {"rows": [0], "lengths": [5], "input_ids": [1, 2, 3, 4, 5], "labels": [-100, -100, 3, 4, 5]},
    {"rows": [1, 2], "lengths": [4, 3], "input_ids": [9, 8, 7, 6, 1, 1, 2], "labels": [-100, 8, 7, 6, -100, 1, 2]},
]


@pytest.mark.parametrize(("kind", "changed"), KINDS)
def test_watched_is_eager(tmp_path: Path, kind: str, changed: dict[str, int]) -> None:
    folder = small.model(tmp_path / "model", kind, **changed)
    batch = Padded(0)(ROWS)
    places = Places.of(batch)
    eager = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager")
    due = eager(**model_inputs(batch), output_attentions=True).attentions
    model = AutoModelForCausalLM.from_pretrained(folder)
    flat = Flat()(ROWS)
    for inputs in (batch, flat):
        at = Places.of(inputs)
        watched = watch(model, [1, 2])
        watched.look(at.batch, at.index, at.starts, window=6)
        logits = model(**model_inputs(inputs), use_cache=False).logits
        alone = eager(**model_inputs(batch)).logits
        torch.testing.assert_close(at.pick(logits), places.pick(alone), atol=1e-5, rtol=1e-5)
        for layer in (1, 2):
            found = watched.seen(layer).exp()
            for n, (row, query) in enumerate(zip(places.batch, places.index, strict=True)):
                whole = due[layer - 1][row, :, query, : query + 1]
                torch.testing.assert_close(found[n, :, -whole.shape[-1] :], whole, atol=1e-6, rtol=1e-4)
                assert (found[n, :, : -whole.shape[-1]] == 0).all()


def test_a_short_window_sums_to_one_over_itself(tmp_path: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(small.model(tmp_path / "model"))
    batch = Flat()(ROWS)
    places = Places.of(batch)
    watched = watch(model, [2])
    watched.look(places.batch, places.index, places.starts, window=2)
    model(**model_inputs(batch))
    assert watched.seen(2).shape == (len(places), 2, 2)
    torch.testing.assert_close(watched.seen(2).exp().sum(-1), torch.ones(len(places), 2))


@pytest.mark.parametrize(("kind", "changed"), [*HEADS, ("Granite", {"logits_scaling": 4.0})])
def test_an_opened_head_gives_the_models_own_logits(tmp_path: Path, kind: str, changed: dict[str, float]) -> None:
    model = AutoModelForCausalLM.from_pretrained(small.model(tmp_path / "model", kind, **changed)).eval()
    inputs = model_inputs(Padded(0)(ROWS))
    due = model(**inputs).logits
    open_head(model)
    found = model(**inputs, measure=lambda states, head: head(states.last_hidden_state))
    torch.testing.assert_close(found, due)
    torch.testing.assert_close(model(**inputs).logits, due)
