"""Croissant metadata, read by the library of those who made the format."""

import json
from pathlib import Path

import mlcroissant
import pytest
import test_corpus

from tracegen.corpus import CONFIGS
from tracegen.publish_card import croissant


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A corpus whose metadata is as it is published."""
    folder = test_corpus.corpus(tmp_path)
    text = croissant((folder / "croissant.json").read_text(), "someone/sums", 3, "2026-11-22")
    (folder / "croissant.json").write_text(text)
    return folder


def test_it_is_valid_without_a_warning(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    metadata = mlcroissant.Dataset(jsonld=folder / "croissant.json").metadata
    assert not metadata.issues.errors
    assert not metadata.issues.warnings
    assert not caplog.records
    assert (metadata.name, metadata.version, metadata.license) == ("small", "3.0.0", ["cc-by-4.0"])
    assert metadata.url == "https://huggingface.co/datasets/someone/sums"
    assert {records.id: len(records.fields) for records in metadata.record_sets} == {
        config: len(columns) for config, columns in CONFIGS.items()
    }


def test_its_records_are_the_rows(folder: Path) -> None:
    data = mlcroissant.Dataset(jsonld=folder / "croissant.json", mapping={"repository": folder})
    rows = list(data.records("curated"))
    assert [row["curated/key"].decode() for row in rows] == ["add-1-0", "add-1-3", "pipe-2-1"]
    assert rows[0]["curated/tokens"] == 10
    assert rows[1]["curated/messages"] == [
        {"curated/messages/role": b"user", "curated/messages/content": b"What is 2 + 3?"},
        {
            "curated/messages/role": b"assistant",
            "curated/messages/content": b"<think>\n2 + 3 = 5\n</think>\n\n\\boxed{5}",
        },
    ]
    assert len(list(data.records("problems"))) == 2


def test_what_lies_on_a_disk_says_so(tmp_path: Path) -> None:
    tree = json.loads((test_corpus.corpus(tmp_path) / "croissant.json").read_text())
    assert tree["url"] == tree["distribution"][0]["contentUrl"] == "path/to/this/folder"
