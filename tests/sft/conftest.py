"""What the trainings of tiny models share: one thread, a corpus, a student, a teacher. Nothing writes to them.

torch is imported where it is used: where it is not installed, the tests here say so and are left out.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Threads that wait for one another cost more than tiny matrices do."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shared")


@pytest.fixture(scope="session")
def corpus(shared: Path) -> str:
    import small

    return small.corpus(shared / "corpus.jsonl")


@pytest.fixture(scope="session")
def base(shared: Path) -> str:
    import small

    return small.model(shared / "base")


@pytest.fixture(scope="session")
def teacher(shared: Path) -> str:
    """Wider and deeper than the student."""
    import small

    return small.model(shared / "teacher", **small.LARGER)


@pytest.fixture(scope="module")
def tokenizer(base: str) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(base)


@pytest.fixture(scope="module")
def read(corpus: str, tokenizer: Any) -> list[Any]:
    """The corpus as rows of token ids."""
    from sft.mixture import rows

    return rows(corpus, tokenizer, max_length=1024)[0]
