"""ShareGPT's way to write a chat, which many trainers and data sets share: turns of `from` and `value`.

conversation(messages)   chat messages as a row
message(turn)            one of its turns as a chat message
"""

from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["FROM", "conversation", "message"]

FROM = {"user": "human", "assistant": "gpt", "tool": "observation"}
"""Its words for the roles that it calls otherwise."""
_ROLES = {word: role for role, word in FROM.items()}


def conversation(messages: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """A row; other roles keep their names."""
    turns = [{"from": FROM.get(each["role"], each["role"]), "value": each["content"]} for each in messages]
    return {"conversations": turns}


def message(turn: Mapping[str, Any]) -> dict[str, Any]:
    """A turn that has a `from`; without a `value` its content is None."""
    return {"role": _ROLES.get(turn["from"], turn["from"]), "content": turn.get("value")}
