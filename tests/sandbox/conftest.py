"""One sandbox for all of these tests; where the machine cannot have one, they say so and are skipped."""

from collections.abc import Iterator

import pytest

from tracegen.records import UsageError
from tracegen.sandbox import Sandbox


@pytest.fixture(scope="session")
def box() -> Iterator[Sandbox]:
    try:
        sandbox = Sandbox()
    except UsageError as error:
        pytest.skip(str(error))
    with sandbox:
        yield sandbox
