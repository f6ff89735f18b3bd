"""Held-out problems that a reasoning-gym task makes (Stojanovski et al. 2025, arXiv:2505.24760), Apache-2.0.

The problems are those of the source of the same name. One seed gives one set of problems: take another than the
recipe's own problems were made with. Several tasks stand side by side under names of their own, as in
`evaluate.benchmarks: {sums: {benchmark: gym, task: chain_sum, size: 50}, ...}`.
"""

from collections.abc import Iterator
from typing import Any

from tracegen import registry
from tracegen.records import Problem


def gym(*, task: str, size: int, seed: int = 1_000_003, config: dict[str, Any] | None = None) -> Iterator[Problem]:
    """Problems that a reasoning-gym task makes, judged by the task's own scorer."""
    options = {"task": task, "size": size, "seed": seed, "config": config}
    problems: Iterator[Problem] = registry.bind("source", "gym", options)()
    return problems
