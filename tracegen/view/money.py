"""What a run and its traces cost, by the prices of its newest recipe: the same bill as everywhere, told to the page.

    of_run      dollars of the whole run, and the line of each teacher; every row of the ledger is read, no texts
    of_trace    dollars of the request that gave an answer

Where no price is known there are no dollars: None.
Limits: a request has no price of its own where an engine is paid by the hour; of an answer that was gone on with, only
the last request counts.
"""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from tracegen import bill, evidence, prices
from tracegen.recipe import Prices, Teacher
from tracegen.rundir import recipes
from tracegen.view import state

OF_TEACHER = ("requests", "failed", "input", "output", "usd")


def of_run(run: Path, right: int) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """By teacher what was asked of it and paid for, and the whole: dollars, also for each right trace."""
    spent = evidence.spent(run, _teachers(run))
    known = [line.usd for line in spent.values() if line.usd is not None]
    usd = sum(known) if known else None
    whole = {
        "usd": usd,
        "usd_per_right": usd / right if usd is not None and right and len(known) == len(spent) else None,
        "tokens": sum(line.tokens for line in spent.values()),
        "no_price": [name for name, line in spent.items() if line.usd is None],
    }
    return {name: {field: getattr(line, field) for field in OF_TEACHER} for name, line in spent.items()}, whole


def of_trace(run: Path, row: Mapping[str, Any]) -> float | None:
    """Dollars of this row of the ledger."""
    price = _prices(run, _stamp(run)).get(row["teacher"])
    if price is None or price.gpu_hour:
        return None
    return bill.dollars(price, row["prompt_tokens"] or 0, row["completion_tokens"] or 0, row.get("engine"))


@lru_cache(maxsize=1)
def _prices(run: Path, stamp: str) -> dict[str, Prices]:
    return prices.known(_teachers(run))


def _stamp(run: Path) -> str:
    return str([(path.name, state.stat_of(path)) for path in recipes(run)])


def _teachers(run: Path) -> dict[str, Teacher]:
    """Those of the newest recipe; one that is written as no recipe is written now has no known price."""
    recipe = yaml.safe_load(evidence.newest_recipe(run))
    found = recipe.get("teachers") if isinstance(recipe, Mapping) else None
    teachers = {}
    for name, teacher in (found or {}).items():
        try:
            teachers[str(name)] = Teacher.model_validate(teacher)
        except ValidationError:
            continue
    return teachers
