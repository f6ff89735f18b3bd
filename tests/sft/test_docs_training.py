"""The page on training says what there is: its recipes load, its table of reasons is the table."""

import re
from pathlib import Path

import pytest
import yaml

pytest.importorskip("trl")

from sft.hygiene import REASONS
from sft.ordering import check
from tracegen.student import Student

PAGE = (Path(__file__).parents[2] / "docs" / "training.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS)
def test_every_fragment_is_a_student(block: str) -> None:
    tree = yaml.safe_load(block)
    if "student" in tree:
        student = Student.model_validate(tree["student"])
        check(student.order, student.weights, student.trainer)


def test_there_are_fragments() -> None:
    assert sum("student:" in block for block in BLOCKS) >= 2


def test_every_reason_is_explained() -> None:
    section = PAGE.partition("| dropped as |")[2].partition("\n\n")[0]
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == list(REASONS)
