"""Small students and teachers of several architectures, one tokenizer, and a corpus of additions."""

import json
from pathlib import Path
from typing import Any

import tiny
import torch
import transformers

SHAPE = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
LARGER = {"seed": 1, "num_hidden_layers": 4, "hidden_size": 48}
"""A teacher for a student of the ordinary shape."""


def model(folder: Path, kind: str = "Llama", seed: int = 0, **changed: Any) -> str:
    """A model folder; `kind` is the name before Config and ForCausalLM."""
    words = tiny.tokenizer()
    torch.manual_seed(seed)
    shape = SHAPE | {"num_key_value_heads": 2, "head_dim": 16, "vocab_size": len(words), "max_position_embeddings": 512}
    shape |= {"eos_token_id": words.eos_token_id, "pad_token_id": words.pad_token_id, "bos_token_id": None}
    if kind == "Mamba":
        shape = {name: shape[name] for name in ("vocab_size", "hidden_size", "num_hidden_layers", "eos_token_id")}
        shape |= {"pad_token_id": words.pad_token_id, "state_size": 4}
    config = getattr(transformers, f"{kind}Config")(**shape | changed)
    getattr(transformers, f"{kind}ForCausalLM")(config).save_pretrained(folder)
    words.save_pretrained(folder)
    return str(folder)


def corpus(path: Path, rows: int = 12, problems: int | None = None) -> str:
    """Traces of several lengths: one for each problem, or as many as `rows` gives to so many `problems`."""
    with path.open("w") as file:
        for row in range(rows):
            n = row % (problems or rows)
            trace = f"<think>{n} and {n} and nothing more{' at all' * (row % 4)}.</think>\n{2 * n}"
            chat = [{"role": "user", "content": f"{n}+{n}?"}, {"role": "assistant", "content": trace}]
            facts = {"key": f"row-{row}", "problem_id": f"p{n}", "answer": str(2 * n)}
            file.write(json.dumps(facts | {"messages": chat}) + "\n")
    return str(path)
