"""An answer that goes on where it was cut off: what of its text follows the rendered prompt, and how long it may grow.

For engines that render the chat template themselves. The text is tokenized by itself and set behind the prompt's ids.
Limits: tokens are not stored, so where the cut fell inside a word the ids may differ from those that the model wrote.
A character of several bytes that the cut went through is dropped, and the model writes it again.
"""

from typing import Any

from tracegen.format import prefilled
from tracegen.records import Request

__all__ = ["allowance", "encoded", "going_on"]

_OPEN = "<think>"
_HALF_A_CHARACTER = "\ufffd"


def encoded(tokenizer: Any, request: Request) -> tuple[list[int], list[int], str]:
    """The ids of the rendered prompt, those of the answer that goes on behind it, and what the text begins with."""
    messages = [dict(message) for message in request.messages]
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    begun, more = going_on(request, prefilled(text))
    # By itself: the ids of the prompt stay those of the other samples, whose cache they share.
    ids, rest = (tokenizer.encode(part, add_special_tokens=False) for part in (text, more))
    return ids, rest, begun


def going_on(request: Request, tag: str) -> tuple[str, str]:
    """What the completion's text begins with, and the part of it that the rendered prompt does not hold yet.

    `tag` is the opening one that the template wrote at the end of the prompt, or "".
    """
    if not request.prefix:
        return tag, ""
    text = request.prefix.rstrip(_HALF_A_CHARACTER)
    if not tag or not text.lstrip().startswith(_OPEN):
        return text, text
    if text.startswith(tag):
        return text, text[len(tag) :]
    return text, text.lstrip().removeprefix(_OPEN).lstrip()


def allowance(request: Request) -> int | None:
    """How many tokens may follow; None where the context is the limit. ValueError if nothing is left."""
    if (whole := request.sampling.get("max_tokens")) is None:
        return None
    left: int = whole - request.prefix_tokens
    if left < 1:
        raise ValueError(f"the answer to be gone on with has {request.prefix_tokens} tokens, and max_tokens is {whole}")
    return left
