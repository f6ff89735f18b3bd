"""Finds a recipe, a prompt or a data file by name: the user's own, the source tree's, or the installed wheel's.

The three folders stand at the top of the source tree; in a wheel the same files are `tracegen/_shipped/<kind>/`.
"""

from pathlib import Path
from typing import Literal

from tracegen.records import UsageError

Kind = Literal["recipes", "prompts", "data"]
WORDS: dict[Kind, str] = {"recipes": "recipe", "prompts": "prompt", "data": "data file"}


def find(kind: Kind, name: str) -> Path:
    """The file that `name` stands for: as given, then among the files that come with tracegen.

    `quickstart`, `quickstart.yaml` and `recipes/quickstart.yaml` are the same recipe; a data file keeps its suffix.
    Raises UsageError, listing what comes with tracegen, where there is no such file.
    """
    for candidate in _candidates(kind, Path(name)):
        if candidate.is_file():
            return candidate
    raise UsageError(f"there is no {WORDS[kind]} {name!r}; tracegen comes with {', '.join(names(kind)) or 'none'}.")


def names(kind: Kind) -> list[str]:
    """What comes with tracegen: recipes and prompts without `.yaml`, data files with their suffix."""
    found = {path for folder in folders(kind) for path in folder.glob("*.jsonl" if kind == "data" else "*.yaml")}
    return sorted({path.name if kind == "data" else path.stem for path in found})


def folders(kind: Kind) -> list[Path]:
    """Where files of this kind come with tracegen, the source tree first."""
    package = Path(__file__).resolve().parent
    places = [package / "_shipped" / kind]
    # Beside an installed package lie other packages' folders, one of which may well be called `data`.
    if (package.parent / "pyproject.toml").is_file():
        places.insert(0, package.parent / kind)
    return places


def _candidates(kind: Kind, path: Path) -> list[Path]:
    if not path.name:
        return []
    suffixed = path if kind == "data" or path.suffix == ".yaml" else path.with_name(path.name + ".yaml")
    if path.is_absolute():
        return [path, suffixed]
    inside = Path(*suffixed.parts[1:]) if suffixed.parts[0] == kind and len(suffixed.parts) > 1 else suffixed
    return [path, suffixed, *(folder / inside for folder in folders(kind))]
