"""Fixtures that several folders of tests share."""

import pytest
import tiny


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory):
    """A tiny Llama in an ordinary Hugging Face folder."""
    return tiny.model(tmp_path_factory.mktemp("tiny") / "model")
