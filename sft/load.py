"""What is loaded before training: tokenizer, model, adapter, each failure in one sentence."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
import transformers

from tracegen.records import MissingExtra, UsageError

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def adapter(lora: Mapping[str, Any]) -> Any:
    """peft's configuration from the recipe's short names."""
    try:
        from peft import LoraConfig
    except ImportError:
        raise MissingExtra("peft, which LoRA needs,", "train") from None
    names = {"r": "r", "alpha": "lora_alpha", "dropout": "lora_dropout", "target_modules": "target_modules"}
    if unknown := sorted(set(lora) - set(names)):
        raise UsageError(f"`student.lora` has no field {unknown[0]!r}; it has {', '.join(names)}.")
    return LoraConfig(
        task_type="CAUSAL_LM", **{"target_modules": "all-linear"} | {names[name]: lora[name] for name in lora}
    )


def student_model(
    model: str, revision: str | None, attention: str | None, compute: str, *, longest: int, frozen: bool
) -> tuple[Any, torch.dtype]:
    """The model to train, and the dtype of its files. `longest` is that of the rows, in tokens."""
    config = load(transformers.AutoConfig, model, revision)
    positions = getattr(config.get_text_config(), "max_position_embeddings", None)
    if positions and longest > positions:
        raise UsageError(
            f"{model} reads at most {positions} tokens and the longest row has {longest}; "
            f"set student.max_length to {positions} or less."
        )
    files = config.get_text_config().dtype
    files = files if isinstance(files, torch.dtype) else torch.float32
    # The frozen base of a LoRA takes no updates, so its own precision is enough.
    weights = files if frozen and compute != "float32" else torch.float32
    kind = transformers.AutoModelForCausalLM
    # Left to itself, transformers takes sdpa where the architecture has it.
    chosen = {"attn_implementation": attention} if attention else {}
    return load(kind, model, revision, dtype=weights, **chosen), files


def gathered(run: Any, fresh: Callable[[], Any], lora: Mapping[str, Any] | None) -> Any:
    """The trained model with all its weights, in the first process; `fresh` loads another where shards are gathered."""
    if not (run.is_fsdp_enabled or run.is_deepspeed_enabled):
        return run.model
    state = run.accelerator.get_state_dict(run.model_wrapped)
    if not run.is_world_process_zero():
        return None
    whole = fresh()
    if lora:
        from peft import get_peft_model

        whole = get_peft_model(whole, adapter(lora))
    names = whole.state_dict().keys()
    whole.load_state_dict({name: tensor for name, tensor in state.items() if name in names}, strict=False)
    return whole


def load(kind: Any, model: str, revision: str | None, **options: Any) -> Any:
    """`kind.from_pretrained`, its failures told in one sentence."""
    try:
        return kind.from_pretrained(model, revision=revision, **options)
    except (OSError, ValueError) as error:
        said = str(error).strip().partition("\n")[0]
        raise UsageError(f"the model {model} could not be loaded ({said}).") from None


def compute_dtype(dtype: str, *, on_cpu: bool) -> str:
    """The precision of the arithmetic; weights that are trained stay float32.

    `auto` is bfloat16 where the hardware multiplies it faster: on accelerators, and on CPUs with AMX. On a CPU without
    (AVX-512 with its bf16 instructions included), float32 was 1.9 times as fast: SmolLM2-135M, rows of 100 tokens.
    """
    if dtype == "auto":
        return "float32" if on_cpu and not torch.cpu._is_amx_tile_supported() else "bfloat16"
    if dtype not in DTYPES:
        raise UsageError(f"`student.dtype` is {dtype!r}; it must be auto, {', '.join(DTYPES)}.")
    return dtype
