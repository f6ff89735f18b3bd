"""docs/watching.md names every field, event and metric that there is, and no metric that there is not."""

import re
from itertools import product
from pathlib import Path

import told

from tracegen import live, status
from tracegen.live.metrics import HELP
from tracegen.live.record import Record
from tracegen.live.tally import Tally
from tracegen.progress import Bar

PAGE = (Path(live.__file__).parents[2] / "docs" / "watching.md").read_text(encoding="utf-8")
WORDS = set(re.findall(r"`(\w+)`", PAGE))
BY_NAME = {"teachers", "verdicts", "traces", "errors"}
"""Fields whose keys are names of a run's own, not of ours."""


def fields(figures):
    for name, value in figures.items():
        yield name
        if isinstance(value, dict) and name not in BY_NAME:
            yield from fields(value)


def test_every_figure_is_described(tmp_path):
    figures = told.watch().figures()
    assert {*fields(figures), *fields(figures["teachers"]["smol"])} - WORDS == set()
    assert {*fields(Bar("train", 3, "steps").figures()), *fields(Record(tmp_path).document())} - WORDS == set()


def test_every_field_of_status_is_described(tmp_path):
    (tmp_path / "recipe.yaml").write_text("name: t\nteachers: {smol: {model: m}}\n")
    (tmp_path / "traces").mkdir()
    assert set(fields(status.look(tmp_path))) - WORDS == set()


def test_the_metrics_are_those_that_there_are():
    shown = set()
    for name in re.findall(r"^\| (.*?) \|", PAGE.split("| metric |")[1], re.MULTILINE):
        for metric in re.findall(r"`(tracegen_[\w{},]+)", name):
            head, _, rest = metric.partition("{")
            inner, closed, tail = rest.partition("}")
            shown |= {head + "".join(parts) for parts in product(inner.split(","), [tail])} if closed else {head}
    assert shown == set(HELP)


def test_a_tally_describes_its_errors():
    assert "at most 20 kinds" in PAGE
    assert set(Tally().figures(0.0, 1.0, 1.0)) - WORDS == set()
