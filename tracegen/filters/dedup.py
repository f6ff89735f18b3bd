"""Keep the first of traces that say the same: exact equality after normalization.

Memory: 16 bytes of hash (and a set's overhead) for each trace kept. Reason: `duplicate`.
"""

import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b

from tracegen.records import Problem, Trace


def dedup(traces: Iterable[Trace], *, problems: Mapping[str, Problem]) -> Iterator[tuple[Trace, str | None]]:
    """Drop a trace whose problem statement, reasoning and response stood together in an earlier one.

    Compared in Unicode's compatibility form (NFKC), without case, each run of white space as one space.
    """
    seen: set[bytes] = set()
    for trace in traces:
        parts = (problems[trace.problem_id].statement, trace.reasoning, trace.response)
        text = "\0".join(_normalize(part) for part in parts)
        digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        yield trace, "duplicate" if digest in seen else None
        seen.add(digest)


def _normalize(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())
