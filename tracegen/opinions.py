"""What the verifiers of a run said of the same traces: how often each was heard, and how often they disagree.

Only the last hearing of a trace by the present panel, under its problem's present gold, counts. Two verifiers can be
compared where both said right or wrong: by second opinions, and by appeals. With appeals alone the traces are those
that the first one rejected, so the agreement says nothing of the others.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

from tracegen.ledger import best, read
from tracegen.panel import JUDGEMENTS, decide
from tracegen.records import Problem, Verdict
from tracegen.stats import Estimate, mean
from tracegen.verdicts import present

EXAMPLES = 5
"""Disagreements of a pair that are shown."""


@dataclass(slots=True)
class Witness:
    """One verifier: what it said, and on how many traces it decided."""

    name: str
    outcomes: Counter[str] = field(default_factory=Counter)
    decided: int = 0
    second_opinions: int = 0


@dataclass(slots=True)
class Pair:
    """Two verifiers on the traces that both judged."""

    first: str
    second: str
    judged: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Traces by (outcome of the first, outcome of the second)."""
    examples: list[tuple[str, Verdict, Verdict]] = field(default_factory=list)
    """Disagreements: the problem and the two verdicts."""

    @property
    def agree(self) -> int:
        return self.judged["right", "right"] + self.judged["wrong", "wrong"]

    @property
    def disagree(self) -> int:
        return self.judged.total() - self.agree

    @property
    def share(self) -> Estimate:
        """The share of traces on which they agree; the interval takes traces as independent."""
        return mean([1.0] * self.agree + [0.0] * self.disagree)


def opinions(run: Path, problems: Mapping[str, Problem]) -> tuple[list[Witness], list[Pair]]:
    """Every verifier that was heard, and every two that judged a trace both."""
    witnesses: dict[str, Witness] = {}
    pairs: dict[tuple[str, str], Pair] = {}
    for problem, verdicts in _heard(run, problems):
        deciding = decide(verdicts)
        for verdict in verdicts:
            witness = witnesses.setdefault(verdict.verifier, Witness(verdict.verifier))
            witness.outcomes[verdict.outcome] += 1
            witness.decided += verdict is deciding
            witness.second_opinions += verdict.second_opinion
        judged = [verdict for verdict in verdicts if verdict.outcome in JUDGEMENTS]
        for first, second in combinations(judged, 2):
            names = first.verifier, second.verifier
            pair = pairs.setdefault(names, Pair(*names))
            pair.judged[first.outcome, second.outcome] += 1
            if first.outcome != second.outcome and len(pair.examples) < EXAMPLES:
                pair.examples.append((problem, first, second))
    return list(witnesses.values()), list(pairs.values())


def asked(run: Path) -> Iterator[tuple[str, str, int, int]]:
    """Of every model that a verifier, filter or source asked: who, the model, questions, tokens; failures included."""
    for folder in sorted((run / "asked").glob("*")):
        counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        for row in read(folder):
            counts[row["model"]][0] += 1
            counts[row["model"]][1] += (row["prompt_tokens"] or 0) + (row["completion_tokens"] or 0)
        for model, (questions, tokens) in counts.items():
            yield re.sub("^filter_", "filter ", folder.name), model, questions, tokens


def _heard(run: Path, problems: Mapping[str, Problem]) -> Iterator[tuple[str, list[Verdict]]]:
    """Every trace of the ledger as its problem's id, with its verdicts."""
    verdicts = present(run / "verdicts", problems)
    for row in best(run / "traces"):
        if found := verdicts(row["key"], row["problem_id"]):
            yield row["problem_id"], found
