"""vLLM in this process: requests enter as room appears, completions leave as each finishes.

The chat template is rendered here, and the text of a completion begins with the thinking tag that the template wrote.
In flight are at most `max_num_seqs` requests and a quarter more, so that the model never waits for the consumer.
An answer that was cut off goes on from its own text (`_prefix`); an engine that dies is built again (`_revive`).
Limits: one model on one machine; text only. On the CPU: eager mode, no chunked prefill, 2 GiB of KV cache (each can be
changed through `engine_kwargs` or vLLM's own VLLM_CPU_KVCACHE_SPACE).
"""

import os
import time
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from importlib.util import find_spec
from typing import IO, TYPE_CHECKING, Any, cast

from tracegen import telemetry
from tracegen.engines._draw import IDLE, Stream, draw, refuse_unknown
from tracegen.engines._prefix import allowance, encoded
from tracegen.engines._revive import Answers, Died, revived
from tracegen.engines.auto import vllm_extra
from tracegen.records import Completion, MissingExtra, Request, UsageError

if TYPE_CHECKING:
    from vllm import LLM, RequestOutput, SamplingParams

__all__ = ["Prompts", "sampling_names", "sampling_params", "vllm"]

_GONE = "its process ended without a word, as one that was killed does"


def vllm(
    requests: Iterable[Request | None],
    *,
    model: str,
    max_num_seqs: int | None = None,
    max_model_len: int | None = None,
    engine_kwargs: Mapping[str, Any] | None = None,
) -> Iterator[tuple[Request, Completion]]:
    """vLLM in this process, on GPUs or on the CPU.

    `max_num_seqs` requests are worked on at once, in a context of `max_model_len` tokens (both vLLM's own choice by
    default); `engine_kwargs` holds any other argument of `vllm.LLM`. `sampling` may hold what `vllm.SamplingParams`
    takes, and without `max_tokens` the context is the limit.
    TracegenError if the model cannot be loaded, or dies again and again; closing the generator frees all memory.
    """
    if find_spec("vllm") is None:
        raise MissingExtra("vLLM", vllm_extra())
    named = {"model": model, "max_num_seqs": max_num_seqs, "max_model_len": max_model_len}
    engine_args = {name: value for name, value in named.items() if value is not None} | dict(engine_kwargs or {})
    yield from revived(requests, partial(_life, engine_args=engine_args))


def _life(requests: Iterator[Request | None], engine_args: Mapping[str, Any]) -> Answers:
    """A model from loading to freeing; `Died` if it dies in between."""
    if (drawn := draw(requests)) is None:
        return
    from tracegen.engines._core import prepare, running

    talkative = prepare()
    first, stream = drawn
    _check(first.sampling)
    with running(talkative=talkative, **engine_args) as (llm, log):
        try:
            yield from _answers(llm, Stream(stream), log)
        finally:
            # A model in this very process is freed on the way out, unless somebody still holds it.
            del llm


def _answers(llm: "LLM", stream: Stream, log: IO[bytes] | None) -> Answers:
    """Completions of a loaded model, as each finishes."""
    from vllm.v1.engine.exceptions import EngineDeadError

    from tracegen.engines._core import cause

    engine, prompts = llm.llm_engine, Prompts(llm)
    # What was complained of so far has not kept the model from loading.
    loaded = os.fstat(log.fileno()).st_size if log else 0
    seats = engine.vllm_config.scheduler_config.max_num_seqs
    seats += -(-seats // 4)
    in_flight: dict[str, tuple[Request, str]] = {}
    number = 0
    while stream.more or in_flight:
        for request in stream.while_room(lambda: len(in_flight) < seats):
            try:
                ids, begun = prompts.render(request)
                params = sampling_params({**request.sampling, "max_tokens": allowance(request)})
                engine.add_request(str(number), {"prompt_token_ids": ids}, params)
                in_flight[str(number)] = request, begun
                number += 1
            except EngineDeadError as error:
                raise Died(f"vLLM died: {cause(log, _GONE, since=loaded)}") from error
            except Exception as error:  # noqa: BLE001
                yield request, Completion(error=" ".join(str(error).split())[:300])
        if in_flight:
            try:
                outputs = engine.step()
            except Exception as error:
                # Processes of its own wrote their last words; in this one the exception says it all.
                apart = isinstance(error, EngineDeadError)
                why = cause(log, _GONE, since=loaded) if apart else cause(None, error)
                raise Died(f"vLLM died: {why}") from error
            for output in outputs:
                if output.finished:
                    request, begun = in_flight.pop(output.request_id)
                    telemetry.gauge(request.teacher, in_flight=len(in_flight), slots=seats)
                    yield request, _completion(cast("RequestOutput", output), request, begun)
        elif stream.idle:
            time.sleep(IDLE)


class Prompts:
    """Renders chat messages to token ids."""

    def __init__(self, llm: "LLM") -> None:
        self.tokenizer: Any = llm.get_tokenizer()
        self.limit: int = llm.llm_engine.vllm_config.model_config.max_model_len
        if not getattr(self.tokenizer, "chat_template", "unknown"):
            name = llm.llm_engine.vllm_config.model_config.model
            raise UsageError(f"the model {name} has no chat template; take an instruct model.")

    def render(self, request: Request) -> tuple[list[int], str]:
        """Token ids, and what the completion's text begins with. ValueError if the ids fill the context."""
        ids, rest, begun = encoded(self.tokenizer, request)
        if (length := len(ids) + len(rest)) >= self.limit:
            raise ValueError(f"the prompt has {length} tokens and the context only {self.limit}")
        return ids + rest, begun


def _check(sampling: Mapping[str, Any]) -> None:
    """UsageError for sampling that vLLM does not take; needs no model."""
    from vllm.exceptions import VLLMValidationError

    refuse_unknown("vllm", sampling, sampling_names())
    try:
        sampling_params(sampling)
    except (TypeError, ValueError, VLLMValidationError) as error:
        raise UsageError(f"engine 'vllm' cannot sample with {dict(sampling)}: {error}") from None


def sampling_names() -> set[str]:
    """What `sampling` may hold."""
    from vllm import SamplingParams

    internal = {"n", "output_kind", "skip_clone", "output_text_buffer_length", "detokenize", "stream_interval"}
    return {name for name in SamplingParams.__struct_fields__ if not name.startswith("_")} - internal


def sampling_params(sampling: Mapping[str, Any]) -> "SamplingParams":
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind

    return SamplingParams(**{"max_tokens": None, **sampling}, output_kind=RequestOutputKind.FINAL_ONLY)


def _completion(output: "RequestOutput", request: Request, begun: str) -> Completion:
    choice = output.outputs[0]
    if choice.finish_reason in ("abort", "error"):
        return Completion(error=f"vLLM gave the request up ({choice.finish_reason})")
    return Completion(
        text=begun + choice.text,
        finish_reason=choice.finish_reason,
        prompt_tokens=len(output.prompt_token_ids or ()),
        completion_tokens=len(choice.token_ids),
        prefix_tokens=request.prefix_tokens,
    )
