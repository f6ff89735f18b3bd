"""Requests for the tests of the engine `vllm_server`, and a script that takes the place of vLLM's server."""

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tracegen.engines import _serving
from tracegen.engines.vllm_server import vllm_server
from tracegen.records import Completion, Request

SCRIPT = Path(__file__).parent / "scripted_vllm.py"


def script(model: str, options: Mapping[str, Any]) -> list[str]:
    """The script's command line, with the arguments that the real server would be given."""
    return [sys.executable, str(SCRIPT), *_serving.arguments(model, options)[3:]]


def requests(count: int, words: Mapping[int, str] | None = None) -> list[Request]:
    return [
        Request(
            f"k{n}",
            f"p{n}",
            "t",
            0,
            ({"role": "user", "content": (words or {}).get(n, f"say {n}")},),
            {"seed": n, "max_tokens": 30},
        )
        for n in range(count)
    ]


def answers(asked: Iterable[Request | None], **options: Any) -> dict[str, Completion]:
    found: dict[str, Completion] = {}
    for request, completion in vllm_server(asked, model="m", **options):
        assert request.key not in found
        found[request.key] = completion
    return found
