"""What is loaded before training: tokenizer, model, adapter, each failure in one sentence."""

from collections.abc import Callable, Mapping
from importlib.util import find_spec
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
    if unknown := sorted(set(lora) - {*names, "bits"}):
        raise UsageError(f"`student.lora` has no field {unknown[0]!r}; it has {', '.join(names)}, bits.")
    given = {names[name]: value for name, value in lora.items() if name in names}
    return LoraConfig(task_type="CAUSAL_LM", **{"target_modules": "all-linear"} | given)


def student_model(
    model: str,
    revision: str | None,
    attention: str | None,
    compute: str,
    *,
    longest: int,
    lora: Mapping[str, Any] | None = None,
    rope: Mapping[str, Any] | None = None,
) -> tuple[Any, torch.dtype]:
    """The model to train, and the dtype of its files. `longest` is that of the rows, in tokens."""
    config = load(transformers.AutoConfig, model, revision)
    body = config.get_text_config()
    if rope:
        stretch(body, rope)
    positions = getattr(body, "max_position_embeddings", None)
    if positions and longest > positions:
        raise UsageError(
            f"{model} reads at most {positions} tokens and the longest row has {longest}; set student.max_length to "
            f"{positions} or less, or have it read more by student.rope."
        )
    files = body.dtype
    files = files if isinstance(files, torch.dtype) else torch.float32
    # The frozen base of a LoRA takes no updates, so its own precision is enough.
    weights = files if lora and compute != "float32" else torch.float32
    # Left to itself, transformers takes sdpa where the architecture has it.
    chosen: dict[str, Any] = {"attn_implementation": attention} if attention else {}
    if lora and lora.get("bits"):
        chosen["quantization_config"] = _quantization(lora["bits"], DTYPES[compute])
    loaded = load(transformers.AutoModelForCausalLM, model, revision, dtype=weights, config=config, **chosen)
    _can_be_saved(loaded.generation_config)
    return loaded, files


def _can_be_saved(said: Any) -> None:
    """Many a model names a temperature and not that it samples; transformers reads such a configuration and refuses to
    write it, so the first checkpoint would end the training."""
    try:
        said.validate(strict=True)
    except ValueError:
        said.do_sample = True


def stretch(body: Any, rope: Mapping[str, Any]) -> None:
    """Put the recipe's `rope` into a config: transformers' `rope_parameters`, and `max_position_embeddings`."""
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    before = getattr(body, "rope_parameters", None)
    if not before or not isinstance(before.get("rope_theta"), int | float):
        raise UsageError(
            f"`student.rope` does not suit {body.model_type}, which has no rotary embedding for all layers."
        )
    kinds = ["default", *sorted(ROPE_INIT_FUNCTIONS)]
    if (kind := rope.get("rope_type", before.get("rope_type", "default"))) not in kinds:
        raise UsageError(f"`student.rope.rope_type` is {kind!r}; it must be one of {', '.join(kinds)}.")
    own = {name: value for name, value in rope.items() if name != "max_position_embeddings"}
    positions = body.max_position_embeddings
    stretched = rope.get("max_position_embeddings", round(positions * rope.get("factor", 1)))
    body.rope_parameters = {**before, **own}
    if kind in ("yarn", "longrope", "llama3"):
        body.rope_parameters.setdefault("original_max_position_embeddings", positions)
    body.max_position_embeddings = stretched
    try:
        body.standardize_rope_params()
        body.validate_rope()
    except (KeyError, ValueError) as error:
        raise UsageError(f"transformers refuses `student.rope`: {' '.join(str(error).split())}") from None


def _quantization(bits: int, compute: torch.dtype) -> Any:
    """QLoRA's frozen base: NF4 with double quantization (Dettmers et al. 2023, "QLoRA"), or 8 bits."""
    if not torch.accelerator.is_available():
        raise UsageError("`student.lora.bits` quantizes the base on an accelerator, and there is none; leave it out.")
    if find_spec("bitsandbytes") is None:
        raise UsageError(
            "`student.lora.bits` needs bitsandbytes, which is not installed; get it: pip install bitsandbytes"
        )
    if bits == 8:
        return transformers.BitsAndBytesConfig(load_in_8bit=True)
    return transformers.BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=compute,
    )


def gathered(run: Any, fresh: Callable[[], Any], lora: Mapping[str, Any] | None) -> Any:
    """The trained model with all its weights, in the first process; `fresh` loads another where this one's are in
    shards, or quantized."""
    quantized = bool(lora and lora.get("bits"))
    if not (run.is_fsdp_enabled or run.is_deepspeed_enabled or quantized):
        return run.model
    state = run.accelerator.get_state_dict(run.model_wrapped)
    if not run.is_world_process_zero():
        return None
    whole = fresh()
    if lora:
        from peft import get_peft_model

        whole = get_peft_model(whole, adapter(lora))
        # The base is as it was, and may be quantized here.
        state = {name: tensor for name, tensor in state.items() if "lora_" in name}
    names = whole.state_dict().keys()
    whole.load_state_dict({name: tensor for name, tensor in state.items() if name in names}, strict=False)
    return whole


def load(kind: Any, model: str, revision: str | None, **options: Any) -> Any:
    """`kind.from_pretrained`, its failures told in one sentence."""
    try:
        return kind.from_pretrained(model, revision=revision, **options)
    except (OSError, ValueError, ImportError) as error:
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
