"""TRL's own settings, checked by name and type, over the house's defaults.

Shape: `check(trainer)` returns the recipe's `trainer` mapping with its values in their declared types; `settings(...)`
makes the `SFTConfig`. Names are TRL's and stay so; those that tracegen decides itself are refused with the place where
they are set.
"""

from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, get_type_hints

import torch
from pydantic import TypeAdapter, ValidationError

from tracegen.records import UsageError

Config = Literal["SFTConfig", "DistillationConfig"]
OURS = {
    "output_dir": "the run directory decides",
    "seed": "set `seed` of the recipe",
    "max_length": "set `student.max_length`",
    "bf16": "set `student.dtype`",
    "fp16": "set `student.dtype`",
    "model_init_kwargs": "set `student.dtype` and `student.attention`",
    "resume_from_checkpoint": "training resumes by itself",
    "save_only_model": "a checkpoint without optimizer cannot be resumed",
    "disable_tqdm": "tracegen shows the progress",
}
OURS |= dict.fromkeys(
    [
        *("dataset_text_field", "dataset_kwargs", "dataset_num_proc", "chat_template_path", "eos_token", "pad_token"),
        *("truncation_mode", "completion_only_loss", "assistant_only_loss", "remove_unused_columns"),
    ],
    "tracegen renders and tokenizes the corpus itself",
)
OURS |= dict.fromkeys(
    ["do_train", "do_eval", "do_predict", "eval_strategy", "eval_steps", "eval_on_start", "load_best_model_at_end"],
    "evaluation is the recipe's `evaluate`",
)
OURS |= dict.fromkeys(["padding_free", "eval_packing", "pad_to_multiple_of"], "rows are laid end to end")
OURS |= dict.fromkeys(["push_to_hub", "hub_model_id", "hub_token", "hub_strategy"], "`tracegen publish` uploads")
OF_TEACHERS = ("teacher_model_name_or_path", "teacher_model_revision", "teacher_model_init_kwargs")
SHAPES = {"loss_type": "nll", "label_smoothing_factor": 0.0, "router_aux_loss_coef": 0.0}
"""Of TRL's loss, and what leaves it the cross-entropy."""
TRACKERS = {"trackio": ["trackio"], "wandb": ["wandb"], "tensorboard": ["tensorboard", "tensorboardX"]}
"""Where a log may go beside its file, and the packages for it, of which one is enough."""
GONE = {
    "warmup_ratio": "use warmup_steps, which below 1 is a ratio",
    "group_by_length": "use train_sampling_strategy: group_by_length",
    "overwrite_output_dir": "leave it out",
    "logging_dir": "leave it out",
    "save_safetensors": "leave it out",
}
"""Names of earlier releases that stand in many published recipes."""


def config_of(method: str) -> Config:
    """Whose names `trainer` has in a training by this method."""
    return "DistillationConfig" if method == "on_policy" else "SFTConfig"


def check(trainer: Mapping[str, Any], config: Config = "SFTConfig") -> dict[str, Any]:
    """The mapping with its values in the types that TRL's config declares ("5e-5" becomes a number)."""
    types = _types(config)
    checked: dict[str, Any] = {}
    for name, value in trainer.items():
        if name in OURS:
            raise UsageError(f"`trainer.{name}` cannot be set: {OURS[name]}.")
        if config == "DistillationConfig" and name in OF_TEACHERS:
            raise UsageError(f"`trainer.{name}` cannot be set: name the teacher in `student.distill.teachers`.")
        if name not in types:
            close = get_close_matches(name, types.keys() - OURS.keys(), cutoff=0.6)
            hint = GONE.get(name) or (f"the closest are {', '.join(close)}" if close else "see TRL's documentation")
            raise UsageError(f"TRL's {config} has no option {name!r}; {hint}.")
        if name == "report_to":
            _trackers(value)
        if name == "packing_strategy" and value != "bfd":
            raise UsageError(f"`trainer.packing_strategy` is {value!r}; rows are packed whole, which is bfd.")
        try:
            checked[name] = TypeAdapter(types[name]).validate_python(value)
        except ValidationError as error:
            said = error.errors()[0]["msg"].lower()
            raise UsageError(f"`trainer.{name}` is {value!r}; {said}.") from None
    return checked


def refuse_loss(trainer: Mapping[str, Any], what: str) -> None:
    """UsageError for what shapes TRL's loss, where `what` of the recipe has it computed here."""
    for name, plain in SHAPES.items():
        if trainer.get(name, plain) not in (plain, None):
            raise UsageError(f"`trainer.{name}` shapes TRL's own loss, which `{what}` replaces; leave one of them out.")


def _trackers(given: Any) -> None:
    """UsageError for a tracker that is unknown, or not installed."""
    for name in [given] if isinstance(given, str) else given or []:
        if name not in (*TRACKERS, "none"):
            raise UsageError(f"`trainer.report_to` names {name!r}; it takes none, or some of {', '.join(TRACKERS)}.")
        if name != "none" and not any(map(find_spec, TRACKERS[name])):
            package = TRACKERS[name][0]
            raise UsageError(f"`trainer.report_to` names {name}, which is not installed; get it: pip install {package}")


def settings(
    trainer: Mapping[str, Any],
    *,
    work: Path,
    seed: int,
    max_length: int,
    compute: str,
    lora: bool,
    config: Config = "SFTConfig",
) -> Any:
    """TRL's config: what tracegen decides, then the recipe's own values, then the house's defaults."""
    import trl

    given = check(trainer, config)
    if given.get("activation_offloading") and on_cpu(given):
        raise UsageError("`trainer.activation_offloading` moves activations off an accelerator; there is none here.")
    ours = {
        "output_dir": str(work),
        "seed": seed,
        "remove_unused_columns": False,
        "bf16": compute == "bfloat16",
        "fp16": compute == "float16",
        "disable_tqdm": True,
        "logging_nan_inf_filter": False,
        "use_cpu": on_cpu(given),
    }
    chosen = defaults(given, lora=lora)
    if config == "SFTConfig":
        # Rows are rendered, checked, packed and collated here; TRL would cut what is longer.
        ours |= {"max_length": None, "packing": False, "dataset_kwargs": {"skip_prepare_dataset": True}}
    else:
        # TRL's own step, and ten times of it for an adapter as above.
        chosen |= {"learning_rate": 1e-5 if lora else 1e-6}
    try:
        return getattr(trl, config)(**{**chosen, **given, **ours})
    except (ValueError, TypeError, ImportError) as error:
        raise UsageError(f"TRL refuses the `trainer` settings: {' '.join(str(error).split())}") from None


def defaults(given: Mapping[str, Any], *, lora: bool) -> dict[str, Any]:
    """What holds where the recipe says nothing and TRL's own default does not suit short reasoning runs."""
    chosen: dict[str, Any] = {
        # A low-rank update needs about ten times the step of a full one (Schulman et al. 2025, "LoRA Without Regret").
        "learning_rate": 2e-4 if lora else 2e-5,
        "logging_steps": 1,
        "report_to": "none",
        # Recomputing activations costs a fifth of the speed; on a CPU memory is not what is short.
        "gradient_checkpointing": not on_cpu(given),
        "train_sampling_strategy": "random" if given.get("packing") else "group_by_length",
        "save_total_limit": 2,
    }
    if not given.keys() & {"lr_scheduler_type", "lr_scheduler_kwargs"}:
        # Cosine to a tenth after a short warm-up: what published reasoning recipes share.
        chosen |= {"lr_scheduler_type": "cosine_with_min_lr", "lr_scheduler_kwargs": {"min_lr_rate": 0.1}}
    if "warmup_steps" not in given:
        chosen["warmup_steps"] = 0.05
    if not saves_itself(given):
        chosen["save_strategy"] = "no"
    return chosen


def on_cpu(given: Mapping[str, Any]) -> bool:
    """Whether the training runs on the CPU: by wish, or for want of anything else."""
    return bool(given.get("use_cpu")) or not torch.accelerator.is_available()


def saves_itself(given: Mapping[str, Any]) -> bool:
    """Whether the recipe says when to write checkpoints; otherwise the clock does (`sft/checkpoints.py`)."""
    return bool(given.keys() & {"save_strategy", "save_steps"})


@cache
def _types(config: Config) -> dict[str, Any]:
    import trl

    return get_type_hints(getattr(trl, config))
