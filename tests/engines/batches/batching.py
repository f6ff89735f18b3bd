"""How the engine of Batch endpoints is asked in its tests, and how it is stopped while all is at the server."""

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import asking
import pytest
from fake_batches import FakeBatches

from tracegen import registry
from tracegen.records import Request

requests = partial(asking.requests, problem="What is {} + 1?", temperature=1.0, max_tokens=50)


def engine(server: FakeBatches, folder: Path | None = None, **options: Any) -> Any:
    given = {"base_url": server.base_url, "gather_seconds": 0.05, "poll_seconds": 0.02, **options}
    return registry.bind("engine", "batch_api", given, model="fake", folder=folder)


def ask(server: FakeBatches, asked: Iterable[Request | None], folder: Path | None = None, **options: Any) -> Any:
    return {request.key: completion for request, completion in engine(server, folder, **options)(asked)}


def leave_running(server: FakeBatches, asked: list[Request], folder: Path | None, **options: Any) -> None:
    """Begin, and stop as soon as all is at the server."""
    server.looks = 10**6
    drawn = 0

    def stream() -> Iterator[Request | None]:
        nonlocal drawn
        for request in asked:
            drawn += 1
            yield request
        while True:
            if sum(server.asked.values()) == len(asked):
                raise KeyboardInterrupt
            yield None

    with pytest.raises(KeyboardInterrupt):
        list(engine(server, folder, **options)(stream()))
    server.looks = 1
    for batch in server.batches.values():
        batch["looks"] = 1
