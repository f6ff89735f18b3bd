"""A server of batches for each test, short waits, and what the user is told."""

from collections.abc import Iterator

import pytest
from fake_batches import FakeBatches


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits are short here."""
    monkeypatch.setattr("tracegen.engines._running._FIRST_LOOK", 0.01)
    monkeypatch.setattr("tracegen.engines._batches.random.uniform", lambda low, high: 0.02)


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the user is told."""
    lines: list[str] = []
    monkeypatch.setattr("tracegen.engines._orders.say", lines.append)
    monkeypatch.setattr("tracegen.engines._lines.say", lines.append)
    return lines


@pytest.fixture
def server() -> Iterator[FakeBatches]:
    with FakeBatches() as server:
        yield server
