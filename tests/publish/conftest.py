"""A Hub on loopback, a corpus on disk, and a recipe that may publish it."""

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import test_corpus
from fake_hub import FakeHub

from tracegen.publish import corpus_parcel, send
from tracegen.recipe import Recipe

REPO = "someone/sums"
CLEAN = {
    "rows": [{"filter": "decontaminate", "before": 3, "after": 3, "reasons": {}}],
    "traces": 3,
    "kept": 3,
}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeHub]:
    """A hub that this process talks to; what the client read when it was imported is set here as well."""
    from huggingface_hub import constants

    with FakeHub() as hub:
        for name, value in hub.environment(tmp_path / "home").items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "home" / "token"))
        yield hub


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that were waited, in no time."""
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", waited.append)
    return waited


@pytest.fixture
def recipe() -> Recipe:
    return Recipe.model_validate(
        {
            "name": "small",
            "prompt": "math",
            "problems": {"source": "jsonl", "path": "sums.jsonl"},
            "teachers": {"smol": {"model": "embedded", "terms": {"licence": "apache-2.0", "may_train": True}}},
        }
    )


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Path]:
    """Write the corpus of a run; `changes` as in test_corpus."""

    def make(**changes: Any) -> Path:
        return test_corpus.corpus(tmp_path / "run" / "corpus", **{"funnel": CLEAN, **changes})

    return make


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus that nobody changes."""
    return test_corpus.corpus(tmp_path_factory.mktemp("written") / "corpus", funnel=CLEAN)


@pytest.fixture
def corpus(written: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "run" / "corpus"
    shutil.copytree(written, folder)
    (folder / "stage.json").write_text("{}")
    (folder / "notes.txt").write_text("at home")
    return folder


@pytest.fixture
def publish(corpus: Path, recipe: Recipe) -> Callable[..., Any]:
    """Publish the corpus as it stands now."""

    def publish(repo: str = REPO, *, private: bool = False, **options: Any) -> Any:
        return send(corpus_parcel(corpus, repo, recipe, **options), private=private)

    return publish
