"""What a vLLM server says of its own queue (`/metrics`), for it never answers 429.

Names: `vllm:num_requests_waiting`, `vllm:num_requests_running`, `vllm:kv_cache_usage_perc` (`vllm:gpu_cache_usage_perc`
before 0.9), `vllm:num_preemptions_total`, `vllm:prompt_tokens_total`, `vllm:generation_tokens_total`. Of several
engines behind one address the numbers are added up; the fullest cache counts.
"""

import re
from typing import NamedTuple

__all__ = ["Queue", "read_metrics"]

_LINE = re.compile(
    r"^vllm:(num_requests_(?:waiting|running)|(?:kv|gpu)_cache_usage_perc|num_preemptions_total"
    r"|(?:prompt|generation)_tokens_total)(?:\{[^}]*\})? (\S+)",
    re.MULTILINE,
)


class Queue(NamedTuple):
    """The load inside the server."""

    waiting: float
    kv_cache: float
    """Use of the cache, 0 to 1."""
    preempted: float
    """Requests that were thrown out of the cache and began anew, since the server's start."""
    running: float = 0.0
    tokens: float = 0.0
    """Read and written since the server's start."""


def read_metrics(page: str) -> Queue | None:
    """None where the page is not vLLM's."""
    found: dict[str, list[float]] = {}
    for name, value in _LINE.findall(page):
        found.setdefault(name, []).append(float(value))
    if "num_requests_waiting" not in found:
        return None
    cache = found.get("kv_cache_usage_perc") or found.get("gpu_cache_usage_perc") or [0.0]

    def total(*names: str) -> float:
        return sum(value for name in names for value in found.get(name, ()))

    return Queue(
        total("num_requests_waiting"),
        max(cache),
        total("num_preemptions_total"),
        total("num_requests_running"),
        total("prompt_tokens_total", "generation_tokens_total"),
    )
