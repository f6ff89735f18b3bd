"""A value over the course of a training: a number, or points between which it moves.

    alpha: 0.5
    alpha: {0: 1.0, 0.2: 1.0, 0.6: 0.5}            # points: share of the steps done -> value, straight between them
    alpha: {0: 1.0, 0.3: 0.5, shape: step}         # each value holds until the next point
    temperature: {0: 4.0, 1: 1.0, shape: cosine}

So a staged training needs no stages of its own: a weight is 0 where its loss is off.
"""

import math
from collections.abc import Mapping
from typing import Any

from tracegen.material import Points
from tracegen.records import UsageError

SHAPES = ("linear", "cosine", "step")


class Schedule:
    """`schedule(done)`, where `done` runs from 0 to 1; before the first point and behind the last, their values."""

    def __init__(self, name: str, given: Points) -> None:
        points: dict[Any, Any] = dict(given) if isinstance(given, Mapping) else {0.0: given}
        self.shape = str(points.pop("shape", "linear"))
        if self.shape not in SHAPES:
            raise UsageError(f"`{name}.shape` is {self.shape!r}; it must be one of {', '.join(SHAPES)}.")
        try:
            self.points = sorted((float(at), float(value)) for at, value in points.items())
        except (TypeError, ValueError):
            shown = "points such as {0: 1.0, 0.5: 0.2}"
            raise UsageError(f"`{name}` is {given!r}; it takes a number, or {shown}.") from None
        if not self.points or not all(0 <= at <= 1 and math.isfinite(value) for at, value in self.points):
            raise UsageError(f"`{name}` is {given!r}; each point is a share of the steps, from 0 to 1, and its value.")

    def __call__(self, done: float) -> float:
        before = [point for point in self.points if point[0] <= done]
        after = [point for point in self.points if point[0] > done]
        if not before:
            return self.points[0][1]
        if not after or self.shape == "step":
            return before[-1][1]
        (start, low), (end, high) = before[-1], after[0]
        part = (done - start) / (end - start)
        if self.shape == "cosine":
            part = (1 - math.cos(math.pi * part)) / 2
        return low + (high - low) * part

    @property
    def values(self) -> list[float]:
        """All values that it passes through at its points."""
        return [value for _, value in self.points]
