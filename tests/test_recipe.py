"""Recipes: strict, overridable at any address, free of secrets."""

import pytest

from tracegen import prompts
from tracegen.recipe import load
from tracegen.records import Problem, UsageError

RECIPE = """
name: tiny
problems: {source: jsonl, path: p.jsonl, limit: 3}
prompt: math
teachers: {t: {model: embedded, sampling: {n: 2, max_tokens: 16}}}
filters: {correct: }
"""


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "tiny.yaml"
    file.write_text(RECIPE)
    return file


def test_defaults_and_options(path):
    recipe = load(path)
    assert recipe.problems.options == {"path": "p.jsonl", "limit": 3}
    assert recipe.filters == {"correct": {}}
    assert recipe.teachers["t"].engine == "auto"


def test_an_override_has_the_type_that_yaml_gives_it(path):
    recipe = load(path, ["teachers.t.sampling.n=4", "teachers.t.sampling.stop=[a, b]", "benchmarks_dir=null"])
    assert recipe.teachers["t"].sampling.n == 4
    assert recipe.teachers["t"].sampling.stop == ["a", "b"]
    assert load(path, ["teachers.u.model=x"]).teachers["u"].model == "x"


def test_the_resolved_recipe_loads_again_to_the_same(path, tmp_path):
    recipe = load(path, ["evaluate.k=[1]", "budget.usd=3"])
    again = tmp_path / "again.yaml"
    again.write_text(recipe.to_yaml())
    assert load(again) == recipe


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("teachers.t.sampling.max_token=4", r"teachers\.t\.sampling has no field 'max_token'; it takes n, temperature"),
        ("filter={}", r"the recipe has no field 'filter'; it takes name, seed"),
        ("student.model=x student.metod=y", r"student has no field 'metod'; it takes model"),
        ("teachers.t.sampling.n=0", r"teachers\.t\.sampling\.n: input should be greater than or equal to 1"),
        ("teachers.t.sampling.n=many", r"teachers\.t\.sampling\.n"),
        ("teachers.t.model=null", r"teachers\.t\.model"),
        ("teachers.t.model.x=1", "'model' is a value"),
        ("seed", "is not an override"),
        ("name=../up", "name: string should match pattern"),
        ("teachers.t.options.api_key=sk-123", "holds a secret"),
        ("teachers={}", "teachers"),
    ],
)
def test_a_mistake_is_one_sentence(path, override, sentence):
    with pytest.raises(UsageError, match=sentence) as error:
        load(path, override.split() if " " in override else [override])
    assert "\n" not in str(error.value)
    assert "sk-123" not in str(error.value)


def test_files_that_are_no_recipes(tmp_path):
    with pytest.raises(UsageError, match="cannot read the recipe"):
        load(tmp_path / "none.yaml")
    file = tmp_path / "bad.yaml"
    for text in ["a: [", "- a list", ""]:
        file.write_text(text)
        with pytest.raises(UsageError):
            load(file)


def prompt(tmp_path, text):
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    return prompts.load(str(file))


def test_a_prompt_renders_system_shots_and_problem(tmp_path):
    found = prompt(tmp_path, "system: S\nshots: [{user: a, assistant: b}]\nuser: 'Q: {{ problem.statement }}'\n")
    contents = [message["content"] for message in found.messages(Problem("1", "{{ not code }}"))]
    assert contents == ["S", "a", "b", "Q: {{ not code }}"]


@pytest.mark.parametrize("text", ["user: '{{ problem.statment }}'", "user: '{{ '", "system: x", "user: x\nuse: y"])
def test_a_prompt_with_a_mistake_is_refused(tmp_path, text):
    with pytest.raises(UsageError):
        prompt(tmp_path, text).messages(Problem("1", "x"))
