"""Keep traces that are neither too short nor too long for the student.

Reasons: `too_short`, `too_long`.
"""

from collections.abc import Iterable, Iterator

from tokenizers import Tokenizer

from tracegen.format import join
from tracegen.records import Trace, UsageError

DECIDES = "trace"


def length(
    traces: Iterable[Trace],
    *,
    min_tokens: int = 1,
    max_tokens: int | None = None,
    tokenizer: Tokenizer | None = None,
) -> Iterator[tuple[Trace, str | None]]:
    """Drop a trace with fewer than `min_tokens` or more than `max_tokens` tokens of the student's tokenizer.

    Counted is what the student learns to write: reasoning, response and the tags between them, without the prompt and
    the chat template. Without a tokenizer it is the completion tokens that the teacher's engine reported.
    """
    if max_tokens is not None and max_tokens < min_tokens:
        raise UsageError(f"filter 'length': max_tokens is {max_tokens}, less than min_tokens, which is {min_tokens}.")
    for trace in traces:
        tokens = trace.tokens if tokenizer is None else _count(trace, tokenizer)
        if tokens < min_tokens:
            yield trace, "too_short"
        elif max_tokens is not None and tokens > max_tokens:
            yield trace, "too_long"
        else:
            yield trace, None


def _count(trace: Trace, tokenizer: Tokenizer) -> int:
    text = join(trace.reasoning, trace.response) if trace.reasoning else trace.response
    # A server's JSON can hold half a surrogate pair, which a tokenizer refuses.
    encoding = tokenizer.encode(text.encode("utf-8", "replace").decode(), add_special_tokens=False)
    return len(encoding.ids)
