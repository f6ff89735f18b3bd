"""What docs/judge.md shows works: its programs, its recipe, its words."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml
from fake_server import FakeServer

from tracegen import panel, verify
from tracegen.records import Problem
from tracegen.verdicts import NOT_FINAL
from tracegen.verify import Judge, gold_trace

PAGE = (Path(verify.__file__).parents[1] / "docs" / "judge.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_the_program_prints_a_verdict(tmp_path: Path) -> None:
    (code,) = [block for block in blocks("python") if "Judge(" in block]
    (tmp_path / "mine.py").write_text(code)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(verify.__file__).parents[1]), *sys.path])}
    run = subprocess.run(
        [sys.executable, "mine.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert run.stdout == "right 0.25 equal box\n"


def test_the_recipes_name_what_there_is(tmp_path: Path) -> None:
    for block in blocks("yaml"):
        assert panel.seats(yaml.safe_load(block)["verifiers"])


def test_the_verifier_that_asks_is_asked(tmp_path: Path) -> None:
    (code,) = [block for block in blocks("python") if "def polite(" in block]
    (tmp_path / "mine.py").write_text(code)

    def reply(body: dict[str, Any]) -> dict[str, Any]:
        return {"text": "Yes." if "please" in body["messages"][0]["content"] else "no"}

    with FakeServer(reply) as server:
        model = {"engine": "openai", "model": "fake", "options": {"base_url": server.base_url}}
        with Judge({f"{tmp_path / 'mine.py'}:polite": model}, asked=tmp_path / "asked") as judge:
            said = [judge.submit(Problem("p", "?"), gold_trace(text, text)) for text in ("Go, please.", "Go.")]
            assert [future.result()[0].outcome for future in said] == ["right", "wrong"]


def test_the_reasons_that_are_heard_again_are_those() -> None:
    assert all(f"`{reason}`" in PAGE for reason in NOT_FINAL)
