"""A small random part of a run, asked and judged first, and the whole projected from it: `tracegen estimate`.

    pilot(run, samples)     asks what is missing of the part, and hands back what it says -> Forecast
    Forecast                per teacher and in all; `as_dict` for machines, `show` for people

The part is drawn with the recipe's seed, so the same command asks the same samples again, which is nothing: they lie in
the run's own ledger, and the run itself does not ask them a second time either.
Limits: a teacher behind another (`after`) is projected as if the problems that the other leaves were like its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from random import Random
from typing import Any, NamedTuple

from tracegen import prices, telemetry
from tracegen.bill import COLUMNS, Bill
from tracegen.estimate import Draws, Projection, Usage, beta, draws, exactly, project, spread_of, together
from tracegen.generate import Asker
from tracegen.ledger import read
from tracegen.prepare import Run
from tracegen.prices import Price
from tracegen.recipe import Schedule
from tracegen.records import Problem, UsageError
from tracegen.sample import judged, sample
from tracegen.stats import Estimate, mean

__all__ = ["Forecast", "Part", "pilot"]

MORE_COLUMNS = ("problem_id", "max_tokens", "prefix_tokens", "forced")
FEWEST = 4
"""Problems that a teacher is tried on at the least."""


@dataclass(frozen=True)
class Part:
    """What the pilot says of one teacher."""

    teacher: str
    model: str
    engine: str
    price: Price | None
    problems: int
    pass_rate: Estimate | None
    projection: Projection | None
    """None: too few of its answers came back."""
    seconds: tuple[float, float] | None
    """How long it may take: at all the slots that its engine has, and at the pilot's own pace."""

    def as_dict(self) -> dict[str, Any]:
        found = asdict(self) | {"price": self.price and asdict_price(self.price), "pass_rate": _json(self.pass_rate)}
        return found | {"projection": projection_dict(self.projection)}


@dataclass(frozen=True)
class Forecast:
    """The whole plan of a run."""

    parts: list[Part]
    whole: Projection | None
    """None where a teacher has no projection."""
    reach: dict[str, Estimate]
    """By cap of the budget: the share of the plan that it pays for; above 1, it is enough."""
    used: dict[str, float]
    """Tokens and dollars of all launches so far, the pilot's included."""

    def as_dict(self) -> dict[str, Any]:
        return {
            "teachers": [part.as_dict() for part in self.parts],
            "whole": projection_dict(self.whole),
            "budget": {name: _json(share) for name, share in self.reach.items()},
            "used": self.used,
        }


def pilot(run: Run, samples: int) -> Forecast:
    """Ask and judge about so many samples, of all teachers together, and project the plan from them."""
    if samples < 1:
        raise UsageError(f"a pilot needs at least one sample, not {samples}.")
    schedule, meter = run.recipe.schedule, run.meter()
    parts: list[Part] = []
    unsolved: dict[str, set[str]] = {}
    left: dict[str, float] = {}
    for asker in _in_turn(list(run.teachers.values())):
        steered = schedule.steers(asker.after) or any(other.after == asker.name for other in run.teachers.values())
        each = min(2 if steered else 1, asker.most)
        own = [name for name in run.problems if asker.asks(name)]
        chosen = _chosen(own, unsolved.get(asker.after, set()), samples // (each * len(run.teachers)), run, asker.name)
        problems = {name: run.problems[name] for name in chosen}
        trier = replace(asker, sampling=asker.sampling.model_copy(update={"n": each}), up_to=None, after="")
        sample(run.folder, problems=problems, askers=[trier], judge=run.judge, meter=meter)
        rates = _rates(run, trier, problems)
        unsolved[asker.name] = {name for name, (right, _) in rates.items() if not right}
        reaches = len(own) * left.get(asker.after, 1.0)
        plan = _plan(asker, schedule, rates, reaches)
        left[asker.name] = plan.unsolved
        usage, bill, answered = _usage(run, trier, problems, plan.weights)
        for name, (right, count) in rates.items():
            for number in range(count):
                usage.judged(name, number < right)
        found = project(usage, plan.samples, plan.right)
        parts.append(
            Part(
                asker.name,
                asker.model.name,
                asker.engine,
                prices.of(run.recipe.teachers[asker.name]),
                len(problems),
                usage.pass_rate(),
                found,
                _seconds(asker, found, bill.seconds, answered),
            )
        )
    known = [part.projection for part in parts if part.projection]
    whole = together(known) if len(known) == len(parts) else None
    return Forecast(parts, whole, _reach(run, known), {"tokens": meter.tokens, "usd": round(meter.usd, 6)})


def _in_turn(askers: Sequence[Asker]) -> list[Asker]:
    """Those behind another come after it."""
    by_name = {asker.name: asker for asker in askers}

    def rank(asker: Asker) -> int:
        return 1 + rank(by_name[asker.after]) if asker.after in by_name else 0

    return sorted(askers, key=rank)


def _chosen(own: Sequence[str], preferred: set[str], count: int, run: Run, teacher: str) -> list[str]:
    """So many problems at random, first of those that another teacher left unsolved in its pilot."""
    shuffled = sorted(own)
    Random(f"{run.recipe.seed} {teacher}").shuffle(shuffled)
    count = max(FEWEST, count)
    return sorted(shuffled, key=lambda name: name not in preferred)[:count]


def _rates(run: Run, asker: Asker, problems: Mapping[str, Problem]) -> dict[str, tuple[int, int]]:
    """Right answers and all answers of each problem."""
    rates = dict.fromkeys(problems, (0, 0))
    for trace in judged(run.folder, problems=problems, askers=[asker], judge=run.judge):
        right, count = rates[trace.problem_id]
        good = trace.verdict is not None and trace.verdict.outcome == "right"
        rates[trace.problem_id] = right + good, count + 1
    return rates


class _Plan(NamedTuple):
    """The samples of a teacher, and where a schedule decides, the right ones among them."""

    samples: Estimate
    right: Estimate | None
    unsolved: float
    """The share of problems that is left to another teacher."""
    weights: Mapping[str, float]
    """How often a problem is drawn from, on an average of 1: hard ones, whose answers are long, more often."""


def _plan(asker: Asker, schedule: Schedule, rates: Mapping[str, tuple[int, int]], problems: float) -> _Plan:
    answers = sum(count for _, count in rates.values())
    adaptive = schedule.steers(asker.after)
    if not answers:
        return _Plan(exactly(problems * asker.most), None, 1.0, {})
    spread = spread_of(list(rates.values()))
    rate = mean([right / count for right, count in rates.values() if count], answers / len(rates))
    stop_after, cap = (schedule.enough, asker.most) if adaptive else (1, asker.sampling.n)

    def drawn(alpha: float, beta_: float) -> Draws:
        return draws(alpha, beta_, stop_after=stop_after, cap=cap)

    value, low, high = (drawn(*beta(at, spread)) for at in rate)
    if not adaptive:
        return _Plan(exactly(problems * asker.sampling.n), None, value.unsolved, {})
    alpha, beta_ = beta(rate.value, spread)
    each = {name: drawn(alpha + right, beta_ + count - right).samples for name, (right, count) in rates.items()}
    typical = sum(each.values()) / len(each)
    return _Plan(
        Estimate(problems * value.samples, problems * high.samples, problems * low.samples),
        Estimate(problems * value.right, problems * low.right, problems * high.right),
        value.unsolved,
        {name: one / typical for name, one in each.items()},
    )


def _usage(
    run: Run, asker: Asker, problems: Mapping[str, Problem], weights: Mapping[str, float]
) -> tuple[Usage, Bill, int]:
    """What the pilot's answers took: rows are known by their keys, whatever names they bear."""
    price = prices.of(run.recipe.teachers[asker.name])
    usage, bill = Usage(price and price.prices), Bill({})
    numbers = range(asker.sampling.n)
    planned = {key: problem.id for problem in problems.values() for key in map(asker.keys(problem), numbers)}
    answered = 0
    for row in read(run.folder / "traces", columns=[*COLUMNS, *MORE_COLUMNS]):
        if (name := planned.get(row["key"])) is not None:
            usage.answered({**row, "problem_id": name}, weights.get(name, 1.0))
            bill.add({**row, "teacher": asker.name})
            answered += row["error"] is None
    return usage, bill, answered


def _seconds(asker: Asker, found: Projection | None, took: float, answered: int) -> tuple[float, float] | None:
    """At the pilot's pace, and as much faster as the engine has more slots than the pilot had answers."""
    if found is None or not took or asker.engine == "batch_api":
        return None
    slow = took * found.planned.value / found.answers
    slots = telemetry.snapshot().get(asker.name, {}).get("slots", 0.0)
    return slow * min(1.0, answered / slots) if slots else slow, slow


def _reach(run: Run, parts: Sequence[Projection]) -> dict[str, Estimate]:
    """Of a budget in dollars, of those teachers that have a price: it can see no others."""
    if len(parts) < len(run.teachers):
        return {}
    priced = together([part for part in parts if part.usd])
    whole = together(parts)
    needed = {"usd": priced and priced.usd, "tokens": whole and whole.tokens}
    caps = run.recipe.budget.model_dump(exclude_none=True)
    return {
        name: Estimate(*(caps[name] / max(1e-12, needs) for needs in (its.value, its.high, its.low)))
        for name, its in needed.items()
        if its is not None and name in caps
    }


def asdict_price(price: Price) -> dict[str, Any]:
    return {"source": price.source, **price.prices.model_dump()}


def projection_dict(found: Projection | None) -> dict[str, Any] | None:
    if found is None:
        return None
    figures = {name: _json(getattr(found, name)) for name in ("planned", "tokens", "usd", "verified")}
    per = {"tokens_per_verified": found.tokens_per_verified, "usd_per_verified": found.usd_per_verified}
    return {"answers": found.answers, **figures, **per}


def _json(estimate: Estimate | None) -> dict[str, float] | None:
    return None if estimate is None else estimate._asdict()
