"""Keep traces that are neither too short nor too long for the student, as a whole and in each part.

What is longer than the student's `max_length` cannot be trained on whole; which lengths help beyond that differs from
student to student, so only the recipe sets bounds.
Reasons: `too_short`, `too_long`; of a part `reasoning_too_short`, `reasoning_too_long`, `response_too_short`,
`response_too_long`. Noted: the tokens.
Memory: TOGETHER traces of one problem.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, islice

from tokenizers import Tokenizer

from tracegen.filters import Note, unnoted
from tracegen.format import join
from tracegen.records import Trace, UsageError

DECIDES = "trace"

TOGETHER = 32
"""Traces that the tokenizer is given at once: it then uses all cores, and leaves out offsets that nobody reads."""

Bounds = tuple[int | None, int | None]


def length(
    traces: Iterable[Trace],
    *,
    tokenizer: Tokenizer | None = None,
    note: Note = unnoted,
    min_tokens: int | None = 1,
    max_tokens: int | None = None,
    min_reasoning: int | None = None,
    max_reasoning: int | None = None,
    min_response: int | None = None,
    max_response: int | None = None,
) -> Iterator[tuple[Trace, str | None]]:
    """Drop a trace with fewer or more tokens of the student's tokenizer than allowed, in all or in a part.

    Counted in all is what the student learns to write: reasoning, response and the tags between them, without the
    prompt and the chat template. Without a tokenizer it is the completion tokens that the teacher's engine reported.
    """
    parts = {"reasoning": (min_reasoning, max_reasoning), "response": (min_response, max_response)}
    _check("tokens", (min_tokens, max_tokens))
    for part, bounds in parts.items():
        _check(part, bounds)
    bounded = {part: bounds for part, bounds in parts.items() if bounds != (None, None)}
    for _, together in groupby(traces, key=lambda trace: trace.problem_id):
        while batch := list(islice(together, TOGETHER)):
            if tokenizer is None:
                whole = [trace.tokens for trace in batch]
            else:
                whole = _count([_written(trace) for trace in batch], tokenizer)
            counts = {part: _count([getattr(trace, part) for trace in batch], tokenizer) for part in bounded}
            for n, trace in enumerate(batch):
                tokens = {"tokens": whole[n]} | {part: counts[part][n] for part in bounded}
                reason = _outside(tokens["tokens"], (min_tokens, max_tokens))
                for part, bounds in bounded.items():
                    if reason is None and (outside := _outside(tokens[part], bounds)):
                        reason = f"{part}_{outside}"
                if reason:
                    note(trace, tokens)
                yield trace, reason


def _written(trace: Trace) -> str:
    return join(trace.reasoning, trace.response) if trace.reasoning else trace.response


def _outside(tokens: int, bounds: Bounds) -> str | None:
    low, high = bounds
    if low is not None and tokens < low:
        return "too_short"
    return "too_long" if high is not None and tokens > high else None


def _count(texts: Sequence[str], tokenizer: Tokenizer | None) -> list[int]:
    if tokenizer is None:
        raise UsageError(
            "filter 'length': bounds on a part are counted by the student's tokenizer, and the recipe has no student; "
            "set student.model, or bound the whole with min_tokens and max_tokens."
        )
    # A server's JSON can hold half a surrogate pair, which a tokenizer refuses.
    sound = [text.encode("utf-8", "replace").decode() for text in texts]
    return [len(encoding.ids) for encoding in tokenizer.encode_batch_fast(sound, add_special_tokens=False)]


def _check(part: str, bounds: Bounds) -> None:
    low, high = bounds
    if low is not None and high is not None and high < low:
        raise UsageError(f"filter 'length': max_{part} is {high}, less than min_{part}, which is {low}.")
