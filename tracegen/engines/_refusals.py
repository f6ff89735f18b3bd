"""What a server says where it refuses, how long it asks to wait, and what the user is told where it concerns them all.

For both clients: the one of single requests (`_http`) and the one of batches (`_batches`). The key that they need is
looked for here too, before anything is asked.
"""

import json
import os
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from tracegen.records import TracegenError, UsageError

__all__ = [
    "ENOUGH",
    "account_empty",
    "all_refused",
    "key_of",
    "key_refused",
    "message",
    "nobody_there",
    "one_line",
    "retry_after",
    "used_up",
]

ENOUGH = 50
"""Requests that were refused for good, without one answer, concern them all."""

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def key_of(key_env: str | None, base_url: str) -> str | None:
    """The key in this variable; UsageError where it is not set."""
    if not key_env:
        return None
    if not (key := os.environ.get(key_env)):
        raise UsageError(
            f"the environment variable {key_env} is not set; it must hold the key for the server at {base_url}."
        )
    return key


def nobody_there(base_url: str, why: str) -> TracegenError:
    return TracegenError(f"no server answers at {base_url}; start it, or correct base_url ({why}).")


def key_refused(base_url: str, status: int, key_env: str | None) -> TracegenError:
    cure = (
        f"put a valid key into the environment variable {key_env}"
        if key_env
        else "name the environment variable that holds a key with the option api_key_env"
    )
    return TracegenError(f"the server at {base_url} refuses the key ({status}); {cure}.")


def account_empty(base_url: str, status: int, said: str) -> TracegenError:
    return TracegenError(f"the account at {base_url} is empty ({status}): {said}")


def all_refused(base_url: str, why: str) -> TracegenError:
    return TracegenError(f"the server at {base_url} refuses every request: {why}.")


def one_line(text: str, key: str | None) -> str:
    """One line, without the key, not too long."""
    text = " ".join(text.split())
    text = text.replace(key, "***") if key else text
    return text if len(text) <= 300 else text[:297] + "..."


def message(payload: bytes) -> str:
    """What the server says is wrong, from any of the usual places."""
    try:
        body = json.loads(payload)
    except ValueError:
        return payload[:300].decode(errors="replace")
    for _ in range(2):
        for name in ("error", "message", "detail"):
            if isinstance(body, dict) and body.get(name):
                body = body[name]
                break
    return body if isinstance(body, str) else json.dumps(body)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the server asks to wait: Retry-After (RFC 9110, 10.2.3: a number or a date), in milliseconds too,
    or else the time after which a used-up rate limit is filled again."""
    if (value := headers.get("retry-after-ms")) and (seconds := _number(value)) is not None:
        return max(0.0, seconds / 1000)
    if value := headers.get("retry-after"):
        if (seconds := _number(value)) is not None:
            return max(0.0, seconds)
        try:
            return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
        except ValueError:
            return None
    return used_up(headers)


def used_up(headers: Mapping[str, str]) -> float | None:
    """Seconds until a rate limit of which nothing is left is filled again (`x-ratelimit-*`, as OpenAI sends them)."""
    waits = [
        _duration(headers.get(f"x-ratelimit-reset-{what}", ""))
        for what in ("requests", "tokens")
        if headers.get(f"x-ratelimit-remaining-{what}") == "0"
    ]
    return max((wait for wait in waits if wait is not None), default=None)


def _duration(text: str) -> float | None:
    """`1s`, `6m0s`, `20ms`, or plain seconds."""
    if (seconds := _number(text)) is not None:
        return seconds
    total, number, unit = 0.0, "", ""
    for letter in text + "0":
        if letter.isdigit() or letter == ".":
            if unit:
                if unit not in _UNITS or (value := _number(number)) is None:
                    return None
                total, number, unit = total + value * _UNITS[unit], "", ""
            number += letter
        else:
            unit += letter
    return total or None


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
