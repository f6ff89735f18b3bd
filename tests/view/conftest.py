"""A run to be looked at, and how it is asked."""

import random

import pytest
from seen_runs import Made, samples

pytest.importorskip("starlette", reason="these tests need: pip install 'tracegen[view]'")


@pytest.fixture
def made(tmp_path):
    """Two sealed segments and a live one: failures asked again, answers continued, a torn last line."""
    found, chance = Made(tmp_path / "seen [once] *'s"), random.Random(4)
    found.answer(samples(found, chance), sealed=True)
    found.answer(samples(found, chance), sealed=True)
    found.answer(samples(found, chance, "u", n=2))
    with max((found.folder / "traces").glob("*.jsonl")).open("a") as live:
        live.write('{"key": "torn')
    found.judge(lambda trace: [("math", "right" if trace.sample == 1 else "wrong")])
    return found
