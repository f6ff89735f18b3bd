"""On-policy distillation: TRL's trainer on our prompts, resumed exactly, refused where vocabularies differ."""

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trl")

import small
import tiny
import torch
import training
from training import Log, column, killed, same, weights
from transformers import AutoModelForCausalLM, AutoTokenizer

from sft.mixture import rows as rendered
from sft.on_policy import InTurn, OnPolicy
from tracegen.records import UsageError

SHORT = {"max_completion_length": 12}


@pytest.fixture
def given(corpus: str, base: str, teacher: str) -> tuple[str, str, dict[str, str]]:
    return corpus, base, {"big": teacher}


def fit(folder: Path, *given: Any, **options: Any) -> Log:
    """The log of an on-policy distillation."""
    options["trainer"] = SHORT | options.get("trainer", {})
    return training.fit(folder, *given, method="on_policy", **options)


def test_the_student_comes_closer_to_its_teacher_on_what_it_writes(
    tmp_path: Path, given: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[int]] = []
    generate = OnPolicy._generate_single_turn

    def watching(self: Any, prompt_ids: Any, *rest: Any) -> Any:
        seen.extend(prompt_ids)
        return generate(self, prompt_ids, *rest)

    monkeypatch.setattr(OnPolicy, "_generate_single_turn", watching)
    log = fit(tmp_path / "out", *given, trainer={"max_steps": 15, "per_device_train_batch_size": 12, "beta": 0.5})
    assert log[-1]["loss"] < 0.8 * log[0]["loss"]
    prompts = {tuple(row.input_ids[: row.prompt]) for row in rendered(given[0], tiny.tokenizer(), max_length=500)[0]}
    assert {tuple(ids) for ids in seen} == prompts, "as sft/data.py renders them, and nothing else"
    assert [line["step"] for line in log] == list(range(1, 16))
    assert {"entropy", "completions/mean_length", "tokens", "seconds"} <= log[0].keys()
    assert "on-policy" in (tmp_path / "out" / "README.md").read_text()
    AutoModelForCausalLM.from_pretrained(tmp_path / "out")


def test_a_killed_training_ends_as_if_it_had_not_been(tmp_path: Path, given: Any) -> None:
    options = {"trainer": {"gradient_accumulation_steps": 2, "per_device_train_batch_size": 4, "max_steps": 5}}
    whole = fit(tmp_path / "whole", *given, **options)
    options["trainer"] |= SHORT
    broken = killed(tmp_path / "broken", *given, at=4, method="on_policy", **options)
    assert column(broken, "loss") == column(whole, "loss")
    assert column(broken, "tokens") == column(whole, "tokens")
    same(tmp_path / "whole", tmp_path / "broken", tolerance=0)


def test_prompts_are_drawn_by_seed_and_epoch_and_none_is_dropped() -> None:
    drawn = InTurn(5, 4, 2, seed=1)
    first = list(drawn)
    assert len(first) == len(drawn) == 16
    assert first[:4] == first[4:8]
    assert set(first) == set(range(5))
    drawn.set_epoch(1)
    assert list(drawn) != first
    again = InTurn(5, 4, 2, seed=1)
    again.set_epoch(1)
    assert list(again) == list(drawn)


def test_a_head_with_rows_for_no_token_is_cut_to_the_students(tmp_path: Path, given: Any) -> None:
    wide = small.model(tmp_path / "wide", seed=1, vocab_size=300)
    log = fit(tmp_path / "out", given[0], given[1], {"big": wide}, trainer={"max_steps": 1})
    assert log[0]["loss"] > 0
    with pytest.raises(UsageError, match="fewer rows than the student's 300"):
        fit(tmp_path / "other", given[0], wide, {"big": given[1]})


def test_another_vocabulary_is_refused(tmp_path: Path, given: Any) -> None:
    other = Path(small.model(tmp_path / "other"))
    words = json.loads((other / "tokenizer.json").read_text())
    vocabulary = words["model"]["vocab"]
    vocabulary["a"], vocabulary["b"] = vocabulary["b"], vocabulary["a"]
    (other / "tokenizer.json").write_text(json.dumps(words))
    assert AutoTokenizer.from_pretrained(other).convert_tokens_to_ids("a") == tiny.tokenizer().convert_tokens_to_ids(
        "b"
    )
    with pytest.raises(UsageError, match="numbers its tokens otherwise"):
        fit(tmp_path / "out", given[0], given[1], {"big": str(other)})


def test_an_adapter_learns_too(tmp_path: Path, given: Any) -> None:
    fit(tmp_path / "out", *given, lora={"r": 4, "alpha": 8}, trainer={"max_steps": 2})
    before, after = weights(given[1]), weights(tmp_path / "out")
    assert {name for name in before if not torch.equal(before[name], after[name])} == {n for n in before if "proj" in n}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"distill": {"alpha": 0.3}}, "`distill.alpha` has no part"),
        ({"distill": {"teachers": {"big": {"ema": 0.9}}}}, "`distill.teachers.big.ema` has no part"),
        ({"trainer": {"packing": True}}, "DistillationConfig has no option 'packing'"),
        ({"trainer": {"teacher_model_name_or_path": "x"}}, "name the teacher in `student.distill.teachers`"),
        ({"trainer": {"beta": "much"}}, "`trainer.beta` is 'much'"),
    ],
)
def test_what_cannot_be(tmp_path: Path, given: Any, options: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        fit(tmp_path / "out", *given, **options)
