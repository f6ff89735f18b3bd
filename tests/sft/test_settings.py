"""Settings that cannot be are refused before anything is trained, in a sentence that says what is allowed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trl")

import torch
from training import trained

from sft.settings import check
from tracegen.checked import checked
from tracegen.records import UsageError
from tracegen.refusals import check_training
from tracegen.student import Student


@pytest.mark.parametrize(
    ("trainer", "said"),
    [
        ({"learning_rat": 1}, r"SFTConfig has no option 'learning_rat'; the closest are learning_rate"),
        ({"warmup_ratio": 0.1}, "use warmup_steps"),
        ({"output_dir": "x"}, "`trainer.output_dir` cannot be set"),
        ({"max_length": 5}, r"set `student.max_length`"),
        ({"learning_rate": "fast"}, r"`trainer.learning_rate` is 'fast'; input should be a valid number"),
        ({"lr_scheduler_type": "wavy"}, "TRL refuses"),
        ({"report_to": "paper"}, "names 'paper'; it takes none, or some of trackio, wandb, tensorboard"),
    ],
)
def test_trainer_settings_that_cannot_be(
    base: str, corpus: str, tmp_path: Path, trainer: Mapping[str, Any], said: str
) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        trained(tmp_path / "out", corpus, base, trainer=trainer)
    assert "\n" not in str(caught.value)


def test_numbers_that_yaml_reads_as_text_are_numbers() -> None:
    assert check({"learning_rate": "5e-5", "num_train_epochs": 2}) == {"learning_rate": 5e-5, "num_train_epochs": 2.0}


def test_tracker_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sft.settings.find_spec", lambda name: None)
    with pytest.raises(UsageError, match="names wandb, which is not installed; get it: pip install wandb"):
        check({"report_to": ["wandb"]})
    assert check({"report_to": "none"}) == {"report_to": "none"}


def test_trainer_settings_are_those_of_the_method_before_a_run_begins() -> None:
    given = {"model": "m", "distill": {"teachers": {"big": {"model": "b"}}}, "trainer": {"beta": 1.0}}
    check_training(Student.model_validate(given | {"method": "on_policy"}))
    with pytest.raises(UsageError, match="SFTConfig has no option 'beta'"):
        check_training(Student.model_validate(given | {"method": "distill"}))


@pytest.mark.parametrize("field", [{"dtype": "fp8"}, {"distill": {"teachers": {"big": {"dtype": "fp8"}}}}])
def test_a_precision_that_there_is_not(field: Any) -> None:
    with pytest.raises(UsageError, match="dtype: input should be 'auto', 'float32', 'bfloat16' or 'float16'"):
        checked(Student, {"model": "m", "method": "distill"} | field)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"method": "dpo"}, "the methods are sft, distill"),
        ({"dtype": "int8"}, "must be auto, float32"),
        ({"lora": {"rank": 8}}, "no field 'rank'"),
        ({"rope": {"rope_type": "wide"}}, "must be one of default"),
        ({"rope": {"rope_type": "yarn"}}, "refuses `student.rope`"),
        ({"model": "./gone"}, "could not be loaded"),
        ({"attention": "flash_attention_3"}, "could not be loaded .*FlashAttention3"),
    ],
)
def test_options_that_cannot_be(base: str, corpus: str, tmp_path: Path, options: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        trained(tmp_path / "out", corpus, options.pop("model", base), **options)


def test_quantized_base_without_what_it_needs(base: str, corpus: str, tmp_path: Path) -> None:
    said = "on an accelerator" if not torch.accelerator.is_available() else "pip install bitsandbytes"
    with pytest.raises(UsageError, match=said):
        trained(tmp_path / "out", corpus, base, lora={"r": 4, "bits": 4})
