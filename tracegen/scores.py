"""Per-sample results become the figures of `scores.jsonl`, and the figures become a table.

What is not judged (the verifier said `unverifiable` or `error`, or the request failed) is neither right nor wrong: the
value of pass@k is over the judged samples of the problems that have at least k of them, and the interval covers both
extremes, every unjudged sample wrong and every one right, so that no figure gains from answers that nobody could judge.
Where there are any, a row `unjudged` gives their share of all samples.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

from tracegen.records import Score
from tracegen.stats import Estimate, difference, majority_at_k, mean, pass_at_k, ratio

if TYPE_CHECKING:
    from rich.table import Table

Role = Literal["teacher", "before", "after", "comparison"]
ROLES: tuple[Role, ...] = ("teacher", "before", "after", "comparison")


@dataclass(frozen=True, slots=True)
class Sample:
    """What is known of one sampled answer."""

    right: bool | None
    """None: not judged."""
    last_number: bool | None
    """Whether the last number of the text is the answer; None where there is no text, or no number in the answer."""
    truncated: bool
    tokens: int
    """Completion tokens."""
    vote: str | None = None
    """The answer it votes for, equal answers by one name; empty where it gives none, None where nobody counts votes."""


Results = Mapping[str, Sequence[Sample]]
"""The samples of every problem, by its id."""
_Answers = dict[str, list[bool | None]]
_Statistic = Callable[..., Estimate | None]


def scores(
    benchmark: str, role: Role, model: str, results: Results, ks: Iterable[int] = (), seconds: float = 0.0
) -> list[Score]:
    """The figures of one model on one benchmark: `pass@1`, each `pass@k` and `maj@k`, `last_number@1`, `truncated` ...

    A figure without a single judged sample is left out. UsageError where a problem has fewer samples than k.
    """
    tokens = sum(sample.tokens for samples in results.values() for sample in samples)
    rows: list[Score] = []

    def add(metric: str, answers: _Answers, k: int = 1) -> None:
        if found := _figure(list(answers.values()), k):
            estimate, problems, samples = found
            rows.append(Score(benchmark, role, model, metric, *estimate, problems, samples, tokens, seconds))

    right = _right(results)
    for k in sorted({1, *ks}):
        add(f"pass@{k}", right, k)
    for k in sorted({*ks} - {1}):
        if found := _majority(list(results.values()), k):
            estimate, problems, samples = found
            rows.append(Score(benchmark, role, model, f"maj@{k}", *estimate, problems, samples, tokens, seconds))
    add("last_number@1", _last_number(results))
    add("truncated", {name: [sample.truncated for sample in samples] for name, samples in results.items()})
    if any(None in answers for answers in right.values()):
        add("unjudged", {name: [answer is None for answer in answers] for name, answers in right.items()})
    return rows


def comparison(
    benchmark: str, model: str, *, before: Results, after: Results, teacher: Results | None = None, seed: int = 0
) -> list[Score]:
    """What training changed, on the problems of both: `after-before`, `last_number.after-before`, `retention`.

    The first two are paired differences of pass@1 and last_number@1; retention is pass@1 after training over the
    teacher's. It is left out where the teacher solved none of the problems or so few that the ratio has no upper bound.
    """
    rows: list[Score] = []

    def add(
        metric: str, base: Results, pick: Callable[[Results], _Answers], of: Callable[..., Estimate | None]
    ) -> None:
        left, right = pick(base), pick(after)
        both = [name for name in right if name in left]
        if not both or not (found := _paired([left[name] for name in both], [right[name] for name in both], of)):
            return
        estimate, problems = found
        samples = [sample for name in both for results in (base, after) for sample in results[name]]
        tokens = sum(sample.tokens for sample in samples)
        rows.append(Score(benchmark, "comparison", model, metric, *estimate, problems, len(samples), tokens, 0.0))

    add("after-before", before, _right, partial(difference, seed=seed))
    add("last_number.after-before", before, _last_number, partial(difference, seed=seed))
    if teacher is not None:
        add("retention", teacher, _right, lambda base, student: ratio(student, base, seed=seed))
    return rows


def _right(results: Results) -> _Answers:
    return {name: [sample.right for sample in samples] for name, samples in results.items() if samples}


def _last_number(results: Results) -> _Answers:
    found = {name: [s.last_number for s in samples if s.last_number is not None] for name, samples in results.items()}
    return {name: [*answers] for name, answers in found.items() if answers}


def _figure(answers: Sequence[Sequence[bool | None]], k: int) -> tuple[Estimate, int, int] | None:
    """pass@k over the problems, how many problems and how many samples it rests on; None without any."""
    judged = [_judged(row) for row in answers]
    usable = [row for row in judged if len(row) >= k]
    draws = sum(map(len, answers)) / max(1, len(answers)) / k

    def at_k(rows: Sequence[Sequence[bool]]) -> Estimate:
        return mean([pass_at_k(len(row), sum(row), k) for row in rows], draws)

    if answers:
        pass_at_k(min(map(len, answers)), 0, k)  # refuses a k that the sampling cannot answer
    if not usable:
        return None
    found = at_k(usable)
    if judged != answers:
        low, high = (at_k([_judged(row, unknown) for row in answers]) for unknown in (False, True))
        found = Estimate(found.value, min(found.low, low.low), max(found.high, high.high))
    return found, len(usable), sum(map(len, usable))


def _majority(answers: Sequence[Sequence[Sample]], k: int) -> tuple[Estimate, int, int] | None:
    """maj@k over the problems whose answers can be counted, how many and on how many samples; None without any."""
    counted = [row for row in answers if row and all(sample.vote is not None for sample in row)]
    judged = [[sample for sample in row if sample.right is not None] for row in counted]
    usable = [row for row in judged if len(row) >= k]
    if not usable:
        return None
    draws = sum(map(len, counted)) / len(counted) / k
    found = mean([_won(row, k) for row in usable], draws)
    if judged != counted:
        low, high = (mean([_won(row, k, unknown) for row in counted], draws) for unknown in (False, True))
        found = Estimate(found.value, min(found.low, low.low), max(found.high, high.high))
    return found, len(usable), sum(map(len, usable))


def _won(row: Sequence[Sample], k: int, unknown: bool = False) -> float:
    """The chance that the vote is right. What is not judged votes right, or all for the most frequent wrong answer."""
    right = sum(sample.right or (sample.right is None and unknown) for sample in row)
    others = Counter(sample.vote for sample in row if sample.right is False and sample.vote)
    sizes = sorted(others.values(), reverse=True) or [0]
    sizes[0] += 0 if unknown else sum(sample.right is None for sample in row)
    return majority_at_k(right, sizes, len(row) - right - sum(sizes), k)


def _paired(
    base: Sequence[Sequence[bool | None]], after: Sequence[Sequence[bool | None]], of: _Statistic
) -> tuple[Estimate, int] | None:
    """`of(base, after)` over the pass rates of the problems that are judged on both sides, and how many these are."""
    pairs = [(_judged(b), _judged(a)) for b, a in zip(base, after, strict=True)]
    usable = [(_rate(b), _rate(a)) for b, a in pairs if b and a]
    if not usable or (found := of(*map(list, zip(*usable, strict=True)))) is None:
        return None
    if any(None in row for row in (*base, *after)):
        low = of([_rate(_judged(row, True)) for row in base], [_rate(_judged(row, False)) for row in after])
        high = of([_rate(_judged(row, False)) for row in base], [_rate(_judged(row, True)) for row in after])
        if low is None or high is None:
            return None
        found = Estimate(found.value, min(found.low, low.low), max(found.high, high.high))
    return found, len(usable)


def _judged(answers: Sequence[bool | None], unknown: bool | None = None) -> list[bool]:
    filled = (unknown if answer is None else answer for answer in answers)
    return [answer for answer in filled if answer is not None]


def _rate(answers: Sequence[bool]) -> float:
    return sum(answers) / len(answers)


def shown(score: Score) -> tuple[str, str]:
    """Value and interval as text: per cent, and percentage points with a sign where the figure is a difference."""
    if score.metric.endswith("after-before"):
        low, high = (f"{100 * bound:+.1f}" for bound in (score.low, score.high))
        return f"{100 * score.value:+.1f} pp".replace("-", "−"), f"{low} to {high}".replace("-", "−")
    return f"{100 * score.value:.1f} %", f"{100 * score.low:.1f} to {100 * score.high:.1f}"


def ordered(scores: Iterable[Score]) -> list[Score]:
    """By benchmark and metric as they first appear, comparisons last, teacher before student."""
    rows = list(scores)
    benchmarks = list(dict.fromkeys(row.benchmark for row in rows))
    metrics = list(dict.fromkeys(row.metric for row in sorted(rows, key=lambda row: row.role == "comparison")))
    return sorted(
        rows, key=lambda r: (benchmarks.index(r.benchmark), metrics.index(r.metric), ROLES.index(r.role), r.model)
    )


def table(scores: Iterable[Score], title: str | None = None) -> "Table":
    """The figures for the terminal, a row each, by benchmark and metric; 80 columns are enough."""
    from rich.box import SIMPLE
    from rich.markup import escape
    from rich.table import Table

    rows = ordered(scores)
    several = len({row.model for row in rows if row.role == "teacher"}) > 1
    drawn = Table("figure", "of", title=title, box=SIMPLE, pad_edge=False, collapse_padding=True)
    for column in ("value", "95 % interval", "problems", "samples"):
        drawn.add_column(column, justify="right", no_wrap=True)
    benchmark = metric = None
    for row in rows:
        if row.benchmark != benchmark:
            benchmark, metric = row.benchmark, None
            drawn.add_section()
            drawn.add_row(f"[bold]{escape(benchmark)}[/bold]")
        figure = row.metric if row.metric != metric else ""
        metric = row.metric
        who = {"teacher": f"teacher {escape(row.model)}" if several else "teacher", "comparison": ""}.get(
            row.role, row.role
        )
        style = "bold" if row.role in {"after", "comparison"} else None
        drawn.add_row(figure, who, *shown(row), f"{row.problems:,}", f"{row.samples:,}", style=style)
    return drawn
