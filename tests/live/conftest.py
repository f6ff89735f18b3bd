"""What one test's engines said is no other test's."""

import pytest

from tracegen import telemetry


@pytest.fixture(autouse=True)
def silence():
    telemetry.forget()
