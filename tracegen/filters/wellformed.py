"""Keep traces whose reasoning channel is whole, and in which no control token stands as text.

What an engine did not take out of a model's output, `<|im_end|>` or `<｜end▁of▁sentence｜>`, becomes the token itself
when the corpus is tokenized: the student would learn to end its turn in the middle of a thought. Looked for are the
special tokens of the student's tokenizer, and what has their usual shape.
Reasons: the status, `truncated`, `no_reasoning` or `malformed` (see `tracegen.format.split`); `special_token`. Noted:
the token.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import get_args

from tokenizers import Tokenizer

from tracegen.filters import Note, unnoted
from tracegen.records import Status, Trace, UsageError

DECIDES = "trace"

_SHAPE = r"<[|｜][A-Za-z][\w▁-]{1,40}[|｜]>|<(?:start|end)_of_turn>|\[/?INST\]"
"""As in the chat templates of Qwen, Llama 3, Phi, DeepSeek, gpt-oss; of Gemma; of Llama 2 and Mistral."""


def wellformed(
    traces: Iterable[Trace],
    *,
    tokenizer: Tokenizer | None = None,
    note: Note = unnoted,
    allow: Sequence[Status] = ("complete",),
    special_tokens: bool = False,
) -> Iterator[tuple[Trace, str | None]]:
    """Drop a trace whose status is not one of `allow`, or, unless `special_tokens`, that holds a control token.

    A teacher that does not reason needs `no_reasoning` in `allow`.
    """
    if isinstance(allow, str) or not set(allow) <= set(get_args(Status)):
        raise UsageError(f"filter 'wellformed': allow is {allow!r}; it takes a list of {', '.join(get_args(Status))}.")
    tokens = _special(tokenizer)
    for trace in traces:
        if trace.status not in allow:
            yield trace, trace.status
        elif not special_tokens and (found := tokens.search(trace.reasoning) or tokens.search(trace.response)):
            note(trace, {"token": found.group()})
            yield trace, "special_token"
        else:
            yield trace, None


def _special(tokenizer: Tokenizer | None) -> re.Pattern[str]:
    added = tokenizer.get_added_tokens_decoder().values() if tokenizer else ()
    own = {token.content for token in added if token.special} - {"<think>", "</think>"}
    return re.compile("|".join([_SHAPE, *map(re.escape, sorted(own, key=len, reverse=True))]))
