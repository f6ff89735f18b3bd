"""Keep traces that do not loop.

Two rules, either drops: `ngram`, the rule of AM-Thinking-v1 (arXiv 2505.08311), for long traces: a run of 20 tokens
that occurs more than 20 times; and `loop`, for short ones, where no run has the room to occur that often: reasoning
or response ends in one unit repeated without a break.
Tokens are cut by a fixed pattern, so that what is dropped does not depend on the student.
Reasons: `loop`, `ngram`. Noted: what is repeated, and for `ngram` how often.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from tracegen.filters import Note, unnoted
from tracegen.records import Trace, UsageError

DECIDES = "trace"

_TOKEN = re.compile(r"[^\W\d_\u2e80-\uffff]{1,4}|\S")
"""At most four letters, about what a model's tokenizer makes of English; East Asian signs one by one."""

PROBE = 32
"""Tokens that are compared before a whole unit is: copying units would take time with the square of a trace."""
SHOWN = 20
"""Tokens of it that go with a drop."""


def repetition(
    traces: Iterable[Trace],
    *,
    note: Note = unnoted,
    ngram: int = 20,
    times: int = 20,
    loops: int = 3,
    loop_tokens: int = 30,
) -> Iterator[tuple[Trace, str | None]]:
    """Drop a trace with more than `times` equal runs of `ngram` tokens, or with a loop at the end of a part.

    A loop is a unit of any length that stands at least `loops` times in a row, on `loop_tokens` tokens or more. With
    these defaults it flags none of 11,500 texts of mathematics and code benchmarks (1.5 million tokens).
    """
    if min(ngram, times, loop_tokens) < 1 or loops < 2:
        raise UsageError(
            f"filter 'repetition': ngram is {ngram}, times {times}, loops {loops}, loop_tokens {loop_tokens}; "
            "they are at least 1, and loops at least 2."
        )
    for trace in traces:
        parts = [_TOKEN.findall(part) for part in (trace.reasoning, trace.response)]
        if unit := next(filter(None, (_loop(tokens, loops, loop_tokens) for tokens in parts)), None):
            note(trace, {"unit": " ".join(unit[:SHOWN])})
            yield trace, "loop"
            continue
        # Counted by their hashes: the runs of a long trace would take megabytes.
        if max(Counter(map(hash, _runs(parts, ngram))).values(), default=0) > times:
            ((run, often),) = Counter(_runs(parts, ngram)).most_common(1)
            note(trace, {"run": " ".join(run[:SHOWN]), "times": often})
            yield trace, "ngram"
        else:
            yield trace, None


def _runs(parts: Sequence[Sequence[str]], size: int) -> Iterator[tuple[str, ...]]:
    for tokens in parts:
        yield from zip(*(tokens[start:] for start in range(size)), strict=False)


def _loop(tokens: Sequence[str], loops: int, loop_tokens: int) -> Sequence[str] | None:
    """The unit that the part ends in: for its period each of the last tokens equals the one a period before it."""
    backwards = tokens[-2::-1]  # Without the last one, which may be cut off in the middle of a word.
    for period in range(1, len(backwards) // loops + 1):
        size = max(loops * period, loop_tokens)
        probe = min(PROBE, size - period)
        likely = size <= len(backwards) and backwards[0] == backwards[period]
        likely = likely and backwards[:probe] == backwards[period : period + probe]
        if likely and backwards[: size - period] == backwards[period:size]:
            return backwards[period - 1 :: -1]
    return None
