"""The register of rewrites: families that keep the value, families that change it.

A family takes a gold and a random generator and yields new spellings of the gold's core, as many as it has.
"""

from collections.abc import Callable, Iterator
from random import Random

from rewrites.golds import Gold

Family = Callable[[Gold, Random], Iterator[str]]
PRESERVING: dict[str, Family] = {}
BREAKING: dict[str, Family] = {}

FOREIGN = {
    "approximation_beside",
    "base_in_words",
    "both_signs",
    "inequality",
    "mixed_number_in_plain_text",
    "named",
    "reordered_items",
    "sympy_syntax",
    "unicode",
    "unit_in_words",
    "word_dress",
}
"""Preserving families that leave plain LaTeX, so that the reader cannot check them."""
SURE = {"other_base", "other_letter", "other_unit", "other_word", "percent", "with_letter"}
"""Breaking families that are wrong by convention: a unit, a base, a letter. The reader need not see a difference."""


def preserving(family: Family) -> Family:
    PRESERVING[family.__name__] = family
    return family


def breaking(family: Family) -> Family:
    BREAKING[family.__name__] = family
    return family
