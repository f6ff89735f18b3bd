"""A recipe whose problems a scripted teacher writes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_server import FakeServer
from writer import SEEDS

from tracegen import recipe as recipes
from tracegen.recipe import Recipe


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Recipe]:
    """A recipe that synthesizes from SEEDS with a teacher at `server`."""
    (tmp_path / "seeds.jsonl").write_text("".join(json.dumps(seed) + "\n" for seed in SEEDS))
    (tmp_path / "held").mkdir()

    def write(server: FakeServer, budget: dict[str, Any] | None = None, **problems: Any) -> Recipe:
        asked = {
            "engine": "openai",
            "model": "fake",
            "revision": "r1",
            "options": {"base_url": server.base_url, "concurrency": 32, "max_retries": 0},
            "sampling": {"temperature": 0.8, "max_tokens": 300},
        }
        seeds = {"source": "jsonl", "path": str(tmp_path / "seeds.jsonl")}
        tree = {
            "name": "made",
            "problems": {"source": "synthesize", "seeds": seeds, "solutions": 4, **asked, **problems},
            "prompt": "math",
            "teachers": {"t": {"engine": "openai", "model": "fake", "options": asked["options"]}},
            "verifiers": {"math": {}},
            "budget": budget or {},
        }
        (tmp_path / "made.yaml").write_text(json.dumps(tree))
        return recipes.load(tmp_path / "made.yaml")

    return write
