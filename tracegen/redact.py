"""Secrets stay out of everything that is shown or published: values under telling keys, and tokens by their shape.

The second gate behind the recipe, which refuses a secret before anything runs. A secret of a shape that nobody has
seen, under a harmless key, passes.
"""

import re
from collections.abc import Mapping
from typing import Any

import yaml

WITHHELD = "(withheld)"

# `api_key_env` names a variable and may be shown; `max_tokens` and `eos_token` are no secrets.
_SECRET_KEY = re.compile(
    r"(^|[_-])(api[_-]?key|access_key|private_key|secret(_key)?|pass(word|wd|phrase)|authorization|credentials?"
    r"|bearer|cookie|(auth|access|api|hf|hub|refresh|secret|session)_?token)$|^token$",
    re.IGNORECASE,
)
# Tokens in the shapes that the well-known services give out, and the password inside a URL.
_SECRET_VALUE = re.compile(
    r"\b(hf_[A-Za-z0-9]{20,}|sk-[A-Za-z0-9_-]{16,}|gh[pousr]_[A-Za-z0-9]{20,}|AKIA[A-Z0-9]{16}|AIza[\w-]{30,})"
    r"|(?<=bearer )\S{8,}|(?<=://)[^/\s:@]*:[^/\s@]+(?=@)",
    re.IGNORECASE,
)


def safe_recipe(text: str) -> str:
    """The recipe as it may be shown: unchanged, comments and all, unless it holds a secret, whose value is withheld."""
    recipe = yaml.safe_load(text)
    safe = without_secrets(recipe)
    kept = text if safe == recipe else yaml.safe_dump(safe, sort_keys=False, allow_unicode=True)
    return _SECRET_VALUE.sub(WITHHELD, kept)


def without_secrets(value: Any, key: str = "") -> Any:
    """`value` with everything withheld that stands under a key such as `api_key` or looks like a token."""
    if _SECRET_KEY.search(key) and value not in (None, "", False):
        return WITHHELD
    if isinstance(value, Mapping):
        return {name: without_secrets(inner, str(name)) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [without_secrets(inner) for inner in value]
    return _SECRET_VALUE.sub(WITHHELD, value) if isinstance(value, str) else value
