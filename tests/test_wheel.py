"""The wheel, installed elsewhere: it holds every module, and finds its prompts, recipes and data from any folder."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tracegen import shipped

SOURCE_TREE = Path(shipped.__file__).parents[1]
SHIPPED = {"recipes": "*.yaml", "prompts": "*.yaml", "data": "*.jsonl"}
CONFIGURATIONS = [path.relative_to(SOURCE_TREE) for path in (SOURCE_TREE / "recipes" / "accelerate").iterdir()]
SCRIPT = """
import sys
from tracegen import prices, prompts, recipe, rows, shipped
for kind in ("recipes", "prompts", "data"):
    assert str(shipped.find(kind, shipped.names(kind)[0])).startswith(sys.argv[1]), (kind, shipped.folders(kind))
    print(kind, *shipped.names(kind))
assert recipe.load(shipped.find("recipes", "gsm8k")).name == "gsm8k"
assert str(shipped.find("recipes", "recipes/accelerate/fsdp2.yaml")).startswith(sys.argv[1])
assert prompts.load(shipped.names("prompts")[0]).user
assert list(rows.jsonl("data/heldout.jsonl", limit=1))
assert prices.table()
"""

COPY = """
import shutil, sys
from pathlib import Path
source, target = map(Path, sys.argv[1:])
for name in ("tracegen", "sft", "recipes", "prompts", "data"):
    shutil.copytree(source / name, target / name, ignore=shutil.ignore_patterns("__pycache__"))
for name in ("pyproject.toml", "README.md", "LICENSE"):
    shutil.copy(source / name, target)
"""


def run(*arguments: str, cwd: Path) -> str:
    done = subprocess.run([sys.executable, *arguments], cwd=cwd, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from a copy of the source tree, so that the build leaves nothing behind in it."""
    folder = tmp_path_factory.mktemp("wheel")
    run("-c", COPY, str(SOURCE_TREE), str(folder / "source"), cwd=folder)
    pip = (
        "-m",
        "pip",
        "wheel",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
        "--quiet",
        "--wheel-dir",
        str(folder),
    )
    run(*pip, str(folder / "source"), cwd=folder)
    (built,) = folder.glob("tracegen-*.whl")
    return built


def test_the_wheel_holds_every_file_that_it_needs(wheel: Path) -> None:
    """A package that is missing in pyproject.toml's list of packages is found here."""
    inside = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    wanted = {
        str(path.relative_to(SOURCE_TREE))
        for package in ("tracegen", "sft")
        for path in (SOURCE_TREE / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    wanted |= {
        f"tracegen/_shipped/{kind}/{path.name}"
        for kind, pattern in SHIPPED.items()
        for path in (SOURCE_TREE / kind).glob(pattern)
    }
    tables = {f"tracegen/_shipped/data/{path.name}" for path in (SOURCE_TREE / "data").glob("*.yaml")}
    launchers = {f"tracegen/_shipped/{path}" for path in CONFIGURATIONS}
    assert inside == wanted | tables | launchers
    assert "tracegen/_shipped/recipes/accelerate/fsdp2.yaml" in launchers
    assert "tracegen/_shipped/data/terms.yaml" in tables


def test_an_installed_wheel_finds_what_it_ships(wheel: Path, tmp_path: Path) -> None:
    site, elsewhere = tmp_path / "site", tmp_path / "elsewhere"
    elsewhere.mkdir()
    run("-m", "pip", "install", "--no-deps", "--no-index", "--quiet", "--target", str(site), str(wheel), cwd=elsewhere)
    script = f"import sys; sys.path.insert(0, {str(site)!r})\n{SCRIPT}"
    printed = run("-c", script, str(site), cwd=elsewhere)
    listed = {line.split()[0]: line.split()[1:] for line in printed.splitlines()}
    for kind, pattern in SHIPPED.items():
        here = [path.name if kind == "data" else path.stem for path in (SOURCE_TREE / kind).glob(pattern)]
        assert listed[kind] == sorted(here)
