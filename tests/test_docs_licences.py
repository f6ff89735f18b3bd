"""What docs/licences.md and docs/exports.md show is what there is."""

import re
from collections import deque
from pathlib import Path

import pytest
import yaml

from tracegen import for_trainers, known_terms, registry, terms
from tracegen.licences import derive, goes_into
from tracegen.recipe import Teacher
from tracegen.records import UsageError

DOCS = Path(registry.__file__).parents[1] / "docs"
LICENCES, EXPORTS = ((DOCS / name).read_text(encoding="utf-8") for name in ("licences.md", "exports.md"))


def test_the_filters_of_the_page_are_filters() -> None:
    (block,) = re.findall(r"^```yaml\nfilters:\n(.*?)^```", LICENCES, re.MULTILINE | re.DOTALL)
    shown = [yaml.safe_load(line.strip().removeprefix("# ")) for line in block.splitlines()]
    assert len(shown) == 4
    for entry in shown:
        function = registry.bind("filter", "licence", entry["licence"], problems={}, teachers={})
        deque(function(()), maxlen=0)


def test_the_sentence_of_the_page_is_the_one_that_is_said() -> None:
    (shown,) = re.findall(r"^tracegen: the corpus may not be published: (.*?)^```", LICENCES, re.MULTILINE | re.DOTALL)
    (conflict,) = derive([("source 'a'", "cc-by-sa-4.0"), ("source 'b'", "cc-by-nc-4.0")]).conflicts
    assert " ".join(shown.split()) == f"{conflict}, and run `tracegen curate` again."


@pytest.mark.parametrize(
    ("part", "whole", "fits"),
    [
        ("mit", "cc-by-4.0", True),
        ("cc-by-4.0", "mit", False),
        ("cc-by-sa-4.0", "gpl-3.0", True),
        ("cc-by-nc-4.0", "cc-by-nc-sa-4.0", True),
        ("cc-by-nc-4.0", "cc-by-sa-4.0", False),
        ("cc-by-nd-4.0", "cc-by-nd-4.0", False),
        ("house-terms", "house-terms", True),
    ],
)
def test_the_table_of_the_page(part: str, whole: str, fits: bool) -> None:
    assert goes_into(part, whole) is fits


def test_what_the_page_says_of_well_known_teachers() -> None:
    assert terms.of(Teacher(model="deepseek-ai/DeepSeek-R1"))[:2] == ("mit", True)
    forbidden = [known_terms.of_licence(name) for name in ("llama2", "llama3")]
    assert [entry and entry.may_train for entry in forbidden] == [False, False]
    assert all(known_terms.of_licence(f"llama{n}").name_begins == "Llama" for n in ("3.1", "3.2", "3.3", "4"))  # type: ignore[union-attr]
    assert {entry.host for entry in known_terms.table()["services"] if entry.may_train is False} == {
        "api.openai.com",
        "api.anthropic.com",
        "generativelanguage.googleapis.com",
        "api.x.ai",
    }
    assert terms.of(Teacher(model="x", options={"base_url": "https://api.deepseek.com"})).may_train is True


def test_the_exports_of_the_page_are_those_that_there_are() -> None:
    commands = re.findall(r"^tracegen export .*?--out \S+(.*?)(?:\s+#|$)", EXPORTS, re.MULTILINE)
    given = [dict(zip(words[::2], words[1::2], strict=True)) for words in map(str.split, commands)]
    for options in given:
        for_trainers.check(options.get("--format", "messages"), options.get("--thinking", "tags"))
    assert {options.get("--format", "messages") for options in given} == set(for_trainers.FORMATS)
    listed = re.findall(r"^\| `(\w+)`", EXPORTS, re.MULTILINE)
    assert listed == [*for_trainers.FORMATS, *for_trainers.THINKING]
    for format in ("sharegpt", "openai"):
        with pytest.raises(UsageError, match="has no field for the thinking"):
            for_trainers.check(format, "field")
