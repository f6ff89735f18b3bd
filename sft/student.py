"""The finished student as an ordinary model folder: weights, tokenizer, chat template, generation config, card, log.

Shape: `save(model, tokenizer, out, ...)` writes beside `out` and renames, so that `out` is whole or not there.
A LoRA is merged, so that transformers and vLLM load the folder like any other.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from sft.hygiene import REASONS
from tracegen.corpus import HUB_LICENCES
from tracegen.markdown import environment

SETTINGS = (
    "learning_rate",
    "lr_scheduler_type",
    "warmup_steps",
    "num_train_epochs",
    "max_steps",
    "per_device_train_batch_size",
    "gradient_accumulation_steps",
    "weight_decay",
    "max_grad_norm",
    "optim",
    "packing",
)
"""The settings that a card always shows, whether the recipe set them or not."""


def save(
    model: Any,
    tokenizer: Any,
    out: Path,
    *,
    log: Sequence[Mapping[str, Any]],
    figures: Mapping[str, Any],
    settings: Mapping[str, Any],
    lora: Mapping[str, Any] | None,
    dtype: torch.dtype,
    base: str,
    card: Mapping[str, Any] | None = None,
) -> None:
    """Write the student; an older one in `out` is replaced.

    `dtype` is that of the base model's files. `card` may hold name, base, recipe, recipe_hash, corpus (where it can
    be had), licence and licence_why, duties (what licences ask of who passes the student on), languages and teachers
    (names of models).
    """
    beside, old = (out.with_name(f".{out.name}.{suffix}") for suffix in ("new", "old"))
    for folder in (beside, old):
        shutil.rmtree(folder, ignore_errors=True)
    beside.mkdir(parents=True)
    if lora:
        # In float32 the sum of base and update is rounded once, at the end.
        model = model.float().merge_and_unload()
    model = model.to(dtype)
    model.config.use_cache = True
    model.generation_config.eos_token_id = ends(model, tokenizer, figures["hygiene"]["end_of_turn"])
    model.save_pretrained(beside)
    tokenizer.save_pretrained(beside)
    (beside / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in log))
    if held_out := figures.get("held_out"):
        (beside / "held_out.jsonl").write_text("".join(json.dumps(line) + "\n" for line in held_out["lines"]))
    (beside / "rows.json").write_text(json.dumps(figures["hygiene"], indent=2) + "\n")
    text = _card(name=out.name, base=base, figures=figures, settings=settings, lora=lora, card=card or {})
    (beside / "README.md").write_text(text)
    if out.exists():
        out.rename(old)
    beside.rename(out)
    shutil.rmtree(old, ignore_errors=True)


def ends(model: Any, tokenizer: Any, end_of_turn: str) -> list[int]:
    """What generation stops at: the base's own eos tokens and the end of turn that was trained."""
    known = model.generation_config.eos_token_id
    known = known if isinstance(known, list) else [] if known is None else [known]
    return sorted({*known, tokenizer.convert_tokens_to_ids(end_of_turn)})


def _card(
    *,
    name: str,
    base: str,
    figures: Mapping[str, Any],
    settings: Mapping[str, Any],
    lora: Mapping[str, Any] | None,
    card: Mapping[str, Any],
) -> str:
    facts = {"name": name, "base": base, "licence": None, "recipe": None, "recipe_hash": None, "corpus": None}
    facts |= {"licence_why": None, "duties": [], "languages": ["en"], "teachers": []} | dict(card)
    template = environment().get_template("student_card.md.jinja")
    return template.render(
        **facts,
        licence_known=str(facts["licence"]).lower() in HUB_LICENCES.split(),
        hub_base="/" in str(facts["base"]) and not Path(str(facts["base"])).is_dir(),
        figures=figures,
        hygiene=figures["hygiene"],
        dropped={why: figures["hygiene"][name] for name, why in REASONS.items() if figures["hygiene"][name]},
        settings={key: getattr(value, "value", value) for key, value in settings.items()},
        lora=lora,
    )
