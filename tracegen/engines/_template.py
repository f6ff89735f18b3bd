"""A model's own tokenizer on this side of the wire: renders chats for `/v1/completions`, counts what no server counts.

`tokenizer` is a model folder or a name on the Hub. Counting needs the `tokenizers` library only, rendering a chat
template needs transformers.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from tracegen.records import MissingExtra, UsageError

__all__ = ["CHARACTERS_A_TOKEN", "count", "render"]

CHARACTERS_A_TOKEN = 4
"""Of English text, by OpenAI's rule of thumb; where neither server nor tokenizer counts."""


def count(tokenizer: str | None, text: str) -> int:
    """How many tokens the text has; an estimate where there is no tokenizer."""
    if tokenizer is None:
        return -(-len(text) // CHARACTERS_A_TOKEN)
    return len(_fast(tokenizer).encode(text, add_special_tokens=False).ids)


def render(tokenizer: str, messages: Sequence[Mapping[str, str]], arguments: Mapping[str, Any]) -> str:
    """The prompt as text, up to where the assistant begins, and without the token that a server puts in front of it."""
    model = _template(tokenizer)
    text: str = model.apply_chat_template(
        [dict(message) for message in messages], tokenize=False, add_generation_prompt=True, **arguments
    )
    # The tokenizer shows what a server does: it puts its first token in front of every text, or it never does.
    added = bool(model.bos_token) and model("x")["input_ids"][:1] == [model.bos_token_id]
    return text.removeprefix(model.bos_token) if added else text


@cache
def _fast(tokenizer: str) -> Any:
    from tokenizers import Tokenizer

    try:
        if Path(tokenizer).is_dir():
            return Tokenizer.from_file(str(Path(tokenizer) / "tokenizer.json"))
        return Tokenizer.from_pretrained(tokenizer)
    # The library raises nothing more exact.
    except Exception as error:  # noqa: BLE001
        raise _unusable(tokenizer, error) from None


@cache
def _template(tokenizer: str) -> Any:
    try:
        from transformers import AutoTokenizer
    except ImportError:
        raise MissingExtra("transformers, which renders chat templates,", "hf") from None
    try:
        model = AutoTokenizer.from_pretrained(tokenizer)
    except (OSError, ValueError) as error:
        raise _unusable(tokenizer, error) from None
    if not model.chat_template:
        raise UsageError(f"the tokenizer {tokenizer} has no chat template; take that of an instruct model.")
    return model


def _unusable(tokenizer: str, error: Exception) -> UsageError:
    said = " ".join(str(error).split())[:200]
    return UsageError(f"the tokenizer {tokenizer} cannot be loaded ({said}); name a model folder or a Hub name.")
