"""What a plan will take, projected from the answers that are there: tokens, dollars, verified traces, with intervals.

    Usage       what the answers of one teacher took; memory does not grow with them
    project     Usage and a plan -> Projection
    together    the projections of several teachers -> that of all
    draws       how many samples a schedule with `stop_after` is expected to draw

Method. Answers to one problem resemble each other, so problems are the unit: they are dealt into GROUPS random groups
(Wolter 2007, Introduction to Variance Estimation, ch. 2) and a mean per answer is a ratio of sums over groups. Lengths
are skewed, and with few answers a t interval is too low on both sides; Hall's transformation (1992, J. R. Statist. Soc.
B 54:221) takes the skewness into account without resampling. The interval is for what the rest of the plan will take,
not for a mean: it is wider by sqrt(1 + answers there / answers to come). 95 %, two-sided.
Limits: the answers are taken for a random part of the plan. While many are in flight they are not, since the short
ones come back first; the figures then rise for a while.
"""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from math import copysign, exp, lgamma, sqrt
from typing import Any, NamedTuple

from tracegen.bill import dollars
from tracegen.recipe import Prices
from tracegen.stats import Estimate, Z, mean

__all__ = ["Projection", "Usage", "beta", "draws", "exactly", "project", "spread_of", "together"]

GROUPS = 256
MIN_GROUPS = 4
"""Fewer groups say nothing about how much they differ."""


class Projection(NamedTuple):
    """What a plan will have taken when it is done; what is not known is None."""

    answers: int
    """Those that it is projected from."""
    planned: Estimate
    """Answers in all."""
    tokens: Estimate
    usd: Estimate | None
    verified: Estimate | None

    @property
    def tokens_per_verified(self) -> float | None:
        return self.tokens.value / self.verified.value if self.verified and self.verified.value else None

    @property
    def usd_per_verified(self) -> float | None:
        return self.usd.value / self.verified.value if self.usd and self.verified and self.verified.value else None


class Usage:
    """What the answers of one teacher took, by random group of problems. A failure is no answer and took nothing."""

    def __init__(self, price: Prices | None) -> None:
        self.price = price
        self.most = 0.0
        """The longest that an answer can be, in tokens with its prompt, as far as is known."""
        self._groups: dict[int, _Group] = {}

    @property
    def answers(self) -> int:
        return round(sum(group.answers for group in self._groups.values()))

    @property
    def tokens(self) -> float:
        return sum(group.tokens for group in self._groups.values())

    @property
    def usd(self) -> float | None:
        return None if self.price is None else sum(group.usd for group in self._groups.values())

    @property
    def right(self) -> int:
        return sum(group.right for group in self._groups.values())

    def answered(self, row: Mapping[str, Any], weight: float = 1.0) -> None:
        """A ledger row; what goes on with an answer adds to it and is no further one.

        `weight`: how often the plan draws from its problem, on an average of 1.
        """
        if row["error"] is not None:
            return
        prompt, completion = row["prompt_tokens"] or 0, row["completion_tokens"] or 0
        group = self._group(row["problem_id"])
        group.answers += 0.0 if row.get("prefix_tokens") or row.get("forced") else weight
        group.tokens += weight * (prompt + completion)
        self.most = max(self.most, prompt + (row.get("max_tokens") or 0))
        if self.price:
            group.usd += weight * dollars(self.price, prompt, completion, row.get("engine"))

    def judged(self, problem_id: str, right: bool) -> None:
        """The verdict that decides on an answer."""
        group = self._group(problem_id)
        group.judged += 1
        group.right += right

    def tokens_per_answer(self, more: float) -> Estimate | None:
        return _mean_of([(group.tokens, group.answers) for group in self._groups.values()], more)

    def usd_per_answer(self, more: float) -> Estimate | None:
        if self.price is None:
            return None
        return _mean_of([(group.usd, group.answers) for group in self._groups.values()], more)

    def pass_rate(self) -> Estimate | None:
        """The share of answers that are right."""
        judged = [group for group in self._groups.values() if group.judged]
        if not judged:
            return None
        draws_each = sum(group.judged for group in judged) / len(judged)
        found = mean([group.right / group.judged for group in judged], draws_each)
        whole = self.right / sum(group.judged for group in judged)
        return Estimate(whole, min(found.low, whole), max(found.high, whole))

    def _group(self, problem_id: str) -> "_Group":
        number = int.from_bytes(sha256(problem_id.encode("utf-8", "surrogatepass")).digest()[:4], "big") % GROUPS
        return self._groups.setdefault(number, _Group())


class _Group:
    """Sums over the answers to the problems of one group."""

    __slots__ = ("answers", "judged", "right", "tokens", "usd")

    def __init__(self) -> None:
        self.judged = self.right = 0
        self.answers = self.tokens = self.usd = 0.0


def exactly(number: float) -> Estimate:
    """A number that is known."""
    return Estimate(number, number, number)


def project(usage: Usage, planned: Estimate, verified: Estimate | None = None) -> Projection | None:
    """What `planned` answers in all will have taken, those of `usage` included; None as long as too few are there.

    `verified`: the right ones among them, where a schedule decides how many these are.
    """
    left = Estimate(*(max(0.0, number - usage.answers) for number in planned))
    each = usage.tokens_per_answer(left.value)
    if each is None:
        return None
    each_usd, rate = usage.usd_per_answer(left.value), usage.pass_rate()
    tokens = _total(usage.tokens, each, left, usage.most)
    usd = None if each_usd is None else _total(usage.usd or 0.0, each_usd, left, None)
    if verified is None and rate is not None:
        verified = _total(usage.right, rate, left, 1.0)
    return Projection(usage.answers, planned, tokens, usd, verified)


def together(projections: Sequence[Projection]) -> Projection | None:
    """All teachers, whose errors are independent. Dollars are known where all have a price."""
    if not projections:
        return None
    return Projection(
        sum(one.answers for one in projections),
        _sum(one.planned for one in projections),
        _sum(one.tokens for one in projections),
        _sum_if_known([one.usd for one in projections]),
        _sum_if_known([one.verified for one in projections]),
    )


class Draws(NamedTuple):
    """A problem under a schedule, on the average over problems."""

    samples: float
    right: float
    unsolved: float
    """The share of problems that stay unsolved at the cap."""


def beta(rate: float, spread: float) -> tuple[float, float]:
    """The Beta distribution of pass rates over problems that has this mean and `spread_of`."""
    rate, weight = min(0.999, max(0.001, rate)), (1 - spread) / spread
    return rate * weight, (1 - rate) * weight


def draws(alpha: float, beta: float, *, stop_after: int, cap: int) -> Draws:
    """What a schedule draws per problem until `stop_after` are right, or `cap` are drawn.

    A sample is drawn for every j below the cap for which fewer than `stop_after` of j samples are right.
    """
    chances = [[_beta_binomial(j, k, alpha, beta) for k in range(min(j + 1, stop_after))] for j in range(cap + 1)]
    unsolved = sum(chances[cap])
    partly = sum(k * chance for k, chance in enumerate(chances[cap]))
    return Draws(sum(map(sum, chances[:cap])), stop_after * (1 - unsolved) + partly, unsolved)


def spread_of(rates: Sequence[tuple[int, int]]) -> float:
    """How much pass rates differ between problems: from 0, not at all, to 1, each is always or never solved.

    By moments of (right, judged): two answers to one problem are both right with chance p^2 + spread p (1 - p). Where
    no problem has two answers nothing shows it, and it is that of the uniform distribution, 1/3.
    """
    pairs = sum(n * (n - 1) for _, n in rates)
    plain = sum(r for r, _ in rates) / max(1, sum(n for _, n in rates))
    if not pairs or not 0 < plain < 1:
        return 1 / 3
    both = sum(r * (r - 1) for r, _ in rates) / pairs
    return min(0.95, max(0.02, (both - plain * plain) / (plain * (1 - plain))))


def _beta_binomial(n: int, k: int, alpha: float, beta: float) -> float:
    def log_beta(a: float, b: float) -> float:
        return lgamma(a) + lgamma(b) - lgamma(a + b)

    ways = lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)
    return exp(ways + log_beta(k + alpha, n - k + beta) - log_beta(alpha, beta))


def _mean_of(groups: Sequence[tuple[float, float]], more: float) -> Estimate | None:
    """The mean per answer of (sum, answers) groups, with Hall's interval, for the mean of `more` further answers."""
    groups = [(total, answers) for total, answers in groups if answers]
    n, answers = len(groups), sum(answers for _, answers in groups)
    if n < MIN_GROUPS:
        return None
    value = sum(total for total, _ in groups) / answers
    # What each group adds to the ratio, to first order: deviations whose mean is the ratio's.
    off = [n * (total - value * count) / answers for total, count in groups]
    sigma = sqrt(sum(one * one for one in off) / n)
    if sigma <= 1e-12 * abs(value):
        return exactly(value)
    skew = sum(one**3 for one in off) / n / sigma**3
    t, sigma = _t(n - 1) / sqrt(n), sigma * sqrt(n / (n - 1))
    wider = sqrt(1 + answers / more) if more else 1.0
    low, high = (value - sigma * wider * _untransformed(v, skew, n) for v in (t, -t))
    return Estimate(value, min(low, value), max(high, value))


def _untransformed(v: float, skew: float, n: int) -> float:
    """The inverse of Hall's cubic g(u) = u + s u^2 / 3 + s^2 u^3 / 27 + s / (6 n)."""
    if abs(skew) < 1e-6:
        return v
    inner = 1 + skew * (v - skew / (6 * n))
    return 3 / skew * (copysign(abs(inner) ** (1 / 3), inner) - 1)


def _t(freedom: int) -> float:
    """The 97.5 % point of Student's t (Abramowitz & Stegun 26.7.5)."""
    z, v = Z, float(freedom)
    return (
        z
        + (z**3 + z) / (4 * v)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * v**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * v**3)
    )


def _total(there: float, each: Estimate, left: Estimate, most: float | None) -> Estimate:
    """What is there and so many more; none takes less than nothing, or more than the most."""
    bounded = Estimate(*(min(max(0.0, one), most if most else one) for one in each))
    low, high = there + left.low * bounded.low, there + left.high * max(bounded.high, 0.0)
    return Estimate(there + left.value * bounded.value, low, high)


def _sum(parts: Iterable[Estimate]) -> Estimate:
    parts = list(parts)
    value = sum(one.value for one in parts)
    below = sqrt(sum((one.value - one.low) ** 2 for one in parts))
    above = sqrt(sum((one.high - one.value) ** 2 for one in parts))
    return Estimate(value, value - below, value + above)


def _sum_if_known(parts: Sequence[Estimate | None]) -> Estimate | None:
    known = [one for one in parts if one is not None]
    return _sum(known) if len(known) == len(parts) else None
