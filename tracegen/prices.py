"""What a model costs: what the recipe says, else the small table that comes with tracegen, else nobody knows.

    of(teacher)         the price of a teacher, with where it is from; None where none is known
    known(teachers)     the prices of those of which one is known, by name
    refuse_blind_cap    a cap in dollars over a model that is paid for by an unknown price is no cap

The table (data/prices.yaml) holds for a model at its provider's own host: others ask other prices for the same weights.
"""

import datetime
import re
from collections.abc import Mapping
from functools import cache
from typing import NamedTuple
from urllib.parse import urlsplit

import yaml

from tracegen import shipped
from tracegen.recipe import Asked, Budget, Prices, Strict, Teacher
from tracegen.records import UsageError

__all__ = ["Entry", "Price", "known", "of", "refuse_blind_cap", "table"]

PAID = ("openai", "batch_api")
"""Engines that ask somebody else's machine, who sends a bill."""


class Entry(Strict):
    """A line of the table."""

    model: str
    host: str
    input: float
    output: float
    read: datetime.date
    """The day on which the price stood at its source."""
    source: str


class Price(NamedTuple):
    """A price and where it is from, as words for the user."""

    prices: Prices
    source: str


@cache
def table() -> tuple[Entry, ...]:
    """The prices that come with tracegen."""
    rows = yaml.safe_load(shipped.find("data", "prices.yaml").read_text(encoding="utf-8"))
    return tuple(Entry.model_validate(row) for row in rows)


def of(teacher: Teacher | Asked) -> Price | None:
    """What this teacher, or the model that a verifier asks, costs; None: no price is known."""
    if teacher.prices is not None:
        return Price(teacher.prices, "the recipe")
    host = urlsplit(str(teacher.options.get("base_url") or "")).hostname
    for entry in table():
        if entry.host == host and re.fullmatch(re.escape(entry.model) + r"(-\d{4}-?\d{2}-?\d{2})?", teacher.model):
            prices = Prices(input=entry.input, output=entry.output)
            return Price(prices, f"the table, as of {entry.read:%Y-%m-%d} ({entry.source})")
    return None


def known(teachers: Mapping[str, Teacher | Asked]) -> dict[str, Prices]:
    """The prices of those of which one is known, by the same names."""
    return {name: price.prices for name, teacher in teachers.items() if (price := of(teacher))}


def refuse_blind_cap(models: Mapping[str, Teacher | Asked], budget: Budget) -> None:
    """UsageError if `budget.usd` is to cap models that are paid for and whose price nobody knows.

    `models` by their place in the recipe, as in `teachers.r1`.
    """
    unknown = [place for place, model in models.items() if model.engine in PAID and of(model) is None]
    if budget.usd is not None and unknown:
        place = unknown[0]
        raise UsageError(
            f"budget.usd caps nothing where no price is known, and none is for {place} (model "
            f"{models[place].model!r}); write {place}.prices={{input: ..., output: ...}} in US dollars per million "
            "tokens (0 where it costs nothing), or cap budget.tokens instead."
        )
