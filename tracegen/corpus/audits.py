"""What is known of the verifiers that judged a corpus, in their very versions.

Shape: `of(verifiers)` gives lines of data/verifier_audits.yaml, which comes with tracegen and is dated.
"""

import datetime
from collections.abc import Iterable
from functools import cache

import yaml

from tracegen import shipped, stats
from tracegen.recipe import Strict


class Audited(Strict):
    """One set of labelled answers that went through a verifier."""

    verifier: str
    version: str
    set: str
    pairs: int
    false_positives: int
    false_negatives: int
    command: str
    """What measures it again."""
    measured: datetime.date

    @property
    def agreement(self) -> stats.Estimate:
        wrong = self.false_positives + self.false_negatives
        return stats.mean([1.0] * (self.pairs - wrong) + [0.0] * wrong)


@cache
def table() -> tuple[Audited, ...]:
    """The audits that come with tracegen."""
    rows = yaml.safe_load(shipped.find("data", "verifier_audits.yaml").read_text(encoding="utf-8"))
    return tuple(Audited.model_validate(row) for row in rows)


def of(verifiers: Iterable[tuple[str, str]]) -> tuple[list[Audited], list[tuple[str, str]]]:
    """The audits of these verifiers and versions, and those of them that have none."""
    asked = sorted(set(verifiers))
    found = [line for line in table() if (line.verifier, line.version) in asked]
    known = {(line.verifier, line.version) for line in found}
    return found, [one for one in asked if one not in known]
