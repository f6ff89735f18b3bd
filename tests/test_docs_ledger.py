"""What docs/ledger.md names is what there is: commands, options, formats, columns."""

import re
from pathlib import Path

import typer

from tracegen import export
from tracegen.cli_ledger import ledger
from tracegen.foreign import reader
from tracegen.ledger import sealed
from tracegen.ledger.store import SEGMENT_BYTES

PAGE = (Path(export.__file__).parents[1] / "docs" / "ledger.md").read_text(encoding="utf-8")
COMMANDS = typer.main.get_command(ledger).commands  # type: ignore[attr-defined]


def section(title: str) -> str:
    return PAGE.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def first_cells(text: str) -> list[str]:
    return [name for row in re.findall(r"^\| (`.*?) \|", text, re.MULTILINE) for name in re.findall(r"`([^`]+)`", row)]


def test_every_command_is_shown_and_explained() -> None:
    assert set(re.findall(r"tracegen ledger (\w+)", PAGE)) == set(COMMANDS)
    for name in COMMANDS:
        assert section(name)


def test_every_option_is_one_of_its_command() -> None:
    for name, command in COMMANDS.items():
        there = {option for parameter in command.params for option in parameter.opts}
        assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", section(name))) <= there
    for line in re.findall(r"^tracegen ledger .*$", PAGE, re.MULTILINE):
        there = {option for parameter in COMMANDS[line.split()[2]].params for option in parameter.opts}
        assert set(re.findall(r"--[a-z-]+", line)) <= there


def test_formats_are_those_that_are_written_and_read() -> None:
    assert tuple(name for name in first_cells(section("export")) if name != "--format") == export.FORMATS
    formats = [name for name in first_cells(section("import")) if name != "--from"]
    assert len(formats) == 4
    for name in formats:
        assert reader(name)


def test_fields_are_the_columns() -> None:
    named = set(re.findall(r"`(\w+)`", section("What is in it").split("A row says")[1])) - {"rest"}
    assert named == sealed.COLUMNS.keys() - {"seconds", "started", "time", "imported"}
    assert f"{SEGMENT_BYTES >> 20} MiB" in PAGE
