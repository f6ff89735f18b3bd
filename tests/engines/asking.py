"""Requests for the tests of engines, and how the engine `openai` is asked them of a fake server."""

from typing import Any

from fake_server import FakeServer

from tracegen.engines.openai import openai
from tracegen.records import Completion, Request


def requests(
    count: int,
    *,
    problem: str = "problem {}",
    prefix: str = "",
    prefix_tokens: int = 0,
    forced: int = 0,
    **sampling: Any,
) -> list[Request]:
    """So many problems, each with a number and a seed of its own."""
    return [
        Request(
            key=f"k{number}",
            problem_id=f"p{number}",
            teacher="t",
            sample=0,
            messages=({"role": "user", "content": problem.format(number)},),
            sampling={"seed": number} | sampling,
            prefix=prefix,
            prefix_tokens=prefix_tokens,
            forced=forced,
        )
        for number in range(count)
    ]


def ask(server: FakeServer, asked: list[Request], **options: Any) -> dict[str, Completion]:
    """The completions by the requests' keys."""
    options = {"model": "fake", "base_url": server.base_url, "timeout": 10.0} | options
    return {request.key: completion for request, completion in openai(asked, **options)}
