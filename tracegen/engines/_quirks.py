"""What one server does not take, found out from its refusals, and said once.

A parameter that names a budget or a seed is renamed or left out. One that shapes what is sampled (temperature, top_p,
stop ...) is left out only where that changes nothing, or where the recipe says so (`drop`): otherwise the samples
would not be what the recipe says they are, and the run is refused.
"""

import re
import threading
from dataclasses import dataclass, field
from typing import Any

from tracegen.progress import say
from tracegen.records import TracegenError

__all__ = ["Quirks", "of"]

_NOT_TAKEN = re.compile(
    r"unsupported|not support|n't support|unknown|unrecognized|unexpected|unrecognised|extra|not permitted"
    r"|not allowed|invalid (parameter|argument|field)|deprecated|cannot be (used|set|specified)|only the default",
    re.IGNORECASE,
)
_HARMLESS = {
    "seed": "the same command will not give the same samples there",
    "stream_options": "its streams say nothing of tokens",
    "stream": "answers come in one piece",
}
_NEEDED = frozenset({"model", "messages", "prompt", "max_tokens"})
_DEFAULTS: dict[str, Any] = {
    "temperature": 1,
    "top_p": 1,
    "presence_penalty": 0,
    "frequency_penalty": 0,
    "repetition_penalty": 1,
    "min_p": 0,
}


@dataclass
class Quirks:
    """Of one server and model; `body` gives what it takes."""

    base_url: str
    renamed: dict[str, str] = field(default_factory=dict)
    left_out: frozenset[str] = frozenset()
    version: int = 0
    """Grows with every change, so that a body is made anew."""
    _said: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def body(self, full: dict[str, Any]) -> dict[str, Any]:
        """The request's body in this server's words."""
        if not self.version:
            return full
        return {
            self.renamed.get(name, name): value for name, value in full.items() if not self._leaves_out(name, value)
        }

    def adapt(self, full: dict[str, Any], made_at: int, complaint: str) -> bool:
        """Whether a refusal (400, 422) of a body of version `made_at` was about a quirk, so that another one may do.

        TracegenError where only the recipe can decide.
        """
        with self._lock:
            if made_at < self.version:  # another request has found it out meanwhile
                return True
            if "max_completion_tokens" in complaint and "max_tokens" in full and "max_tokens" not in self.renamed:
                self.renamed["max_tokens"] = "max_completion_tokens"
                return self._changed("calls `max_tokens` `max_completion_tokens`, and gets that")
            if not _NOT_TAKEN.search(complaint):
                return False
            sent = {name for name, value in full.items() if name not in _NEEDED and not self._leaves_out(name, value)}
            name = next((name for name in full if name in sent and _names(complaint, name)), None)
            if name is None:
                return False
            if name in _HARMLESS:
                self.left_out |= {name, "stream_options"} if name == "stream" else {name}
                return self._changed(f"does not take `{name}`, which is left out: {_HARMLESS[name]}")
            if name in _DEFAULTS and full[name] == _DEFAULTS[name]:
                self.left_out |= {name}
                return self._changed(f"does not take `{name}`, which is left out: {full[name]:g} is its default")
        raise TracegenError(
            f"the server at {self.base_url} does not take `{name}`, which shapes what is sampled (it says: "
            f"{complaint[:200]}); take it out of the recipe, or leave it out for this server with the option "
            f"drop: [{name}]."
        )

    def _leaves_out(self, name: str, value: Any) -> bool:
        # Of another teacher on this server the same name may hold a value that shapes what is sampled.
        return name in self.left_out and (name not in _DEFAULTS or value == _DEFAULTS[name])

    def tell(self, sentence: str) -> None:
        """One line for the user, once a launch."""
        with self._lock:
            if sentence in self._said:
                return
            self._said.add(sentence)
        say(f"the server at {self.base_url} {sentence}.")

    def _changed(self, sentence: str) -> bool:
        self.version += 1
        say(f"the server at {self.base_url} {sentence}.")
        return True


def _names(complaint: str, name: str) -> bool:
    return re.search(rf"(?<![A-Za-z_]){re.escape(name)}(?![A-Za-z_])", complaint) is not None


_known: dict[tuple[str, str], Quirks] = {}


def of(base_url: str, model: str) -> Quirks:
    """What this launch knows of the server."""
    return _known.setdefault((base_url, model), Quirks(base_url))
