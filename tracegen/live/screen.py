"""The figures of a stage as a screen for a terminal: a bar, the rates, a row per teacher, the errors."""

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from tracegen.live.line import cost, judged, left, line, per_verified, progress
from tracegen.live.words import duration, number, percent

TEACHERS = 8
ERRORS = 4
"""Rows that are shown at most; the others are counted."""
WIDE = 112
"""Columns of a terminal that has room for every verdict of every teacher."""


def screen(figures: Mapping[str, Any], width: int = 80) -> RenderableType:
    """All that is known, in some twenty lines at most."""
    if "samples" not in figures:
        return Text(line(figures))
    return Group(_head(figures), _rates(figures), "", _teachers(figures, width >= WIDE), *_errors(figures))


def _head(figures: Mapping[str, Any]) -> RenderableType:
    samples = figures["samples"]
    total = float(samples["planned"]) if samples["planned"] else None
    grid = Table.grid(padding=(0, 2))
    grid.add_row(
        Text(figures["stage"], style="bold"),
        ProgressBar(total=total, completed=samples["done"], width=24, pulse=total is None),
        Text(progress(samples)),
        Text(", ".join([f"{duration(figures['seconds'])} gone", *left(figures)])),
    )
    return grid


def _rates(figures: Mapping[str, Any]) -> RenderableType:
    tokens, problems, slots = figures["tokens"], figures["problems"], figures["slots"]
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim")
    grid.add_column(overflow="fold")
    if problems["total"]:
        counts = [f"{number(problems['solved'])} solved", f"{number(problems['open'])} open"]
        counts += [f"{number(problems['given_up'])} given up"] if problems["given_up"] else []
        grid.add_row("problems", ", ".join(counts))
    rates = f"{number(tokens['per_second'])}/s in the last minute, {number(tokens['per_second_total'])}/s overall"
    grid.add_row("tokens", f"{rates}, {number(tokens['completion'])} written")
    if judged(figures):
        verified = f"{number(figures['verified_per_minute'])} traces/min, {percent(figures['right'])} of the judged"
    else:
        verified = "none judged yet"
    grid.add_row("verified", verified)
    if figures["verdicts"]:
        grid.add_row("verdicts", _verdicts(figures["verdicts"]))
    if spent := cost(figures):
        grid.add_row("cost", ", ".join([*spent, *per_verified(figures)]))
    grid.add_row(
        "slots", _slots(slots) + "".join(f", {number(slots[name])} {name}" for name in SAID if slots.get(name))
    )
    return grid


SAID = ("waiting", "retries", "throttled", "restarts")
OUTCOMES = {"right": "green", "wrong": "red", "unverifiable": "yellow", "error": "magenta"}


def _verdicts(verdicts: Mapping[str, int]) -> Text:
    counts = [(f"{number(verdicts.get(name, 0))} {name}", style) for name, style in OUTCOMES.items()]
    return Text(", ").join(Text(*count) for count in counts)


def _teachers(figures: Mapping[str, Any], wide: bool) -> RenderableType:
    """A row each, with the verdicts one by one where there is room."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    table.add_column("teacher", min_width=8, overflow="ellipsis", no_wrap=True)
    mix = tuple(OUTCOMES)[1:] if wide else ()
    for title in ("samples", "tokens/s", "verified/min", "right", *mix, "truncated", "failed", "slots"):
        table.add_column(title, justify="right", no_wrap=True)
    of = figures["teachers"]
    for name in list(of)[:TEACHERS]:
        each = of[name]
        samples, verdicts = each["samples"], each["verdicts"]
        table.add_row(
            Text(f"{name} ({each['engine']})" if wide and each.get("engine") else name),
            _of(samples["done"], samples["planned"]),
            number(each["tokens"]["per_second"]),
            number(each["verified_per_minute"]),
            _right(each),
            *(Text(number(verdicts.get(outcome, 0)), style=OUTCOMES[outcome]) for outcome in mix),
            percent(each["truncated"]),
            number(samples["failed"]),
            _slots(each["slots"]),
        )
    if len(of) > TEACHERS:
        table.add_row(f"and {len(of) - TEACHERS} more")
    return table


def _right(each: Mapping[str, Any]) -> Text:
    """How many, and of how many that were judged."""
    return Text(f"{number(each['verdicts'].get('right', 0))} {percent(each['right'])}", style=OUTCOMES["right"])


def _slots(slots: Mapping[str, Any]) -> str:
    """Requests in flight, of how many may be."""
    return _of(slots["in_flight"], slots["slots"])


def _of(part: float, whole: float | None) -> str:
    return f"{number(part)}/{number(whole)}" if whole else number(part)


def _errors(figures: Mapping[str, Any]) -> list[RenderableType]:
    errors = list(figures["errors"].items())
    shown: list[RenderableType] = [Text(f"{number(count)} x {kind}", style="red") for kind, count in errors[:ERRORS]]
    if len(errors) > ERRORS:
        shown.append(Text(f"and {len(errors) - ERRORS} other kinds of errors", style="red"))
    return ["", *shown] if shown else []
