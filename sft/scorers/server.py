"""A teacher behind vLLM's OpenAI-compatible server, which takes tokens as they are and says what it thought of each.

Limits: other servers do not know `prompt_logprobs`. An answer is JSON of some 70 bytes an entry, 150 MB for 32,000
tokens with k = 64, and `concurrency` of them are in memory at once. The server's own --max-num-batched-tokens bounds
its memory, and it refuses more than --max-logprobs (20 by itself).
"""

import json
from collections.abc import Iterator, Sequence

import numpy

from sft.scorers import Asked, Said
from tracegen.engines.openai import checked
from tracegen.models import Model
from tracegen.records import TracegenError, UsageError


def server(
    rows: Sequence[Asked],
    teacher: Model,
    k: int,
    *,
    base_url: str,
    api_key_env: str | None = None,
    concurrency: int = 16,
    timeout: float = 600.0,
    max_retries: int = 6,
    patience: float = 300.0,
) -> Iterator[tuple[Asked, Said]]:
    """A vLLM server; the options are those of the engine `openai`."""
    (url,) = checked(base_url, concurrency, None, who="scorer 'server'")
    from tracegen.engines._posting import posted

    def read(payload: bytes, number: int) -> Said:
        return _said(json.loads(payload), rows[number], k, url)

    asked = {"max_tokens": 1, "temperature": 0.0, "prompt_logprobs": k}
    said = posted(
        [lambda row=row: {"prompt": row.ids, **asked} for row in rows],  # type: ignore[misc]
        read,
        base_url=url,
        model=teacher.path,
        who=teacher.name,
        api_key_env=api_key_env,
        concurrency=concurrency,
        timeout=timeout,
        max_retries=max_retries,
        patience=patience,
    )
    try:
        for number, found in said:
            yield rows[number], found
    except TracegenError as error:
        if "max allowed" in str(error):
            raise UsageError(f"{error} Start the server with --max-logprobs {k}.") from None
        raise


def _said(
    answer: dict[str, list[dict[str, list[dict[str, dict[str, float]] | None]]]], row: Asked, k: int, url: str
) -> Said:
    """From JSON, in which the entry of each token holds its top k and, where it is none of them, the token itself."""
    if (entries := answer["choices"][0].get("prompt_logprobs")) is None:
        raise UsageError(
            f"the server at {url} says nothing of a prompt's tokens (prompt_logprobs); take vLLM's server."
        )
    if len(entries) != len(row.ids):
        raise ValueError(f"{len(entries)} tokens are scored, and {len(row.ids)} were sent")
    ids, logprobs = [], []
    for place in row.places:
        pairs = [(int(token), entry["logprob"]) for token, entry in (entries[place + 1] or {}).items()]
        pairs.sort(key=lambda pair: -pair[1])
        ids.append([token for token, _ in pairs[:k]])
        logprobs.append([logprob for _, logprob in pairs[:k]])
    return Said(numpy.array(ids, numpy.int32), numpy.array(logprobs, numpy.float32))
