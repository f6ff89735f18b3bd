"""A name finds the user's own file first, then the one that comes with tracegen."""

from pathlib import Path

import pytest

from tracegen import shipped
from tracegen.records import UsageError

SOURCE_TREE = Path(shipped.__file__).parents[1]


@pytest.mark.parametrize("name", ["gsm8k", "gsm8k.yaml", "recipes/gsm8k", "recipes/gsm8k.yaml"])
def test_a_recipe_is_found_from_anywhere(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert shipped.find("recipes", name) == SOURCE_TREE / "recipes" / "gsm8k.yaml"


def test_the_working_directory_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    own = tmp_path / "recipes" / "gsm8k.yaml"
    own.parent.mkdir()
    own.write_text("name: mine\n")
    assert shipped.find("recipes", "recipes/gsm8k").resolve() == own
    assert shipped.find("recipes", "gsm8k") == SOURCE_TREE / "recipes" / "gsm8k.yaml"


def test_an_absolute_path_is_taken_as_it_is(tmp_path: Path) -> None:
    own = tmp_path / "mine.jsonl"
    own.write_text("{}\n")
    assert shipped.find("data", str(own)) == own
    with pytest.raises(UsageError):
        shipped.find("recipes", str(tmp_path / "gsm8k.yaml"))


def test_the_installed_copies_are_the_last_resort(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "site" / "tracegen"
    prompt = package / "_shipped" / "prompts" / "plain.yaml"
    prompt.parent.mkdir(parents=True)
    prompt.write_text("user: '{{ problem.statement }}'\n")
    (tmp_path / "site" / "prompts").mkdir()
    (tmp_path / "site" / "prompts" / "stranger.yaml").write_text("user: another package's\n")
    monkeypatch.setattr(shipped, "__file__", str(package / "shipped.py"))
    assert shipped.find("prompts", "plain") == prompt
    assert shipped.names("prompts") == ["plain"]


@pytest.mark.parametrize(
    ("kind", "name", "listed"),
    [
        ("recipes", "gsm9k", "gsm8k"),
        ("data", "nothing.jsonl", "data file 'nothing.jsonl'"),
        ("prompts", "", "prompt ''"),
    ],
)
def test_what_is_not_there_is_said_with_what_is(kind: shipped.Kind, name: str, listed: str) -> None:
    with pytest.raises(UsageError) as error:
        shipped.find(kind, name)
    assert listed in str(error.value)
    assert "\n" not in str(error.value)


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        shipped.find("data", str(tmp_path))
