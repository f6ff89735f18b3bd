"""vLLM on a Ray cluster, through Ray Data's LLM processor: as many replicas as there is room for, each fed as it runs.

Each replica has a pipeline of its own (`tracegen.cluster`), so the loss of a node costs what was in flight there, which
is asked again on the others; a node that comes back is used again. Each request is a row of its own, so an answer is
handed out as soon as it is written. Prompts are rendered here, as engine `vllm` renders them.
Limits: text only; tracegen and the model must be found under the same name on every node; the loss of the node on which
tracegen runs ends the run, and the same command goes on. For TRACEGEN_RAY_LOG see `docs/scaling.md`.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from tracegen.cluster.session import check_address, connected, hush
from tracegen.engines._draw import IDLE, Stream, draw, refuse_unknown
from tracegen.engines._prefix import allowance, encoded
from tracegen.engines.auto import vllm_extra
from tracegen.engines.vllm import sampling_names
from tracegen.records import Completion, MissingExtra, Request, TracegenError, UsageError

if TYPE_CHECKING:
    from ray.data import Dataset

    from tracegen.cluster.pool import Pool

__all__ = ["ray"]

QUIET = {"VLLM_LOGGING_LEVEL": "ERROR", "VLLM_NO_USAGE_STATS": "1"}


def ray(
    requests: Iterable[Request | None],
    *,
    model: str,
    replicas: int = 1,
    address: str = "auto",
    max_num_seqs: int = 256,
    max_model_len: int | None = None,
    engine_kwargs: Mapping[str, Any] | None = None,
    resources: Mapping[str, float] | None = None,
    strategy: str = "PACK",
    runtime_env: Mapping[str, Any] | None = None,
    start_timeout: float = 1800.0,
    stall_timeout: float = 3600.0,
) -> Iterator[tuple[Request, Completion]]:
    """vLLM on a Ray cluster: `replicas` of the model, fed as they run; a lost node costs what was in flight there.

    `address` is auto, local, or the head's host:port. Each replica works on `max_num_seqs` requests at once; its
    `tensor_parallel_size` times `pipeline_parallel_size` (in `engine_kwargs`, which holds any other argument of vLLM)
    workers get `resources` each, by default a CPU and a GPU, placed by `strategy` (PACK, STRICT_PACK, SPREAD).
    A replica may wait `start_timeout` seconds for its place and its model, and `stall_timeout` may pass without an
    answer from it; then it counts as lost. TracegenError where no replica is left and none can be started.
    """
    _check(replicas, max_num_seqs, address)
    if (drawn := draw(requests)) is None:
        return
    from tracegen.cluster.feed import Feeder
    from tracegen.cluster.pool import Pool
    from tracegen.cluster.stream import Stream as Pipeline
    from tracegen.engines._core import prepare

    prepare()
    first, stream = drawn
    refuse_unknown("ray", first.sampling, sampling_names())
    engine_args = {"max_num_seqs": max_num_seqs, **_cpu_defaults(), **dict(engine_kwargs or {})}
    if max_model_len is not None:
        engine_args["max_model_len"] = max_model_len
    writer = _Writer(model, engine_args)
    workers = engine_args.get("tensor_parallel_size", 1) * engine_args.get("pipeline_parallel_size", 1)
    bundles = [dict(resources or _default_resources())] * workers
    environment = dict(runtime_env or {})
    environment["env_vars"] = QUIET | environment.get("env_vars", {})
    seats = max_num_seqs + -(-max_num_seqs // 4)
    stage = partial(_stage, model, engine_args, bundles, environment, seats)
    launch = partial(
        Pipeline,
        stage=stage,
        seats=seats,
        start_timeout=start_timeout,
        column="__data",
        bundles=bundles if workers > 1 else None,
        strategy=strategy,
    )
    what = f"replica of {model}"
    with connected(address):
        pool = Pool(
            launch, Feeder(), who=first.teacher, what=what, count=replicas, seats=seats, stall_timeout=stall_timeout
        )
        with closing(pool):
            yield from _answers(Stream(stream), writer, pool)


def _answers(drawing: Stream, writer: "_Writer", pool: "Pool") -> Iterator[tuple[Request, Completion]]:
    in_flight: dict[int, tuple[Request, str]] = {}
    number = 0
    while drawing.more or in_flight:
        for request in drawing.while_room(lambda: pool.room > 0):
            try:
                row, begun = writer.row(number, request)
            except Exception as error:  # noqa: BLE001
                yield request, Completion(error=" ".join(str(error).split())[:300])
                continue
            in_flight[number] = request, begun
            pool.give(number, {"__data": row})
            number += 1
        if not in_flight:
            time.sleep(IDLE)
            continue
        # While requests may come at any time, look for them as often as an engine that is idle does.
        for answered, back in pool.take(IDLE if drawing.idle else 10 * IDLE):
            request, begun = in_flight.pop(answered)
            if isinstance(back, str):
                yield request, Completion(error=back)
            else:
                yield request, writer.completion(request, begun, back)


class _Writer:
    """Requests become rows of Ray Data's LLM processor, and what comes back becomes completions."""

    def __init__(self, model: str, engine_args: Mapping[str, Any]) -> None:
        from transformers import AutoTokenizer, GenerationConfig

        hub = {name: engine_args[name] for name in ("revision", "trust_remote_code") if name in engine_args}
        try:
            self.tokenizer: Any = AutoTokenizer.from_pretrained(engine_args.get("tokenizer", model), **hub)
        except (OSError, ValueError) as error:
            raise TracegenError(
                f"no tokenizer could be loaded from {model}: {' '.join(str(error).split())[:300]}"
            ) from None
        if not self.tokenizer.chat_template:
            raise UsageError(f"the model {model} has no chat template; take an instruct model.")
        try:
            ends = GenerationConfig.from_pretrained(model, **hub).eos_token_id
        except OSError:
            ends = None
        self.ends = {self.tokenizer.eos_token_id, *(ends if isinstance(ends, list) else [ends])} - {None}

    def row(self, number: int, request: Request) -> tuple[dict[str, Any], str]:
        """The row, and what the text of the completion begins with."""
        ids, rest, begun = encoded(self.tokenizer, request)
        sampling = {**request.sampling, "max_tokens": allowance(request)}
        sampling = {name: value for name, value in sampling.items() if value is not None}
        return {"number": number, "tokenized_prompt": ids + rest, "sampling_params": sampling}, begun

    def completion(self, request: Request, begun: str, row: Mapping[str, Any]) -> Completion:
        if error := row["__inference_error__"]:
            return Completion(error=" ".join(error.split())[:300])
        return Completion(
            text=begun + row["generated_text"],
            finish_reason="stop" if self._stopped(request.sampling, list(row["generated_tokens"])) else "length",
            prompt_tokens=int(row["num_input_tokens"]),
            completion_tokens=int(row["num_generated_tokens"]),
            prefix_tokens=request.prefix_tokens,
        )

    def _stopped(self, sampling: Mapping[str, Any], tokens: list[int]) -> bool:
        """Whether the model ended by itself: the processor does not hand on vLLM's `finish_reason`."""
        ends = set(sampling.get("stop_token_ids") or ()) | (set() if sampling.get("ignore_eos") else self.ends)
        if not tokens or tokens[-1] in ends:
            return True
        stop = sampling.get("stop") or ()
        text = self.tokenizer.decode(tokens, skip_special_tokens=True) if stop else ""
        return any(string in text for string in ([stop] if isinstance(stop, str) else stop))


def _stage(
    model: str,
    engine_args: Mapping[str, Any],
    bundles: list[dict[str, float]],
    environment: Mapping[str, Any],
    seats: int,
    source: "Dataset",
    replica: Mapping[str, Any],
) -> "Dataset":
    """Ray Data's LLM processor behind the source, its one engine created and named by the stream."""
    from ray.data.llm import build_processor, vLLMEngineProcessorConfig

    hush()
    config = vLLMEngineProcessorConfig(
        model_source=model,
        engine_kwargs=dict(engine_args),
        concurrency=(1, 1),
        batch_size=1,
        max_concurrent_batches=seats,
        max_tasks_in_flight_per_actor=seats,
        max_pending_requests=seats,
        should_continue_on_error=True,
        log_engine_metrics=False,
        runtime_env=dict(environment),
        placement_group_config={"bundles": [dict(bundle) for bundle in bundles]},
        chat_template_stage=False,
        tokenize_stage=False,
        detokenize_stage=False,
    )
    processor = build_processor(config)
    # Rows come and go in the processor's own shape: tasks that only reshape them would need workers of their own.
    processor.preprocess = processor.postprocess = None
    engine = processor.get_stage_by_name("vLLMEngineStage")
    engine.map_batches_kwargs.update({name: value for name, value in replica.items() if name != "batch_size"})
    return processor(source)


def _check(replicas: int, max_num_seqs: int, address: str) -> None:
    if find_spec("vllm") is None:
        raise MissingExtra("vLLM", vllm_extra())
    check_address(address)
    for name, value in {"replicas": replicas, "max_num_seqs": max_num_seqs}.items():
        if value < 1:
            raise UsageError(f"engine 'ray' needs {name} of at least 1, not {value}.")


def _on_cpu() -> bool:
    from vllm.platforms import current_platform

    return bool(current_platform.is_cpu())


def _cpu_defaults() -> dict[str, Any]:
    from tracegen.engines._core import CACHE_ON_CPU, cpu_defaults

    # What this process' environment says of the cache is not said on other nodes.
    return {"kv_cache_memory_bytes": CACHE_ON_CPU} | cpu_defaults() if _on_cpu() else {}


def _default_resources() -> dict[str, float]:
    return {"CPU": 1} if _on_cpu() else {"CPU": 1, "GPU": 1}
