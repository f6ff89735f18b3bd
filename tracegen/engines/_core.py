"""Starts and stops vLLM so that it fits into a command-line program: quiet, and unmoved by Ctrl-C.

`running(**engine_args)` gives a `vllm.LLM`; on the way out, and even if this process is killed, its processes go too.
Where the user has not set VLLM_LOGGING_LEVEL, what vLLM and its processes print goes into a temporary file, and the
cause of a failure is read from there.
"""

import logging
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import fields
from difflib import get_close_matches
from multiprocessing import connection, resource_tracker
from multiprocessing.process import BaseProcess
from typing import IO, TYPE_CHECKING, Any

from tracegen.records import TracegenError, UsageError

if TYPE_CHECKING:
    from vllm import LLM

__all__ = ["CACHE_ON_CPU", "cause", "cpu_defaults", "prepare", "running"]

CACHE_ON_CPU = 2 << 30
"""vLLM's own default is most of the machine's memory, which a GPU has to itself and a CPU has not."""
_CAUSE = re.compile(r"\b\w+(?:Error|Exception): .+|(?<=: )error: .+")
_SHOW = "(VLLM_LOGGING_LEVEL=INFO shows all that it prints)"


def prepare() -> bool:
    """Import vLLM with quiet settings where the user has none; True if the user wants to see its output."""
    talkative = os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR") != "ERROR"
    os.environ.setdefault("VLLM_LOGGING_STREAM", "ext://sys.stderr")
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    with tempfile.TemporaryFile() as log, _output_into(None if talkative else log):
        # vllm itself is lazy: only a name brings in what prints.
        from vllm import LLM, EngineArgs, SamplingParams  # noqa: F401
    if not talkative:
        # Where a step fails in this process, it would print its whole configuration and every request.
        logging.getLogger("vllm.logging_utils.dump_input").setLevel(logging.CRITICAL)
    return talkative


@contextmanager
def running(*, talkative: bool, **engine_args: Any) -> Iterator[tuple["LLM", IO[bytes] | None]]:
    """A loaded model, and the file that takes the output of its processes. UsageError for an unknown argument."""
    from vllm import EngineArgs
    from vllm.distributed.parallel_state import cleanup_dist_env_and_memory
    from vllm.platforms import current_platform

    allowed = [field.name for field in fields(EngineArgs)]
    for name in engine_args:
        if name not in allowed:
            near = ", ".join(get_close_matches(name, allowed)) or "see vllm.EngineArgs"
            raise UsageError(f"vLLM has no engine argument {name!r}; it takes {near}.")
    if current_platform.is_cpu():
        # In a process of its own the engine waits for its worker in a busy loop, on a core that the model needs.
        os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
        engine_args = cpu_defaults() | engine_args
    with tempfile.TemporaryFile() as file:
        log = None if talkative else file
        others = _cores()
        llm = _load({"use_tqdm_on_load": talkative, "disable_log_stats": True} | engine_args, log, others)
        cores = _cores() - others
        if cores:
            threading.Thread(target=_say_when_dead, args=(llm, cores), daemon=True).start()
        try:
            with _ended_with_us(cores):
                yield llm, log
        finally:
            llm.llm_engine.engine_core.shutdown()
            _end(cores)
            del llm
            if not cores:
                cleanup_dist_env_and_memory()


def cpu_defaults() -> dict[str, Any]:
    """The engine arguments that suit vLLM's CPU build, where the user says nothing else."""
    # The CPU build cannot go on with a seeded request whose prompt was split.
    defaults: dict[str, Any] = {"enforce_eager": True, "enable_chunked_prefill": False}
    # Prompts share what they begin with by whole blocks; the default, 128 tokens, shares little of a short one.
    defaults["block_size"] = 32
    if "VLLM_CPU_KVCACHE_SPACE" not in os.environ:
        defaults["kv_cache_memory_bytes"] = CACHE_ON_CPU
    return defaults


def _load(engine_args: dict[str, Any], log: IO[bytes] | None, others: set[BaseProcess]) -> "LLM":
    from vllm import LLM

    here = os.environ.get("VLLM_ENABLE_V1_MULTIPROCESSING") == "0"
    try:
        with _output_into(log):
            return LLM(**engine_args) if here else _load_apart(engine_args, others)
    except Exception as error:
        raise TracegenError(f"vLLM could not load {engine_args['model']}: {cause(log, error)} {_SHOW}") from error


def _load_apart(engine_args: dict[str, Any], others: set[BaseProcess]) -> "LLM":
    """A model with processes of its own, loaded in a thread that keeps Ctrl-C from them but not from this thread."""
    from vllm import LLM

    # Starting the tracker unblocks SIGINT in the thread that starts it, so it must not be the loading one.
    resource_tracker.ensure_running()
    # Processes inherit the mask. Otherwise the terminal's Ctrl-C ends them before their parent has said goodbye.
    with ThreadPoolExecutor(1, "vllm-load", signal.pthread_sigmask, (signal.SIG_BLOCK, {signal.SIGINT})) as loader:
        loading = loader.submit(LLM, **engine_args)
        try:
            return loading.result()
        except BaseException:
            while not loading.done():
                _end(_cores() - others)
                time.sleep(0.1)
            raise


def cause(log: IO[bytes] | None, otherwise: object, *, since: int = 0) -> str:
    """What is wrong, in a sentence: the last cause in the processes' output if there is any."""
    found: list[str] = []
    if log is not None:
        log.seek(since)
        found = [line for line in _CAUSE.findall(log.read().decode(errors="replace")) if "EngineCore" not in line]
    raised = isinstance(otherwise, BaseException)
    text = found[-1] if found else f"{type(otherwise).__name__}: {otherwise}" if raised else str(otherwise)
    return " ".join(text.split())[:400]


def _say_when_dead(llm: "LLM", cores: set[BaseProcess]) -> None:
    """Whoever waits for the next output of a process that was killed from outside would wait for ever."""
    from vllm.v1.engine.exceptions import EngineDeadError

    outputs = llm.llm_engine.engine_core.outputs_queue  # type: ignore[attr-defined]
    connection.wait([core.sentinel for core in cores])
    outputs.put_nowait(EngineDeadError())


@contextmanager
def _ended_with_us(cores: set[BaseProcess]) -> Iterator[None]:
    """vLLM's processes do not notice that their parent was killed, and would keep their memory: a shell watches."""
    if not cores:
        yield
        return
    command = ["sh", "-c", 'read -r _; kill -9 "$@" 2>/dev/null', "sh", *(str(core.pid) for core in cores)]
    watcher = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
    try:
        yield
    finally:
        watcher.kill()
        watcher.communicate()


def _cores() -> set[BaseProcess]:
    """vLLM's processes that this one has started and that still run; each has started more."""
    return {process for process in multiprocessing.active_children() if process.name.startswith("EngineCore")}


def _end(processes: set[BaseProcess]) -> None:
    """End the processes with all that they have started, and reap them."""
    from vllm.utils.system_utils import kill_process_tree

    for process in processes:
        if process.pid is not None and process.is_alive():
            kill_process_tree(process.pid)
        process.join(5)


@contextmanager
def _output_into(log: IO[bytes] | None) -> Iterator[None]:
    """What this process and those it starts print goes into the file; None leaves it alone."""
    if log is None:
        yield
        return
    sys.stdout.flush()
    sys.stderr.flush()
    saved = os.dup(1), os.dup(2)
    try:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, copy in zip((1, 2), saved, strict=True):
            os.dup2(copy, number)
            os.close(copy)
