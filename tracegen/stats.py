"""The statistics behind a score: unbiased pass@k, maj@k, intervals over problems, paired comparison, the last number.

Pure functions on plain numbers. Problems are the unit of resampling: the samples of one problem are not independent.
All intervals are 95 % and two-sided. None of them knows how a benchmark's problems were picked: they answer for
problems drawn like these, not for those of another benchmark.
"""

import re
from collections import defaultdict
from collections.abc import Sequence
from fractions import Fraction
from math import comb, inf, sqrt
from random import Random
from statistics import NormalDist, fmean, pvariance
from typing import NamedTuple

from tracegen.records import UsageError

Z = NormalDist().inv_cdf(0.975)
RESAMPLES = 10_000
"""Ten times what Efron & Tibshirani (1993, section 19.3) hold to be enough for the ends of an interval."""


class Estimate(NamedTuple):
    """A value and its 95 % interval."""

    value: float
    low: float
    high: float


def pass_at_k(samples: int, right: int, k: int) -> float:
    """The chance that at least one of k samples is right, without bias: 1 - C(n-c, k) / C(n, k) (Chen et al. 2021)."""
    if not 0 <= right <= samples or k < 1:
        raise ValueError(f"{right} right of {samples} samples at k={k} cannot be")
    if k > samples:
        raise UsageError(f"pass@{k} needs {k} samples of a problem and there are {samples}; sample more or lower k.")
    return 1.0 - comb(samples - right, k) / comb(samples, k)


def majority_at_k(right: int, others: Sequence[int], silent: int, k: int) -> float:
    """The chance that the right answer wins the vote of k samples, drawn without replacement from those at hand.

    `right` samples give the right answer, `others` says how many agree on each other answer, `silent` ones give none
    and have no vote. A tie is drawn by lot. Exact, by counting the draws (self-consistency: Wang et al. 2022,
    arXiv:2203.11171).
    """
    if k < 1 or min(right, silent, *others, 0) < 0:
        raise ValueError(f"{right} right, {list(others)} others and {silent} silent samples at k={k} cannot be")
    total = right + sum(others) + silent
    if k > total:
        raise UsageError(f"maj@{k} needs {k} samples of a problem and there are {total}; sample more or lower k.")
    won = 0.0
    for votes in range(1, min(right, k) + 1):
        # How many ways there are to take so many samples of the others, none of which then has more than `votes`, and
        # so many of which have as many.
        ways = {(0, 0): 1}
        for size in others:
            more: dict[tuple[int, int], int] = defaultdict(int)
            for (taken, ties), count in ways.items():
                for its in range(min(size, votes, k - votes - taken) + 1):
                    more[taken + its, ties + (its == votes)] += count * comb(size, its)
            ways = more
        for (taken, ties), count in ways.items():
            won += comb(right, votes) * count * comb(silent, k - votes - taken) / (comb(total, k) * (ties + 1))
    return min(1.0, won)


def mean(values: Sequence[float], draws: float = 1.0) -> Estimate:
    """The mean of one value in [0, 1] per problem, with a Wilson score interval that knows of the clusters.

    For values of 0 and 1 it is Wilson's own interval (1927). For shares of several samples, Wilson's formula gets the
    effective number of draws, p(1-p)/Var(mean), with the variance between problems in it (Korn & Graubard 1998 do
    the same for surveys); it lies between one draw a problem and `draws` a problem. Unlike the normal and the
    bootstrap interval it stays within [0, 1] and does not shrink to a point when every problem failed.
    """
    problems, value = len(values), min(1.0, fmean(values))
    spread = pvariance(values)
    most = problems * max(1.0, draws)
    n = min(most, max(problems, value * (1 - value) * problems / spread)) if spread > 0 else most
    if value in (0.0, 1.0):
        n = problems
    centre = (value + Z * Z / (2 * n)) / (1 + Z * Z / n)
    half = Z / (1 + Z * Z / n) * sqrt(value * (1 - value) / n + Z * Z / (4 * n * n))
    return Estimate(value, max(0.0, min(value, centre - half)), min(1.0, max(value, centre + half)))


def difference(before: Sequence[float], after: Sequence[float], *, seed: int = 0, n: int = RESAMPLES) -> Estimate:
    """Mean of after - before on the same problems: paired percentile bootstrap (Efron & Tibshirani 1993, ch. 13).

    Both sequences are in the same order of problems. Where all differences are equal the interval is that one point:
    resampling cannot show what the problems at hand do not.
    """
    changes = [b - a for a, b in zip(before, after, strict=True)]
    draw = Random(seed).choices
    return _percentiles(fmean(changes), [sum(draw(changes, k=len(changes))) / len(changes) for _ in range(n)])


def ratio(part: Sequence[float], whole: Sequence[float], *, seed: int = 0, n: int = RESAMPLES) -> Estimate | None:
    """sum(part) / sum(whole) on the same problems, bootstrapped over problems; None where the ratio is not defined.

    A resample whose `whole` is zero counts as infinite. The result is None when `whole` itself is zero or so sparse
    that the upper bound is infinite: then there is no figure to report.
    """
    # A complex number carries both sums through one addition, twice as fast as two.
    pairs, draw = list(map(complex, part, whole)), Random(seed).choices

    def quotient(chosen: Sequence[complex]) -> float:
        both = sum(chosen)
        return both.real / both.imag if both.imag > 0 else inf

    found = _percentiles(quotient(pairs), [quotient(draw(pairs, k=len(pairs))) for _ in range(n)])
    return None if found.high == inf else found


def last_number(text: str) -> str | None:
    """The last number of a text in plain notation (`-1234.5`, `3/4`), or None if it holds none.

    Read are decimals, exponents, fractions a/b and \\frac{a}{b}, thousands commas (LaTeX's `{,}` too), and a minus sign
    of any Unicode shape that touches the number; behind a letter, digit or bracket it is a subtraction, not a sign.
    """
    plain = _FRAC.sub(r"\1/\2", text.replace("{,}", ",").replace("\\!", "")).translate(_MINUS)
    found = None
    for found in _NUMBER.finditer(plain):  # noqa: B007
        pass
    return None if found is None else re.sub(r"[^-+.\w/]", "", found.group())


def last_number_right(text: str, answer: str) -> bool:
    """Whether the last number of the whole text equals the last number of the answer; False where either has none."""
    ours, gold = last_number(text), last_number(answer)
    if ours is None or gold is None:
        return False
    try:
        return _exact(ours) == _exact(gold)
    except (ValueError, ZeroDivisionError):
        return False


_MINUS = str.maketrans(dict.fromkeys("\N{MINUS SIGN}\N{EN DASH}\N{FULLWIDTH HYPHEN-MINUS}\N{SMALL HYPHEN-MINUS}", "-"))
_FRAC = re.compile(r"\\[dt]?frac\s*\{\s*(-?\d+)\s*\}\s*\{\s*(\d+)\s*\}")
# An exponent has at most three digits: more would be a number that no memory holds.
_DECIMAL = r"(?:(?:\d{1,3}(?:,\d{3})+(?!\d|,\d)|\d+)(?:\.\d+)?(?:[eE][+-]?\d{1,3}(?!\w))?|(?<![\w.])\.\d+)"
_SIGN = r"(?:(?<![\w)\]}])(?<!\d\s)-\\?\$?)"
_NUMBER = re.compile(rf"(?<!\d)(?<!\d\.){_SIGN}?{_DECIMAL}(?:\s?/\s?{_DECIMAL})?")


def _exact(number: str) -> Fraction:
    over, _, under = number.partition("/")
    return Fraction(over) / Fraction(under or "1")


def _percentiles(value: float, resamples: list[float]) -> Estimate:
    """The 2.5 % and 97.5 % points of the resamples, stretched to hold the value itself."""
    resamples.sort()
    cut = len(resamples) // 40
    return Estimate(value, min(value, resamples[cut]), max(value, resamples[-1 - cut]))
