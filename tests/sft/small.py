"""Small students and teachers of several architectures, another tokenizer, and a corpus of additions."""

import json
from pathlib import Path
from typing import Any

import tiny
import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

SHAPE = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
LARGER = {"seed": 1, "num_hidden_layers": 4, "hidden_size": 48}
"""A teacher for a student of the ordinary shape."""
TEXTS = [f"<think>{n} and {n} and nothing more at all.</think>\n{2 * n}" for n in range(40)]
TEMPLATE = (
    "{% for message in messages %}{{ '[' + message['role'] + ']' + message['content'] }}"
    "{% if message['role'] == 'assistant' %}{{ '</s>' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '[assistant]' }}{% endif %}"
)


def model(folder: Path, kind: str = "Llama", seed: int = 0, words: Any = None, **changed: Any) -> str:
    """A model folder; `kind` is the name before Config and ForCausalLM, `words` its tokenizer."""
    words = words or tiny.tokenizer()
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


def words(metaspace: bool = False) -> Any:
    """Another tokenizer, whose tokens are whole words: of bytes like GPT-2's, or of characters like SentencePiece's."""
    inner = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True) if metaspace else models.BPE())
    inner.pre_tokenizer = (
        pre_tokenizers.Metaspace(prepend_scheme="never")
        if metaspace
        else pre_tokenizers.ByteLevel(add_prefix_space=False)
    )
    inner.decoder = (
        decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace(prepend_scheme="never"), decoders.Fuse()])
        if metaspace
        else decoders.ByteLevel()
    )
    alphabet = [] if metaspace else pre_tokenizers.ByteLevel.alphabet()
    special = ["</s>", "<unk>"] + ([f"<0x{byte:02X}>" for byte in range(256)] if metaspace else [])
    inner.train_from_iterator(
        TEXTS, trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet, special_tokens=special)
    )
    found = transformers.PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="</s>", pad_token="<unk>")
    found.chat_template = TEMPLATE
    return found


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
