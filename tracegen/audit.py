"""Scores the verifier itself: labelled answers go through it, and what it says is held against what was expected.

Shape: `audit(file, ...) -> Audit`, and `show` prints one. A line is `{"gold", "pred", "expected", "id"?, "category"?}`;
every other key reaches the verifier as in `grade`, and `expected` is true where the answer is right.
The verifier is held to right or not right: an expected right that it calls wrong, unverifiable or an error is a false
negative, an expected wrong that it calls right a false positive. `expected_outcome` may name the outcome itself.
"""

import json
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tracegen.grade import grade
from tracegen.progress import Bar
from tracegen.records import UsageError
from tracegen.rows import json_lines, kind
from tracegen.shipped import find
from tracegen.stats import Estimate, mean

LABELS = ("id", "category", "expected", "expected_outcome")
"""What the verifier does not get to see."""
LINE = 400
"""Characters of a disagreement that are printed; `--json` has it whole."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One labelled answer and what the verifier said of it."""

    id: str
    category: str
    gold: Any
    pred: str
    expected: bool
    expected_outcome: str | None
    outcome: str
    reason: str
    answer: str | None
    seconds: float

    @property
    def agrees(self) -> bool:
        if self.expected_outcome is not None:
            return self.outcome == self.expected_outcome
        return (self.outcome == "right") == self.expected


@dataclass(frozen=True, slots=True)
class Audit:
    """What came out of it."""

    verifier: str
    pairs: Sequence[Pair]
    seconds: float
    """From the first line to the last verdict, the start of the workers included."""

    @property
    def accuracy(self) -> Estimate:
        return mean([float(pair.agrees) for pair in self.pairs])

    @property
    def disagreements(self) -> list[Pair]:
        return [pair for pair in self.pairs if not pair.agrees]

    @property
    def slowest(self) -> Pair:
        return max(self.pairs, key=lambda pair: pair.seconds)

    def count(self, *, expected: bool) -> int:
        """The false negatives where right was expected, else the false positives."""
        return sum(pair.expected is expected and (pair.outcome == "right") is not expected for pair in self.pairs)

    def categories(self) -> dict[str, tuple[int, int]]:
        """How many pairs of each category there are, and on how many the verifier agrees."""
        found: dict[str, list[bool]] = defaultdict(list)
        for pair in self.pairs:
            found[pair.category].append(pair.agrees)
        return {name: (len(agrees), sum(agrees)) for name, agrees in sorted(found.items())}

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "verifier": self.verifier,
            "pairs": len(self.pairs),
            "accuracy": self.accuracy._asdict(),
            "false_positives": self.count(expected=False),
            "false_negatives": self.count(expected=True),
            "outcomes": dict(Counter(pair.outcome for pair in self.pairs)),
            "seconds": self.seconds,
            "pairs_per_second": len(self.pairs) / self.seconds,
            "slowest": asdict(self.slowest),
            "categories": {name: {"pairs": n, "agrees": right} for name, (n, right) in self.categories().items()},
            "disagreements": [asdict(pair) for pair in self.disagreements],
        }


def audit(
    file: str,
    *,
    verifier: str = "math",
    workers: int = 2,
    options: Mapping[str, Any] | None = None,
    timeout: float = 10.0,
) -> Audit:
    """Have the verifier judge the labelled lines of `file`, a path or the name of a data file of tracegen's.

    UsageError for a line that is no labelled pair, with its number, and for a bad verifier or option.
    """
    rows = list(_labelled(file))
    lines = (json.dumps({name: value for name, value in row.items() if name not in LABELS}) for row in rows)
    pairs = []
    started = time.monotonic()
    with Bar("audit", len(rows), "pairs") as bar:
        judged = grade(lines, verifier=verifier, workers=workers, options=options, timeout=timeout)
        for row, found in zip(rows, judged, strict=True):
            if "error" in found and "outcome" not in found:
                raise UsageError(f"{file}, pair {row['id']}: {found['error']}.")
            pairs.append(_pair(row, found))
            bar.advance()
    return Audit(verifier, pairs, time.monotonic() - started)


def _labelled(file: str) -> Iterator[dict[str, Any]]:
    nothing = True
    for number, (where, row) in enumerate(json_lines(find("data", file)), start=1):
        if not isinstance(row.get("expected"), bool):
            raise UsageError(f"{where}: `expected` must be true or false, not {kind(row.get('expected'))}.")
        nothing = False
        yield {"id": str(number), "category": "", **row}
    if nothing:
        raise UsageError(f'{file} is empty; it needs lines such as {{"gold": "1/2", "pred": "0.5", "expected": true}}.')


def _pair(row: Mapping[str, Any], found: Mapping[str, Any]) -> Pair:
    return Pair(
        id=str(row["id"]),
        category=str(row["category"]),
        gold=row.get("gold"),
        pred=str(row.get("pred", row.get("program"))),
        expected=row["expected"],
        expected_outcome=row.get("expected_outcome"),
        outcome=found["outcome"],
        reason=found["reason"],
        answer=found["answer"],
        seconds=found["seconds"],
    )


def show(found: Audit) -> None:
    """The audit for the terminal."""
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table

    console = Console(soft_wrap=True, highlight=False)
    wrong = found.disagreements
    value, low, high = found.accuracy
    console.print(
        f"{found.verifier} agrees on {len(found.pairs) - len(wrong):,} of {len(found.pairs):,} labelled pairs"
    )
    table = Table(box=SIMPLE, show_header=False, pad_edge=False)
    for name, text in (
        ("accuracy", f"{100 * value:.1f} % ({100 * low:.1f} to {100 * high:.1f})"),
        ("false positives", f"{found.count(expected=False)}"),
        ("false negatives", f"{found.count(expected=True)}"),
        ("outcomes", _counted(pair.outcome for pair in found.pairs)),
        ("pairs per second", f"{len(found.pairs) / found.seconds:.1f}"),
        ("slowest pair", f"{found.slowest.id}: {found.slowest.seconds:.2f} s"),
    ):
        table.add_row(name, text)
    console.print(table)
    if len(categories := found.categories()) > 1:
        table = Table("category", box=SIMPLE, pad_edge=False)
        for column in ("pairs", "agrees", "share"):
            table.add_column(column, justify="right")
        for name, (pairs, agrees) in categories.items():
            table.add_row(name, str(pairs), str(agrees), f"{100 * agrees / pairs:.1f} %")
        console.print(table)
    for pair in wrong:
        expected = pair.expected_outcome or ("right" if pair.expected else "not right")
        said = f"{pair.id}: expected {expected}, got {pair.outcome} ({pair.reason})"
        console.print(f"{said}; gold {pair.gold!r}, pred {pair.pred!r}"[:LINE], markup=False)


def _counted(names: Iterable[str]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in Counter(names).most_common())
