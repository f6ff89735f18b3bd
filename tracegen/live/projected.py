"""What a stage will have cost when its plan is done, projected from the answers of this launch.

Method and interval are those of `estimate`. Where verdicts steer, the plan is a most: then only a bound is known.
"""

from collections.abc import Sequence
from typing import NamedTuple

from tracegen.estimate import Projection, Usage, exactly, project, together
from tracegen.stats import Estimate


class Ahead(NamedTuple):
    """One teacher: what its answers took, how many of them are still to come, and for how long."""

    usage: Usage
    left: int
    at_most: bool
    seconds: float | None


def projected(paid: float, teachers: Sequence[Ahead]) -> dict[str, float | None] | None:
    """Dollars in all as low, value and high, with what is `paid` by now; None as long as nothing can be said."""
    parts = [_ahead(each) for each in teachers if each.left]
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return None
    ahead = together(known)
    usd = ahead.usd if ahead and ahead.usd else Estimate(0.0, 0.0, 0.0)
    value, low, high = (round(paid + dollars, 6) for dollars in usd)
    if any(each.at_most for each in teachers):
        return {"low": round(paid, 6), "value": None, "high": high}
    return {"low": low, "value": value, "high": high}


def _ahead(each: Ahead) -> Projection | None:
    """What is still to come from one teacher."""
    found = project(each.usage, exactly(each.usage.answers + each.left))
    price = each.usage.price
    if found is None or found.usd is None or price is None:
        return None
    machines = price.gpu_hour * price.gpus / 3600 * (each.seconds or 0.0)
    there = (each.usage.usd or 0.0) - machines
    return found._replace(usd=Estimate(*(dollars - there for dollars in found.usd)))
