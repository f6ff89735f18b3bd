"""A teacher in vLLM: rows enter as room appears, each as a prompt whose log-probabilities are asked for.

vLLM scores token i + 1 in row i + 1 of what it returns, and puts the token that stands there before the top k.
Memory: logits of `chunk` tokens at once. vLLM cuts a long row itself and keeps its cache from chunk to chunk, so the
context of each is all that stands before it, and none is computed twice.
Limits: one machine; a row may take the whole context but for one token.
"""

from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from typing import IO, TYPE_CHECKING, Any, cast

import numpy

from sft.scorers import Asked, Said
from tracegen.engines.auto import vllm_extra
from tracegen.models import Model
from tracegen.records import MissingExtra, TracegenError

if TYPE_CHECKING:
    from vllm import LLM, RequestOutput

CHUNK = 2048
"""Tokens; the logits of so many take 1.2 GB in float32 for a vocabulary of 150,000."""


def vllm(
    rows: Sequence[Asked],
    teacher: Model,
    k: int,
    *,
    chunk: int = CHUNK,
    engine_kwargs: Mapping[str, Any] | None = None,
) -> Iterator[tuple[Asked, Said]]:
    """vLLM in this process; `engine_kwargs` holds any argument of `vllm.LLM`, `chunk` bounds the tokens of a step."""
    if find_spec("vllm") is None:
        raise MissingExtra("vLLM", vllm_extra())
    from tracegen.engines._core import prepare, running

    talkative = prepare()
    longest = max(len(row.ids) for row in rows)
    ours = {
        "model": teacher.path,
        "revision": teacher.revision,
        "max_model_len": longest + 1,
        "max_num_batched_tokens": chunk,
        "max_num_seqs": min(256, chunk),
        "enable_chunked_prefill": True,
        # What a prompt's log-probabilities are asked of is read whole, whatever of it is cached.
        "enable_prefix_caching": False,
        "max_logprobs": -1,
        "logprobs_mode": "raw_logprobs",
    }
    with running(talkative=talkative, **ours | dict(engine_kwargs or {})) as (llm, log):
        try:
            yield from _scored(llm, rows, k, log)
        finally:
            del llm


def _scored(llm: "LLM", rows: Sequence[Asked], k: int, log: IO[bytes] | None) -> Iterator[tuple[Asked, Said]]:
    from vllm import SamplingParams
    from vllm.exceptions import VLLMError
    from vllm.sampling_params import RequestOutputKind

    from tracegen.engines._core import cause

    engine = llm.llm_engine
    k = min(k, engine.vllm_config.model_config.get_vocab_size())
    params = SamplingParams(
        max_tokens=1,
        temperature=0.0,
        prompt_logprobs=k,
        flat_logprobs=True,
        detokenize=False,
        output_kind=RequestOutputKind.FINAL_ONLY,
    )
    # One more than are worked on, so that none of the seats is ever empty.
    seats = engine.vllm_config.scheduler_config.max_num_seqs + 1
    waiting, in_flight = iter(rows), dict[str, Asked]()
    more = True
    while more or in_flight:
        try:
            while more and len(in_flight) < seats:
                if (row := next(waiting, None)) is None:
                    more = False
                    break
                engine.add_request(str(row.number), {"prompt_token_ids": row.ids}, params)
                in_flight[str(row.number)] = row
            outputs = engine.step()
        except (RuntimeError, ValueError, VLLMError) as error:
            raise TracegenError(f"vLLM could not score the rows: {cause(log, error)}") from error
        for output in outputs:
            if output.finished:
                row = in_flight.pop(output.request_id)
                yield row, _said(cast("RequestOutput", output).prompt_logprobs, row, k)


def _said(flat: Any, row: Asked, k: int) -> Said:
    """From vLLM's flat lists, in which each token but the first has k + 1 entries."""
    shape = len(row.ids) - 1, k + 1
    ids = numpy.asarray(flat.token_ids, numpy.int32).reshape(shape)
    logprobs = numpy.asarray(flat.logprobs, numpy.float32).reshape(shape)
    return Said(ids[row.places, 1:], logprobs[row.places, 1:])
