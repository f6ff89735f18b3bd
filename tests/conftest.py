"""Fixtures that several folders of tests share."""

import os
import sys

import pytest
import tiny

# Nothing listens there: no test reaches the Hub, and decontamination knows at once that it cannot.
os.environ.setdefault("HF_ENDPOINT", "http://127.0.0.1:9")


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory):
    """A tiny Llama in an ordinary Hugging Face folder."""
    return tiny.model(tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture
def call(monkeypatch, capsys):
    """Run the command line in this process; returns exit status, stdout, stderr."""
    from tracegen import cli

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["tracegen", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        return stopped.value.code, *capsys.readouterr()

    return run
