"""What README and CONTRIBUTING show is what there is: the recipe, the commands, the tree, the examples."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tracegen import registry
from tracegen.records import Problem, Request, Trace, UsageError

SOURCE_TREE = Path(registry.__file__).parents[1]
README = (SOURCE_TREE / "README.md").read_text(encoding="utf-8")
CONTRIBUTING = (SOURCE_TREE / "CONTRIBUTING.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    return README.split(f"\n## {title}", 1)[1].split("\n## ", 1)[0]


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def trace(reasoning: str) -> Trace:
    return Trace("k", "p", "t", 0, ({"role": "user", "content": "?"},), reasoning, "4", "complete", "stop", 9)


@pytest.fixture
def example(tmp_path: Path) -> Callable[[str], str]:
    """Writes the example that defines `function` to a file, and names it as a recipe would."""

    def write(function: str) -> str:
        (code,) = [block for block in blocks(README + CONTRIBUTING, "python") if f"def {function}(" in block]
        (tmp_path / "mine.py").write_text(code)
        return f"{tmp_path / 'mine.py'}:{function}"

    return write


def test_the_recipe_that_is_explained_is_the_quickstart() -> None:
    explained = yaml.safe_load("".join(blocks(section("The quickstart recipe"), "yaml")))
    assert explained == yaml.safe_load((SOURCE_TREE / "recipes" / "quickstart.yaml").read_text(encoding="utf-8"))


def test_the_table_names_every_command() -> None:
    from tracegen.cli import app

    listed = re.findall(r"^\| `tracegen (\w+)` \|", section("Commands"), re.MULTILINE)
    there = {command.name or str(getattr(command.callback, "__name__", "")) for command in app.registered_commands}
    there |= {group.name or "" for group in app.registered_groups}
    assert set(listed) == there


def test_the_tree_is_the_tree() -> None:
    folder, listed = "", set()
    for line in blocks(section("The tree"), "")[0].splitlines():
        name = line.split()[0] if line.strip() else ""
        if not line.startswith(" "):
            folder = name if name.endswith("/") else ""
            listed.add(name)
        else:
            listed.add(folder + name)
    assert [path for path in sorted(listed) if not (SOURCE_TREE / path).exists()] == []
    modules = {str(path.relative_to(SOURCE_TREE)) for path in SOURCE_TREE.glob("*/*.py")}
    modules = {path for path in modules if path.startswith(("tracegen/", "sft/"))}
    assert modules - {"tracegen/__init__.py", "sft/__init__.py"} <= listed


def test_the_filter_of_the_readme_works(example: Callable[[str], str]) -> None:
    name = example("no_guessing")
    dropped = registry.bind("filter", name, {"words": ["guess", "probably"]})(
        [trace("I guess 4."), trace("2 + 2 = 4.")]
    )
    assert [reason for _, reason in dropped] == ["says_guess", None]
    with pytest.raises(UsageError, match="has no option 'word'; it takes words"):
        registry.bind("filter", name, {"word": ["guess"]})


def test_the_examples_of_contributing_work(example: Callable[[str], str]) -> None:
    problems = list(registry.bind("source", example("squares"), {"size": 3})())
    assert len({problem.id for problem in problems}) == 3
    verdict: Any = registry.bind("verifier", example("yes_no"))(Problem("p", "?", "yes"), "No. Wait: yes.")
    assert verdict.outcome == "right"
    kept = registry.bind("filter", example("few_lines"), {"max_lines": 2})([trace("a\nb\nc"), trace("a\nb")])
    assert [reason for _, reason in kept] == ["too_many_lines", None]
    request = Request("k", "p", "t", 0, ({"role": "user", "content": "2 + 2?"},), {})
    answered = registry.bind("engine", example("echo"), model="none")([None, request])
    assert [(asked, completion.text) for asked, completion in answered] == [(request, "2 + 2?")]
