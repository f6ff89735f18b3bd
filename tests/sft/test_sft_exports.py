"""What is exported for other trainers is a chat to TRL, in either shape."""

import json
from pathlib import Path
from typing import Any

import pytest
import test_corpus

from tracegen import for_trainers
from tracegen.corpus import shards_of
from tracegen.recipe import Recipe

data_utils = pytest.importorskip("trl.data_utils")
RECIPE = Recipe.model_validate(
    {
        "name": "small",
        "problems": {"source": "jsonl", "path": "p.jsonl"},
        "prompt": "math",
        "teachers": {"smol": {"model": "embedded"}},
        "corpus": {"licence": "cc-by-4.0"},
    }
)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return test_corpus.corpus(tmp_path_factory.mktemp("run") / "corpus")


def exported(corpus: Path, out: Path, format: str) -> list[dict[str, Any]]:
    for_trainers.write(corpus, out, recipe=RECIPE, format=format, quiet=True)
    return [json.loads(line) for line in (out / "train.jsonl").read_text(encoding="utf-8").splitlines()]


def test_messages_are_conversational(corpus: Path, tmp_path: Path) -> None:
    rows = exported(corpus, tmp_path, "messages")
    assert len(rows) == 3
    assert all(data_utils.is_conversational(row) for row in rows)


def test_sharegpt_is_turned_into_the_same_chats(corpus: Path, tmp_path: Path) -> None:
    import pyarrow.parquet as parquet

    chats = [data_utils.maybe_convert_to_chatml(row)["messages"] for row in exported(corpus, tmp_path, "sharegpt")]
    kept = parquet.read_table(shards_of(corpus)[0])["messages"].to_pylist()
    assert [[turn["content"] for turn in chat] for chat in chats] == [[turn["content"] for turn in row] for row in kept]
    assert {turn["role"] for chat in chats for turn in chat} == {"human", "gpt"}
