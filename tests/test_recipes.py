"""Every recipe loads and names only what is on the shelves; every prompt renders."""

from pathlib import Path

import pytest

from tracegen import prompts, recipe, registry, shipped
from tracegen.problems import source_of
from tracegen.records import Problem

SOURCE_TREE = Path(shipped.__file__).parents[1]
RECIPES = sorted((SOURCE_TREE / "recipes").glob("*.yaml"))
PROMPTS = sorted((SOURCE_TREE / "prompts").glob("*.yaml"))
PROBLEM = Problem(id="p", statement="What is 17 + 25?", answer="42")


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_names_only_what_is_on_the_shelves(path: Path) -> None:
    found = recipe.load(path)
    assert found.name == path.stem
    source = source_of(found)
    registry.bind("source", source.name, source.options)
    if source.asked and source.asked.engine != "auto":
        registry.bind("engine", source.asked.engine, source.asked.options)
    for name, options in found.verifiers.items():
        registry.bind("verifier", name, options.options)
    for name, options in found.filters.items():
        registry.bind("filter", name, options)
    for name, entry in found.evaluate.benchmarks.items():
        registry.bind("benchmark", entry.benchmark or name, entry.options)
    for used in (*found.teachers.values(), found.evaluate):
        if used.engine != "auto":
            registry.bind("engine", used.engine, used.options)
    for name in {found.prompt, *(teacher.prompt for teacher in found.teachers.values())} - {None}:
        prompts.load(str(name))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_survives_being_written_and_read(path: Path, tmp_path: Path) -> None:
    found = recipe.load(path)
    again = tmp_path / "recipe.yaml"
    again.write_text(found.to_yaml())
    assert recipe.load(again) == found


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_trainer_options_are_names_and_values_that_trl_takes(path: Path) -> None:
    settings = pytest.importorskip("sft.settings")
    student = recipe.load(path).student
    if student is not None:
        checked = settings.check(student.trainer, settings.config_of(student.method))
        assert checked.keys() == student.trainer.keys()


def test_judging_may_say_on_without_quotes() -> None:
    assert recipe.load(SOURCE_TREE / "recipes" / "ray_slurm.yaml").judging.on == "ray"
    found = recipe.load(SOURCE_TREE / "recipes" / "ray_slurm.yaml", ["judging.on=local"])
    assert (found.judging.on, found.judging.workers) == ("local", 16)


def test_an_override_reaches_the_recipe() -> None:
    found = recipe.load(
        SOURCE_TREE / "recipes" / "gsm8k.yaml", ["teachers.qwen.model=/models/mine", "problems.limit=7"]
    )
    assert found.teachers["qwen"].model == "/models/mine"
    assert found.problems.options["limit"] == 7


@pytest.mark.parametrize("path", PROMPTS, ids=lambda path: path.stem)
def test_a_prompt_renders_the_problem(path: Path) -> None:
    of_a_judge = {"reasoning": "6 * 7", "response": "It is 42.", "gold": "42", "gold_first": True, "mark": "a1b2"}
    messages = prompts.load(path.stem).messages(PROBLEM, **of_a_judge)
    assert messages[-1]["role"] == "user"
    assert PROBLEM.statement in messages[-1]["content"]
    assert all(message["content"].strip() for message in messages)
    assert not any("{{" in message["content"] or "{%" in message["content"] for message in messages)


def test_there_are_recipes_and_prompts_to_test() -> None:
    assert {"api_teacher", "gsm8k", "quickstart", "r1_node"} <= {path.stem for path in RECIPES}
    assert PROMPTS
