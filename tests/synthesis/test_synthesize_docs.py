"""What docs/synthesize.md shows works: its recipe, its methods, its reasons, its source."""

import inspect
import re
from pathlib import Path
from typing import Any

import yaml
from fake_server import FakeServer

from tracegen import problems, registry, rundir, shipped
from tracegen.problems import read_problems, source_of
from tracegen.recipe import Recipe
from tracegen.sources import _near, _vote, synthesize
from tracegen.sources._plan import FROM_SEEDS, KINDS

PAGE = (Path(problems.__file__).parents[1] / "docs" / "synthesize.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def recipe(**entry: Any) -> Recipe:
    teacher = {"engine": "openai", "model": "fake", "options": {"base_url": "http://localhost:1/v1"}}
    return Recipe.model_validate({"name": "x", "prompt": "math", "teachers": {"t": teacher}, **entry})


def test_the_recipe_names_what_there_is() -> None:
    (block,) = blocks("yaml")
    source = source_of(recipe(**yaml.safe_load(block)))
    assert source.asked is not None
    registry.bind("engine", source.asked.engine, source.asked.options, model="m")
    registry.bind("source", source.name, source.options)


def test_every_method_has_a_prompt_and_stands_in_the_table() -> None:
    methods = {*FROM_SEEDS, *KINDS}
    assert {f"synthesize_{method}" for method in methods} <= set(shipped.names("prompts"))
    assert all(f"`{method}`" in PAGE for method in methods)


def test_every_reason_is_explained() -> None:
    code = "".join(inspect.getsource(module) for module in (synthesize, _near, _vote))
    reasons = set(
        re.findall(r'"((?:near_)?duplicate\w*|un\w+ed|unver\w+|no_answer|low_\w+|answer_ch\w+|malformed)"', code)
    )
    assert len(reasons) >= 9
    assert {reason for reason in reasons if f"`{reason}`" not in PAGE} == set()


def test_a_source_of_ones_own_is_asked_once(tmp_path: Path) -> None:
    (code,) = [block for block in blocks("python") if "def capitals(" in block]
    (tmp_path / "mine.py").write_text(code)

    def reply(body: dict[str, Any]) -> dict[str, Any]:
        asked = body["messages"][0]["content"]
        return (
            {"status": 400, "message": "no"} if "Mali" in asked else {"text": "Paris" if "France" in asked else "Lima"}
        )

    with FakeServer(reply) as server:
        options = {"base_url": server.base_url, "max_retries": 0}
        name = f"{tmp_path / 'mine.py'}:capitals"
        made = recipe(problems={"source": name, "engine": "openai", "model": "fake", "options": options})
        with rundir.owned(tmp_path / "run"):
            found = read_problems(made, tmp_path / "run")
            assert [(problem.id, problem.answer) for problem in found.values()] == [
                ("France", "Paris"),
                ("Peru", "Lima"),
            ]
            asked = len(server.requests())
            read_problems(made, tmp_path / "run")
        # The one that failed is asked again, and nobody else.
        again = [body["messages"][0]["content"] for body in server.requests()[asked:]]
        assert [question for question in again if "Mali" not in question] == []
        assert len(again) == 1
    dropped = (tmp_path / "run" / "source" / "dropped_problems.jsonl").read_text()
    assert '"reason": "unanswered"' in dropped
