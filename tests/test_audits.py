"""The audits that cards repeat are of the verifiers as they are."""

import pytest

from tracegen import registry
from tracegen.audit import audit
from tracegen.corpus import audits


@pytest.mark.parametrize("line", audits.table(), ids=lambda line: f"{line.verifier}-{line.pairs}")
def test_a_line_is_of_the_present_version(line: audits.Audited) -> None:
    assert line.version == registry.about("verifier", line.verifier, "VERSION")


def test_agreement_counts_both_kinds_of_error() -> None:
    line = next(line for line in audits.table() if line.false_negatives)
    wrong = line.false_positives + line.false_negatives
    assert line.agreement.value == pytest.approx(1 - wrong / line.pairs)
    assert line.agreement.low < line.agreement.value < line.agreement.high


def test_a_verifier_in_another_version_has_none() -> None:
    found, unknown = audits.of([("math", "2"), ("math", "0"), ("house_rule", "1"), ("math", "2")])
    assert {(line.verifier, line.version) for line in found} == {("math", "2")}
    assert unknown == [("house_rule", "1"), ("math", "0")]


@pytest.mark.soak
@pytest.mark.parametrize(
    "line", [line for line in audits.table() if "audit" in line.command], ids=lambda line: line.pairs
)
def test_measured_again_the_figures_are_the_same(line: audits.Audited) -> None:
    found = audit(line.command.split()[-1], verifier=line.verifier)
    figures = (len(found.pairs), found.count(expected=False), found.count(expected=True))
    assert figures == (line.pairs, line.false_positives, line.false_negatives)
