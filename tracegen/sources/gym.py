"""Procedural problems from reasoning-gym (Stojanovski et al. 2025, arXiv:2505.24760): as many as one likes, by seed.

The whole entry is kept in `extra`, as JSON has it, because some tasks are judged by more than their answer, and so are
the task's own options, where it has any. A few tasks have many right answers and so no gold: their scorer judges.
"""

import json
from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO
from typing import Any

from tracegen.records import MissingExtra, Problem, UsageError


def gym(*, task: str, size: int, seed: int = 1, config: dict[str, Any] | None = None) -> Iterator[Problem]:
    """Problems that a reasoning-gym task makes, judged by the task's own scorer.

    `size` problems come from `seed`; `config` holds the task's own options (`min_digits`, `max_terms` ...). The task
    `composite` mixes others: `config: {datasets: [{name: chain_sum, weight: 1, config: {}}, ...]}`.
    Raises UsageError for an unknown task and for options that the task does not take.
    """
    try:
        from reasoning_gym.composite import DatasetSpec
        from reasoning_gym.factory import DATASETS, create_dataset
    except ImportError:
        raise MissingExtra("reasoning-gym", "gym") from None
    if task not in DATASETS:
        near = [name for name in sorted(DATASETS) if set(name.split("_")) & set(task.split("_"))]
        raise UsageError(f"reasoning-gym has no task {task!r}; it has {', '.join(near or sorted(DATASETS))}.")
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        raise UsageError(f"gym: `size` is {size!r}; it must be a whole number from 1.")
    given = dict(config or {})
    try:
        if task == "composite":
            given["datasets"] = [DatasetSpec(**spec) for spec in given.get("datasets") or []]
        with redirect_stdout(StringIO()):
            entries = create_dataset(task, **{**given, "size": size, "seed": seed})
    # The checks of reasoning-gym's configurations are assert statements.
    except (TypeError, ValueError, AssertionError) as error:
        raise UsageError(f"reasoning-gym's {task} does not take {config} ({error}).") from None
    own = {spec.name: spec.config for spec in given.get("datasets", ())} if task == "composite" else {task: given}
    for number in range(size):
        with redirect_stdout(StringIO()):  # some generators print
            entry = json.loads(json.dumps(entries[number], default=str))
        made_by = entry["metadata"]["source_dataset"] if task == "composite" else task
        options = {"gym_config": own[made_by]} if own.get(made_by) else {}
        yield Problem(
            id=f"{task}-{seed}-{number}",
            statement=entry["question"],
            answer=None if entry["answer"] is None else str(entry["answer"]),
            verifier="gym",
            source=f"reasoning_gym/{made_by}",
            domain=type(entries).__module__.split(".")[1],
            licence="apache-2.0",
            extra={"gym_task": made_by, "gym_entry": entry, **options},
        )
