"""Sampling, whole: what is worth asking goes to an engine, answers become durable, verdicts follow and steer.

    sample(folder, ...)   fills `traces/` and `verdicts/` below `folder`; resumes by itself
    judged(folder, ...)   what stands there, as traces with their deciding verdict
    missing(folder, ...)  how many samples are still to be asked

One path serves the corpus and the evaluation: they differ in the folder, and only the corpus has a schedule.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import chain, groupby, islice
from pathlib import Path

from tracegen.cost import Meter
from tracegen.drawing import Drawing, solves
from tracegen.generate import Asker, answers, parse
from tracegen.interrupts import gently
from tracegen.judging import Judging, together, voting
from tracegen.ledger import Ledger, Row
from tracegen.live import Watch
from tracegen.panel import decide
from tracegen.plans import Plans
from tracegen.progress import say
from tracegen.recipe import Schedule
from tracegen.records import Problem, Request, Trace, TracegenError, Verdict
from tracegen.verdicts import NOT_FINAL, Verdicts
from tracegen.verify import Judge

FIXED = Schedule()
DURABLE_AT_ONCE = 4
"""Rows that go to the judge between two answers, where more are durable already."""


def sample(
    folder: Path,
    *,
    problems: Mapping[str, Problem],
    askers: Sequence[Asker],
    judge: Judge,
    meter: Meter | None = None,
    ask: bool = True,
    schedule: Schedule = FIXED,
    stage: str = "generate",
) -> None:
    """Draw what is worth asking, and judge what is not judged. Without `ask`, only judge. A watch names the `stage`."""
    steered = any(schedule.steers(asker.after) for asker in askers)
    with (
        Ledger(folder / "traces") as ledger,
        closing(_verdicts(folder, judge, problems)) as verdicts,
        Watch(stage, problems=len(problems) if steered else 0, meter=meter) as watch,
    ):
        if found := ledger.found.sentence():
            say(f"{ledger.folder}: {found}")
        judge.count(meter)
        judging = Judging(judge, verdicts, problems)
        plans = Plans(problems, askers)
        if steered:
            # Verdicts steer, so those that an earlier launch did not come to are due now.
            judging.take_all(plans.unjudged(ledger, verdicts))
        for _, group in groupby(_in_order(askers), key=lambda asker: asker.engine_key):
            if ask:
                _ask(list(group), plans, ledger, judging, meter, schedule, watch)
        # One answer serves every problem that asks the same, in another benchmark for instance.
        judging.take_all(plans.unjudged(ledger, verdicts))
        if groups := together(plans.traces(ledger.folder), judging.voting):
            judging.vote(plans.traces(ledger.folder), groups)


def judged(
    folder: Path, *, problems: Mapping[str, Problem], askers: Collection[Asker], judge: Judge
) -> Iterator[Trace]:
    """The traces of these askers' plans with their deciding verdicts; the ledger may hold others, of earlier plans."""
    for trace, verdicts in _heard(folder, problems, askers, judge):
        yield replace(trace, verdict=decide(verdicts))


def settled(
    folder: Path,
    *,
    problems: Mapping[str, Problem],
    askers: Collection[Asker],
    judge: Judge,
    schedule: Schedule = FIXED,
) -> bool:
    """Whether nothing is left to ask, and no verdict is one that the next launch would make again."""
    if missing(folder, problems=problems, askers=askers, judge=judge, schedule=schedule):
        return False
    heard = _heard(folder, problems, askers, judge)
    return not any(verdict.reason in NOT_FINAL for _, verdicts in heard for verdict in verdicts)


def missing(
    folder: Path,
    *,
    problems: Mapping[str, Problem],
    askers: Collection[Asker],
    judge: Judge | None = None,
    schedule: Schedule = FIXED,
) -> int:
    """How many samples are still to be asked; of a problem that its verdicts leave unsolved, all that it may get."""
    solved: frozenset[str] = frozenset()
    steered = [asker for asker in askers if schedule.steers(asker.after)]
    if steered and judge is not None:
        right = Counter(
            trace.problem_id
            for trace in judged(folder, problems=problems, askers=askers, judge=judge)
            if solves(trace, trace.verdict)
        )
        solved = frozenset(name for name, count in right.items() if count >= schedule.enough)
    with Ledger(folder / "traces") as ledger:
        lacking = Plans(problems, [asker for asker in askers if asker not in steered]).missing(ledger)
        open_ = (name for name in Plans(problems, steered).missing(ledger) if name not in solved)
        return sum(1 for _ in chain(lacking, open_))


def _heard(
    folder: Path, problems: Mapping[str, Problem], askers: Collection[Asker], judge: Judge
) -> Iterator[tuple[Trace, list[Verdict]]]:
    """Every trace of the plans with its verdicts."""
    with closing(_verdicts(folder, judge, problems)) as verdicts:
        plans = Plans(problems, list(askers))
        groups = together(plans.traces(folder / "traces"), voting(problems, judge))
        for trace in plans.traces(folder / "traces"):
            yield trace, verdicts.of(trace, problems[trace.problem_id], groups.get(trace.problem_id, ()))


def _verdicts(folder: Path, judge: Judge, problems: Mapping[str, Problem]) -> Verdicts:
    return Verdicts(folder / "verdicts", judge.panels(problems.values()))


def _in_order(askers: Sequence[Asker]) -> list[Asker]:
    """Those behind another come after it; otherwise askers of one engine together, the longest answers first."""
    by_name = {asker.name: asker for asker in askers}

    def rank(asker: Asker) -> int:
        return 1 + rank(by_name[asker.after]) if asker.after in by_name else 0

    return sorted(askers, key=lambda asker: (rank(asker), asker.engine_key, -asker.sampling.max_tokens))


def _ask(
    group: Sequence[Asker],
    plans: Plans,
    ledger: Ledger,
    judging: Judging,
    meter: Meter | None,
    schedule: Schedule,
    watch: Watch,
) -> None:
    """One engine serves the whole group: it is loaded only if there is something to ask."""
    drawing = Drawing(group, judging.problems, ledger, schedule=schedule, voting=judging.voting, watch=watch)
    if steered := any(schedule.steers(asker.after) for asker in group):
        for trace, verdict in _recalled(ledger, plans, judging):
            drawing.judged(trace, verdict)
    if meter:
        meter.check()
    failures: Counter[str] = Counter()
    late: set[str] = set()
    by_name = {asker.name: asker for asker in group}

    def durable(row: Row) -> None:
        trace = parse(row) if row["error"] is None else None
        watch.answered(row, trace)
        if trace is None:
            failures[row["error"]] += 1
        if not drawing.answered(row, trace) or trace is None:
            return
        if judging.behind and not steered:
            late.add(trace.key)  # its text waits on disk
        else:
            judging.take(trace)

    def heard(trace: Trace, verdict: Verdict | None) -> None:
        if verdict is not None:
            watch.judged(trace, verdict)
        drawing.judged(trace, verdict)

    judging.heard = heard
    asked = 0
    with gently(lambda: asked > 1) as stop, ledger.writing() as pen:

        def pump(most: int | None = None) -> None:
            for row in islice(pen.durable(), most):
                durable(row)
            judging.collect()

        def allowed(request: Request | None) -> bool:
            if stop or judging.stopped:
                return False
            if request is not None and steered and judging.behind:
                return False
            return meter is None or (not meter.reached() if request is None else meter.allows(request))

        def counted() -> Iterator[Request | None]:
            nonlocal asked
            for request in drawing.stream(allowed, pump):
                if request is not None and not asked:
                    judging.judge.start()  # later, paid answers would wait for it
                asked += request is not None
                yield request

        for row in answers(counted(), group[0], ledger.folder):
            if meter:
                meter.add(row)
            # All askers of a group share the engine and its model; a row names the model as its own asker does.
            pen.put(row | {"model": by_name[row["teacher"]].model.name})
            # Not all that an fsync has covered at once: the next answers wait to be written meanwhile.
            pump(DURABLE_AT_ONCE)
        pen.flush()
        pump()
    if late and not stop:
        judging.take_all(plans.traces(ledger.folder, late))
    judging.finish()
    judging.heard = None
    if stop:
        raise KeyboardInterrupt
    _report_failures(failures, asked)
    if meter:
        meter.check()


def _recalled(ledger: Ledger, plans: Plans, judging: Judging) -> Iterator[tuple[Trace, Verdict | None]]:
    """What earlier launches were told, but for the samples that are gone on with."""
    budgets = {asker.name: asker.sampling.max_tokens for asker in plans.askers}
    for trace in plans.traces(ledger.folder):
        if ledger.has(trace.key, budgets[trace.teacher]):
            yield trace, decide(judging.verdicts.of(trace, judging.problems[trace.problem_id]))


def _report_failures(failures: Counter[str], asked: int) -> None:
    if not failures:
        return
    reason, count = failures.most_common(1)[0]
    text = f"{failures.total()} of {asked} requests failed; the most frequent reason ({count}): {reason}"
    if failures.total() == asked:
        raise TracegenError(text)
    say(f"{text} The same command asks them again.")
