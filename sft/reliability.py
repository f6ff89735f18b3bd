"""How reliable each teacher is in each domain: the share of its traces there that a verifier called right.

Shape: `reliabilities(...)` gives r of each teacher for each group of rows. Of the recipe, `verified` counts the
verdicts in `data/all` of the corpus, `equal` takes all alike, and figures of one's own are taken as they stand.
Shares are (right + 1) / (judged + 2) (Laplace), so that one lucky trace makes nobody infallible; without a verdict in a
domain a teacher has the share of all its traces, and without any, that of all teachers.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from tracegen.records import UsageError

Given = Literal["verified", "equal"] | Mapping[str, float | Mapping[str, float]]
OTHER = "other"
"""Rows whose domain is not known, and in a recipe all domains that it does not name."""


def reliabilities(
    names: Sequence[str], groups: Iterable[str], given: Given, *, corpus: str, by: str
) -> dict[str, list[float]]:
    """r of each of the teachers `names`, in their order, for each group of rows."""
    found = sorted(set(groups))
    if given == "equal":
        return {group: [1.0] * len(names) for group in found}
    if isinstance(given, Mapping):
        if wrong := sorted(set(given) - set(names)) or sorted(set(names) - set(given)):
            raise UsageError(
                f"`distill.several.reliability` must have a figure for each of {', '.join(names)}; see {wrong[0]!r}."
            )
        return {group: [_own(given[name], name, group) for name in names] for group in found}
    right, judged = _verdicts(Path(corpus), by)
    return {group: [_share(right, judged, name, group) for name in names] for group in found}


def _own(given: float | Mapping[str, float], name: str, group: str) -> float:
    if not isinstance(given, Mapping):
        return given
    if group not in given and OTHER not in given:
        raise UsageError(
            f"`distill.several.reliability.{name}` has no figure for {group!r}; name it, or `{OTHER}` for the rest."
        )
    return given.get(group, given.get(OTHER, 0.0))


def _share(right: Counter[tuple[str, str]], judged: Counter[tuple[str, str]], name: str, group: str) -> float:
    for keys in (
        [key for key in judged if key == (name, group)],
        [key for key in judged if key[0] == name],
        list(judged),
    ):
        if total := sum(judged[key] for key in keys):
            return (sum(right[key] for key in keys) + 1) / (total + 2)
    return 0.5


def _verdicts(corpus: Path, by: str) -> tuple[Counter[tuple[str, str]], Counter[tuple[str, str]]]:
    """Traces by (teacher, group): those called right, and those called right or wrong."""
    import pyarrow.parquet

    right: Counter[tuple[str, str]] = Counter()
    judged: Counter[tuple[str, str]] = Counter()
    for file in sorted(corpus.glob("data/all/train-*.parquet")):
        if by not in pyarrow.parquet.read_schema(file).names:
            raise UsageError(f"the corpus {corpus} has no column {by!r}; set `distill.several.by` to one that it has.")
        for row in pyarrow.parquet.read_table(file, columns=["teacher", "verdict", by]).to_pylist():
            key = (str(row["teacher"]), str(row[by] or OTHER))
            right[key] += row["verdict"] == "right"
            judged[key] += row["verdict"] in ("right", "wrong")
    return right, judged
