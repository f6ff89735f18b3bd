"""Training on a tiny model: everything moves, accumulation is neutral, the folder of the student is complete."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trl")

import small
import torch
import trl.trainer.utils
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from training import column, log, losses, trained, weights
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from sft.batches import ByLength
from sft.train import train
from tracegen.records import TracegenError, UsageError

TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
FAST = {"learning_rate": 5e-3, "num_train_epochs": 2, "per_device_train_batch_size": 4, "report_to": "none"}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model folder: two layers of width 32, a byte-level tokenizer, a template in the style of ChatML."""
    folder = tmp_path_factory.mktemp("base")
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    core.train_from_iterator(
        ["user assistant think"],
        trainers.BpeTrainer(
            vocab_size=300,
            special_tokens=["<|eos|>", "<|im_start|>", "<|im_end|>"],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<|eos|>")
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        tie_word_embeddings=True,
        eos_token_id=0,
        dtype="float32",
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> str:
    return small.corpus(tmp_path_factory.mktemp("corpus") / "corpus.jsonl", rows=20)


def run(base: str, corpus: str, folder: Path, trainer: Mapping[str, Any] | None = None, **options: Any) -> Any:
    """Train in float32 unless told otherwise, and return the figures."""
    options = {"dtype": "float32", "max_length": 200} | options
    return train(
        corpus=corpus,
        model=base,
        out=folder / "student",
        work=folder / "work",
        trainer=FAST | (trainer or {}),
        **options,
    )


def test_every_parameter_changes_and_the_loss_falls(base: str, corpus: str, tmp_path: Path) -> None:
    figures = run(base, corpus, tmp_path, {"num_train_epochs": 5})
    assert figures["steps"] == 25
    assert figures["loss"] < 0.8 * figures["first_loss"]
    before, after = weights(base), weights(tmp_path / "student")
    assert before.keys() == after.keys()
    assert not [name for name in before if torch.equal(before[name], after[name])]


def test_student_folder_is_complete(base: str, corpus: str, tmp_path: Path) -> None:
    told: list[Any] = []
    (tmp_path / "student").mkdir()
    (tmp_path / "student" / "stale.txt").touch()
    card = {"name": "Tiny", "base": "maker/tiny", "licence": "mit", "recipe": "quickstart", "teachers": ["maker/big"]}
    run(base, corpus, tmp_path, progress=told.append, card=card)
    names = {path.name for path in (tmp_path / "student").iterdir()}
    assert names == {
        *("config.json", "model.safetensors", "generation_config.json", "README.md", "log.jsonl", "rows.json"),
        *("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"),
    }
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    lines = log(tmp_path / "student")
    assert lines == told
    assert column(lines, "step") == list(range(1, 11))
    assert {"epoch", "loss", "learning_rate", "tokens", "seconds"} <= lines[0].keys()
    hygiene = json.loads((tmp_path / "student" / "rows.json").read_text())
    assert (hygiene["read"], hygiene["kept"], hygiene["end_of_turn"]) == (20, 20, "<|im_end|>")
    assert lines[-1]["tokens"] == 2 * (hygiene["prompt_tokens"] + hygiene["trained_tokens"])
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "student")
    assert tokenizer.chat_template == TEMPLATE
    generation = json.loads((tmp_path / "student" / "generation_config.json").read_text())
    assert tokenizer.convert_tokens_to_ids("<|im_end|>") in generation["eos_token_id"]
    text = (tmp_path / "student" / "README.md").read_text()
    assert text.startswith("---\nlibrary_name: transformers\n")
    for fact in ("# Tiny", "`maker/big`", 'license: "mit"', "`quickstart`", "| learning_rate | `0.005` |"):
        assert fact in text.replace("| `learning_rate` |", "| learning_rate |")
    assert base not in text
    assert not list((tmp_path / "work").glob("checkpoint-*"))


def test_a_base_that_names_a_temperature_and_not_that_it_samples(corpus: str, tmp_path: Path) -> None:
    """transformers reads such a configuration and refuses to write it."""
    base = Path(small.model(tmp_path / "base"))
    file = base / "generation_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"temperature": 0.6}))
    trained(tmp_path / "student", corpus, str(base), trainer={"max_steps": 2, "save_steps": 1})
    said = json.loads((tmp_path / "student" / "generation_config.json").read_text())
    assert (said["temperature"], said["do_sample"]) == (0.6, True)


def test_accumulation_is_neutral(base: str, corpus: str, tmp_path: Path) -> None:
    together, apart = tmp_path / "together", tmp_path / "apart"
    run(base, corpus, together, {"per_device_train_batch_size": 4, "gradient_accumulation_steps": 1})
    run(base, corpus, apart, {"per_device_train_batch_size": 1, "gradient_accumulation_steps": 4})
    assert losses(together / "student") == pytest.approx(losses(apart / "student"), rel=1e-4)


def test_head_is_spared_the_masked_positions_and_the_loss_is_the_same(
    base: str, corpus: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored: list[int] = []
    head = trl.trainer.utils._ChunkedLogProbFunction.apply

    def counting(hidden: Any, *rest: Any) -> Any:
        scored.append(len(hidden))
        return head(hidden, *rest)

    monkeypatch.setattr(trl.trainer.utils._ChunkedLogProbFunction, "apply", counting)
    run(base, corpus, tmp_path / "spared", {"num_train_epochs": 1})
    hygiene = json.loads((tmp_path / "spared" / "student" / "rows.json").read_text())
    assert sum(scored) == hygiene["trained_tokens"]
    monkeypatch.setattr(trl.trainer.utils, "_use_triton", lambda device: False)
    run(base, corpus, tmp_path / "all", {"num_train_epochs": 1})
    assert sum(scored) > 2 * hygiene["trained_tokens"]
    assert losses(tmp_path / "spared" / "student") == pytest.approx(losses(tmp_path / "all" / "student"), rel=1e-5)


def test_lora_is_merged_and_loads_like_any_model(base: str, corpus: str, tmp_path: Path) -> None:
    trainer, lora = {"learning_rate": 2e-2, "num_train_epochs": 5}, {"r": 8, "alpha": 16}
    figures = run(base, corpus, tmp_path, trainer, lora=lora, dtype="bfloat16")
    assert figures["loss"] < figures["first_loss"]
    before, after = weights(base), weights(tmp_path / "student")
    assert before.keys() == after.keys()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved == {name for name in before if "proj" in name}
    assert "LoRA, merged" in (tmp_path / "student" / "README.md").read_text()


def test_small_steps_are_not_lost_to_bfloat16(base: str, corpus: str, tmp_path: Path) -> None:
    """In bf16 weights, steps of 1e-6 round away; float32 weights under bf16 arithmetic keep them."""
    run(
        base,
        corpus,
        tmp_path,
        {"learning_rate": 1e-6, "lr_scheduler_type": "constant", "warmup_steps": 0},
        dtype="bfloat16",
    )
    before, after = weights(base), weights(tmp_path / "student")
    moved = sum(int((before[n] != after[n]).sum()) for n in before) / sum(p.numel() for p in before.values())
    assert moved > 0.9


def test_row_longer_than_the_model_reads(base: str, tmp_path: Path) -> None:
    chat = [{"role": "user", "content": "?"}, {"role": "assistant", "content": "x" * 300}]
    (tmp_path / "corpus.jsonl").write_text(json.dumps({"messages": chat}))
    with pytest.raises(UsageError, match="reads at most 256 tokens"):
        run(base, str(tmp_path / "corpus.jsonl"), tmp_path, max_length=1000)


@pytest.mark.parametrize(
    "rope", [{"rope_type": "yarn", "factor": 4.0}, {"rope_theta": 1e6, "max_position_embeddings": 1024}]
)
def test_row_that_the_model_reads_once_it_is_stretched(base: str, tmp_path: Path, rope: dict[str, Any]) -> None:
    chat = [{"role": "user", "content": "?"}, {"role": "assistant", "content": "x" * 300}]
    (tmp_path / "corpus.jsonl").write_text(json.dumps({"messages": chat}))
    figures = run(base, str(tmp_path / "corpus.jsonl"), tmp_path, max_length=1000, rope=rope)
    config = json.loads((tmp_path / "student" / "config.json").read_text())
    assert config["max_position_embeddings"] == 1024
    assert rope.items() <= (config["rope_parameters"] | {"max_position_embeddings": 1024}).items()
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "student", dtype=torch.float32)
    assert model.config.rope_parameters["rope_type"] == rope.get("rope_type", "default")
    assert figures["hygiene"]["longest"] > 256


def test_memory_that_is_spared_changes_nothing(base: str, corpus: str, tmp_path: Path) -> None:
    run(base, corpus, tmp_path / "plain")
    plain = pytest.approx(losses(tmp_path / "plain" / "student"), rel=1e-5)
    run(base, corpus, tmp_path / "recomputed", {"gradient_checkpointing": True})
    assert losses(tmp_path / "recomputed" / "student") == plain
    offloaded = {"activation_offloading": True}
    if torch.accelerator.is_available():
        run(base, corpus, tmp_path / "offloaded", offloaded)
        assert losses(tmp_path / "offloaded" / "student") == plain
    else:
        with pytest.raises(UsageError, match="off an accelerator; there is none"):
            run(base, corpus, tmp_path / "offloaded", offloaded)


def test_loss_that_is_no_number_ends_the_run(base: str, corpus: str, tmp_path: Path) -> None:
    with pytest.raises(TracegenError, match="the loss is nan at step"):
        run(base, corpus, tmp_path, {"learning_rate": 1e30, "max_grad_norm": 0.0, "warmup_steps": 0})


def test_batches_have_one_length_and_depend_on_seed_and_epoch_alone() -> None:
    lengths = [i % 10 for i in range(100)]
    sampler = ByLength(lengths, batch=10, seed=1)
    first = list(sampler)
    assert sorted(first) == list(range(100))
    assert all(len({lengths[i] for i in first[at : at + 10]}) == 1 for at in range(0, 100, 10))
    assert [lengths[i] for i in first] != sorted(lengths)
    assert list(ByLength(lengths, batch=10, seed=1)) == first
    sampler.set_epoch(1)
    assert list(sampler) != first
    assert list(ByLength([5, 1, 1, 1, 1], batch=2, seed=3))[-1] == 0
