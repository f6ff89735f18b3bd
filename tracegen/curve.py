"""What a training shows of itself while it goes on: loss and its course, guesses that are right, speed, memory."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

LEVELS = "▁▂▃▄▅▆▇█"
WIDTH = 20
"""Characters of the course."""


class Curve:
    """`note(line)`: what is shown beside the bar, after each line of the log."""

    def __init__(self) -> None:
        self.losses: dict[int, float] = {}

    def note(self, line: Mapping[str, Any]) -> str:
        """Steps that a resumed training does again replace what was shown of them."""
        self.losses = {step: loss for step, loss in self.losses.items() if step < line["step"]}
        self.losses[line["step"]] = line["loss"]
        parts = [f"{line['tokens'] / line['seconds']:.0f} tokens/s", f"loss {line['loss']:.3f}"]
        parts[-1] += f" {drawn(list(self.losses.values()))}"
        if line.get("accuracy") is not None:
            parts.append(f"{line['accuracy']:.0%} of tokens right")
        if line.get("memory"):
            parts.append(f"{line['memory']:.1f} GB")
        return ", ".join(parts)


def drawn(values: Sequence[float], width: int = WIDTH) -> str:
    """The course of the values, from first to last: each character is the mean of its share of them."""
    count = min(width, len(values))
    ends = [round(part * len(values) / count) for part in range(count + 1)] if count else [0]
    means = [sum(values[a:b]) / (b - a) for a, b in pairwise(ends)]
    low, high = min(means, default=0.0), max(means, default=0.0)
    steps = (high - low) / (len(LEVELS) - 1) or 1.0
    return "".join(LEVELS[round((mean - low) / steps)] for mean in means)
