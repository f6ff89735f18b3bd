"""The command that says what a run will cost before it costs anything much: `estimate`."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from tracegen.cli_judge import Json
from tracegen.cli_target import Overrides, RunDir, Target, opened

if TYPE_CHECKING:
    from tracegen.estimate import Projection
    from tracegen.pilot import Forecast, Part
    from tracegen.stats import Estimate


def estimate(
    target: Target,
    overrides: Overrides = None,
    run_dir: RunDir = None,
    samples: Annotated[int, typer.Option(min=1, help="Samples to try, of all teachers together.")] = 32,
    as_json: Json = False,
) -> None:
    """Ask and judge a small random part of the run, and project tokens, dollars and verified traces of the whole."""
    from tracegen.pilot import pilot

    with opened(target, overrides, run_dir) as run:
        found = pilot(run, samples)
        if as_json:
            print(json.dumps(found.as_dict()))
        else:
            show(found)


def show(found: "Forecast") -> None:
    """The forecast as a table, a column a teacher, and what the budget is worth beside it."""
    from rich.console import Console
    from rich.table import Table

    console = Console(soft_wrap=True, highlight=False)
    columns = {part.teacher: (part.projection, _time(part.seconds, part.engine)) for part in found.parts}
    if len(found.parts) > 1 and found.whole:
        columns["all"] = (found.whole, "")
    table = Table("", *columns, title="the whole run, projected", title_justify="left")
    for name, figure in FIGURES.items():
        table.add_row(name, *("too few answers" if its is None else figure(its) for its, _ in columns.values()))
    table.add_row("time", *(time for _, time in columns.values()))
    table.caption, table.caption_justify = "95 % intervals; time: with all slots busy, to the pilot's own pace.", "left"
    console.print(table)
    for part in found.parts:
        price = "no price known" if part.price is None else _price(part)
        console.print(f"{part.teacher}: {part.model}, tried on {part.problems} problems; {price}", markup=False)
    for name, share in found.reach.items():
        says = f"pays for {_percent(share.value)} of it ({_percent(share.low)} to {_percent(share.high)})"
        console.print(f"budget.{name} {'is enough' if share.low >= 1 else says}", markup=False)
    dollars = f" and ${found.used['usd']:.4g}" if any(part.price for part in found.parts) else ""
    console.print(f"used so far: {found.used['tokens']:,.0f} tokens{dollars}; the run asks none of it again.")


FIGURES: "dict[str, Callable[[Projection], str]]" = {
    "samples": lambda its: _range(its.planned, ",.0f"),
    "tokens": lambda its: _range(its.tokens, "k"),
    "dollars": lambda its: "no price" if its.usd is None else _range(its.usd, "$"),
    "verified": lambda its: "none judged" if its.verified is None else _range(its.verified, ",.0f"),
    "tokens per verified": lambda its: _short(its.tokens_per_verified) if its.tokens_per_verified else "",
    "dollars per verified": lambda its: f"${its.usd_per_verified:.3g}" if its.usd_per_verified else "",
}


def _range(estimate: "Estimate", form: str) -> str:
    def shown(number: float) -> str:
        if form == "$":
            return f"${number:.3g}" if number < 100 else f"${number:,.0f}"
        return _short(number) if form == "k" else format(number, form)

    value, low, high = map(shown, estimate)
    return value if low == high else f"{value} ({low} to {high})"


def _short(number: float) -> str:
    for size, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g}{name}"
    return f"{number:.3g}"


def _percent(share: float) -> str:
    return f"{min(share, 9.99):.0%}"


def _time(seconds: tuple[float, float] | None, engine: str) -> str:
    if seconds is None:
        return "up to a day a batch" if engine == "batch_api" else "not known"
    fast, slow = map(_duration, seconds)
    return fast if fast == slow else f"{fast} to {slow}"


def _duration(seconds: float) -> str:
    for size, name in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {name}"
    return f"{seconds:.0f} seconds"


def _price(part: "Part") -> str:
    assert part.price is not None, "asked for where there is one"
    price = part.price.prices
    if price.gpu_hour:
        return f"${price.gpu_hour:g} an hour for each of {price.gpus:g} GPUs, from {part.price.source}"
    batch = f", {price.batch_discount:.0%} off in batches" if part.engine == "batch_api" else ""
    return f"${price.input:g} in and ${price.output:g} out per million tokens{batch}, from {part.price.source}"
