"""A run to be looked at, and how it is asked."""

import random

import pytest
from seen_runs import Made, indexed, samples

pytest.importorskip("starlette", reason="these tests need: pip install 'tracegen[view]'")


def answered(folder):
    """Two sealed segments and a live one: failures asked again, answers continued, a torn last line."""
    found, chance = Made(folder / "seen [once] *'s"), random.Random(4)
    found.answer(samples(found, chance), sealed=True)
    found.answer(samples(found, chance), sealed=True)
    found.answer(samples(found, chance, "u", n=2))
    with max((found.folder / "traces").glob("*.jsonl")).open("a") as live:
        live.write('{"key": "torn')
    found.judge(lambda trace: [("math", "right" if trace.sample == 1 else "wrong")])
    return found


@pytest.fixture
def made(tmp_path):
    """A run that a test may change."""
    return answered(tmp_path)


@pytest.fixture(scope="module")
def curated(tmp_path_factory):
    """A curated run that tests only look at, and the rows of its index."""
    found = answered(tmp_path_factory.mktemp("curated"))
    keys = [row["key"] for row in indexed(found.folder)[0]]
    found.curate({keys[0]: ("correct", "wrong"), keys[1]: ("dedup", "exact")}, keys[2:10])
    return found, indexed(found.folder)[0]
