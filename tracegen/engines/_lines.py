"""A request becomes a line of a batch's file, and a line of its output an answer."""

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import IO, Any

from tracegen.engines._answers import completion, joined
from tracegen.engines._batches import ENDPOINT
from tracegen.engines._continuing import open_turn
from tracegen.engines._http import Failure
from tracegen.engines._journal import Shape, shape
from tracegen.engines._prefix import going_on
from tracegen.progress import say
from tracegen.records import Completion, Request, TracegenError

__all__ = ["Body", "may_serve", "plus", "read", "scratch"]


@contextmanager
def scratch() -> Iterator[IO[bytes]]:
    """A file that is gone afterwards."""
    try:
        with tempfile.TemporaryFile() as file:
            yield file
    except OSError as error:
        raise TracegenError(
            f"cannot write a temporary file in {tempfile.gettempdir()}: {error.strerror}; make room, or name another "
            "folder in the environment variable TMPDIR."
        ) from error


@dataclass
class Body:
    """How a request is written for this server."""

    model: str
    names: dict[str, str | None]
    extra: dict[str, Any]
    continues: bool
    _told: bool = False

    def asked(self, request: Request) -> Request:
        """The request as this server can be asked it: without a prefix where it cannot go on from one."""
        if not request.prefix or self.continues:
            return request
        if not self._told:
            self._told = True
            say(
                "batch_api: answers that were cut off are asked anew; where the server takes "
                "continue_final_message (vLLM does), the option continue_final_message: true goes on with them."
            )
        return replace(request, prefix="", prefix_tokens=0)

    def line(self, request: Request) -> bytes:
        sampling = dict(request.sampling)
        sampling["max_tokens"] -= request.prefix_tokens
        named = {said: value for name, value in sampling.items() if (said := self.names.get(name, name)) is not None}
        body: dict[str, Any] = {"model": self.model, "messages": list(request.messages), **named}
        if request.prefix:
            body |= open_turn(request, "final")
        row = {"custom_id": request.key, "method": "POST", "url": ENDPOINT, "body": body | self.extra}
        return json.dumps(row).encode() + b"\n"


def may_serve(given: Shape, asked: Request) -> bool:
    """Whether a request of this shape may have brought an answer to this one."""
    wanted = shape(asked)
    return given == wanted or given[1:] == wanted[1:] == (0, 0)


def read(request: Request, given: Shape, answer: dict[str, Any]) -> Completion | None:
    """The answer, or None where it was cut off earlier than is asked for now, or cannot be read."""
    try:
        found = completion(answer, given[0] - given[1])
    except Failure:
        return None
    if found.finish_reason == "length" and given[0] < request.sampling["max_tokens"]:
        return None
    if not request.prefix:
        return found
    held, _ = going_on(request, "")
    return replace(joined(found, held, held), prefix_tokens=request.prefix_tokens)


def plus(completion: Completion, paid: Mapping[str, int]) -> Completion:
    """The completion with the tokens that were paid for beside its own."""
    tokens = (completion.completion_tokens or 0) + paid.get("completion_tokens", 0)
    prompt = (completion.prompt_tokens or 0) + paid.get("prompt_tokens", 0)
    return replace(completion, completion_tokens=tokens or None, prompt_tokens=prompt or None)
