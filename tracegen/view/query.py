"""Filters, order and pages: from the address of a request to conditions on the index.

A page begins behind a cursor, which is the last row's place in the order: no page costs more for being far behind.
"""

import base64
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

from tracegen.records import UsageError

MOST = 200
"""Rows of one page."""
LONGEST = 500
"""Characters of any value."""
ORDERS = {"plan": "pos", "tokens": "tokens", "-tokens": "-tokens", "pass": "coalesce(pass_rate, 2)"}
"""What a list is sorted by, with the plan's order among equals; a problem without judged traces comes last."""
PLACE = "place"
"""The order of writing, in which a search that is not at its end gives its rows."""


@dataclass(frozen=True)
class Query:
    """What is asked for; `where` holds conditions on the index, and `given` the values for their question marks."""

    words: str = ""
    where: list[str] = field(default_factory=list)
    given: list[Any] = field(default_factory=list)
    sort: str = "plan"
    after: list[Any] | None = None
    limit: int = 50

    @property
    def condition(self) -> str:
        return " AND ".join(self.where) or "true"


def read(asked: Mapping[str, str]) -> Query:
    """UsageError for what there is not."""
    asked = {name: value for name, value in asked.items() if value != ""}
    if unknown := asked.keys() - FILTERS.keys() - OTHERS:
        allowed = ", ".join(sorted(FILTERS.keys() | OTHERS))
        raise UsageError(f"there is no filter {min(unknown)!r}; there are {allowed}.")
    for name, value in asked.items():
        if len(value) > LONGEST:
            raise UsageError(f"{name} is longer than {LONGEST} characters.")
    filters = [(FILTERS[name], name, value) for name, value in asked.items() if name in FILTERS]
    limit = _number("limit", asked.get("limit", "50"))
    if not 1 <= limit <= MOST:
        raise UsageError(f"limit is {asked['limit']}; it goes from 1 to {MOST}.")
    return Query(
        words=asked.get("q", ""),
        where=[condition for (condition, _), _, _ in filters],
        given=[value_of(name, value) for (_, value_of), name, value in filters],
        sort=_one_of(ORDERS)("sort", asked.get("sort", "plan")),
        after=_cursor(asked["after"]) if "after" in asked else None,
        limit=int(limit),
    )


def cursor(order: str, *place: float) -> str:
    """Where the next page begins: the last row's place in an order."""
    return base64.urlsafe_b64encode(json.dumps([order, *place]).encode()).decode().rstrip("=")


def _cursor(given: str) -> list[Any]:
    try:
        order, *place = json.loads(base64.urlsafe_b64decode(given + "=" * (-len(given) % 4)))
    except (ValueError, TypeError):
        order, place = "", []
    if order not in (*ORDERS, PLACE) or [type(value) in (int, float) for value in place] != [True, True]:
        raise UsageError("after is no cursor of this list; leave it out to begin at the top.")
    return [order, *place]


def _text(name: str, value: str) -> str:
    return value


def _number(name: str, value: str) -> float:
    try:
        found = float(value)
    except ValueError:
        found = float("nan")
    if not isfinite(found):
        raise UsageError(f"{name} is {value!r}; it takes a number.")
    return found


def _one_of(allowed: Collection[str]) -> Callable[[str, str], str]:
    def check(name: str, value: str) -> str:
        if value not in allowed:
            raise UsageError(f"{name} is {value!r}; it takes {', '.join(allowed)}.")
        return value

    return check


OTHERS = {"q", "sort", "after", "limit"}
FILTERS: dict[str, tuple[str, Callable[[str, str], Any]]] = {
    "problem": ("problem_id = ?", _text),
    "teacher": ("teacher = ?", _text),
    "verdict": (
        "coalesce(verdict, 'unjudged') = ?",
        _one_of(("right", "wrong", "unverifiable", "error", "unjudged")),
    ),
    "reason": ("? IN (filter, filter || ':' || reason)", _text),
    "kept": ("CASE WHEN kept THEN 'yes' WHEN NOT kept THEN 'no' END = ?", _one_of(("yes", "no"))),
    "status": ("status = ?", _one_of(("complete", "truncated", "no_reasoning", "malformed"))),
    "min_tokens": ("tokens >= ?", _number),
    "max_tokens": ("tokens <= ?", _number),
    "min_pass": ("pass_rate >= ?", _number),
    "max_pass": ("pass_rate <= ?", _number),
}
"""A condition on the index, and what reads the value that it asks about."""
