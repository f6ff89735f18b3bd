"""Sampling, whole: requests that are not answered yet go to an engine, answers become durable, verdicts follow.

    sample(folder, ...)   fills `traces/` and `verdicts/` below `folder`; resumes by itself
    judged(folder, ...)   what stands there, as traces with their deciding verdict

One path serves the corpus and the evaluation: they differ in the folder.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import chain, groupby
from pathlib import Path

from tracegen.cost import Meter
from tracegen.generate import Asker, answers, parse, plan, require_reasoning
from tracegen.judging import Judging, together, voting
from tracegen.ledger import Ledger, Row, best
from tracegen.panel import decide
from tracegen.progress import Bar, say
from tracegen.records import Problem, Request, Trace, TracegenError, Verdict
from tracegen.verdicts import NOT_FINAL, Verdicts
from tracegen.verify import Judge


def sample(
    folder: Path,
    *,
    problems: Mapping[str, Problem],
    askers: Sequence[Asker],
    judge: Judge,
    meter: Meter | None = None,
    ask: bool = True,
) -> None:
    """Draw what the askers' plans lack, and judge what is not judged. Without `ask`, only judge."""
    with Ledger(folder / "traces") as ledger, closing(_verdicts(folder, judge, problems)) as verdicts:
        if ledger.repaired:
            say(f"{ledger.folder}: cut off {ledger.repaired} bytes of an unfinished line, left by a crash.")
        judge.count(meter)
        judging = Judging(judge, verdicts, problems)
        judging.take_all(_planned(ledger.folder, problems, askers))
        for _, group in groupby(sorted(askers, key=lambda asker: asker.engine_key), key=lambda asker: asker.engine_key):
            if ask:
                _ask(list(group), problems.values(), ledger, judging, meter)
        # One answer serves every problem that asks the same, in another benchmark for instance.
        judging.take_all(_planned(ledger.folder, problems, askers) if ask else ())
        if groups := together(_planned(ledger.folder, problems, askers), voting(problems, judge)):
            judging.vote(_planned(ledger.folder, problems, askers), groups)


def judged(
    folder: Path, *, problems: Mapping[str, Problem], askers: Collection[Asker], judge: Judge
) -> Iterator[Trace]:
    """The traces of these askers' plans with their deciding verdicts; the ledger may hold others, of earlier plans."""
    for trace, verdicts in _heard(folder, problems, askers, judge):
        yield replace(trace, verdict=decide(verdicts))


def settled(folder: Path, *, problems: Mapping[str, Problem], askers: Collection[Asker], judge: Judge) -> bool:
    """Whether every sample of the plans has an answer, and no verdict is one that the next launch would make again."""
    if missing(folder, problems=problems, askers=askers):
        return False
    heard = _heard(folder, problems, askers, judge)
    return not any(verdict.reason in NOT_FINAL for _, verdicts in heard for verdict in verdicts)


def missing(folder: Path, *, problems: Mapping[str, Problem], askers: Iterable[Asker]) -> int:
    """How many samples of the plans have no answer yet."""
    with Ledger(folder / "traces") as ledger:
        return sum(1 for asker in askers for _ in _unanswered(plan(problems.values(), asker), ledger, set()))


def _heard(
    folder: Path, problems: Mapping[str, Problem], askers: Collection[Asker], judge: Judge
) -> Iterator[tuple[Trace, list[Verdict]]]:
    """Every trace of the plans with its verdicts."""
    with closing(_verdicts(folder, judge, problems)) as verdicts:
        groups = together(_planned(folder / "traces", problems, askers), voting(problems, judge))
        for trace in _planned(folder / "traces", problems, askers):
            yield trace, verdicts.of(trace, problems[trace.problem_id], groups.get(trace.problem_id, ()))


def _verdicts(folder: Path, judge: Judge, problems: Mapping[str, Problem]) -> Verdicts:
    return Verdicts(folder / "verdicts", judge.panels(problems.values()))


def _ask(
    askers: Sequence[Asker], problems: Iterable[Problem], ledger: Ledger, judging: Judging, meter: Meter | None
) -> None:
    """One engine serves all `askers`: it is loaded only if some request lacks an answer."""
    by_name = {asker.name: asker for asker in askers}
    counted: set[str] = set()
    total = sum(1 for asker in askers for _ in _unanswered(plan(problems, asker), ledger, counted))
    if total == 0:
        return
    if meter:
        meter.check()
    canaries = {asker.name: _Canary(asker) for asker in askers if asker.reasoning == "native"}
    drawn: set[str] = set()
    requests = chain.from_iterable(
        _within(meter, judging, canaries.get(asker.name, _no_canary)(_unanswered(plan(problems, asker), ledger, drawn)))
        for asker in askers
    )
    failures: Counter[str] = Counter()
    tokens = 0
    with Bar(f"{'+'.join(by_name)} ({askers[0].engine})", total, "samples") as bar:
        # All askers here share the engine and its model; a request carries the name of the one who asks.
        rows = _paid(_named(answers(requests, askers[0]), by_name), meter)
        for row in ledger.commit(rows, wait=lambda: any(canary.waiting for canary in canaries.values())):
            tokens += row["completion_tokens"] or 0
            if row["error"] is not None:
                failures[row["error"]] += 1
            else:
                trace = parse(row)
                judging.take(trace)
            if canary := canaries.get(row["teacher"]):
                canary.seen(None if row["error"] is not None else trace)
            judging.collect()
            bar.advance(note=f"{tokens} tokens ({tokens / max(1e-9, row['seconds']):.0f}/s), {judging.rate()}")
    judging.finish()
    _report_failures(failures, total)
    if meter:
        meter.check()


def _planned(ledger: Path, problems: Mapping[str, Problem], askers: Iterable[Asker]) -> Iterator[Trace]:
    """The traces that answer the plans, under the names that the plans give them (a key knows no names)."""
    requests: dict[str, list[Request]] = {}
    for asker in askers:
        for request in plan(problems.values(), asker):
            requests.setdefault(request.key, []).append(request)
    for row in best(ledger):
        if row["error"] is None:
            for request in requests.get(row["key"], ()):
                yield replace(parse(row), problem_id=request.problem_id, teacher=request.teacher, sample=request.sample)


def _unanswered(requests: Iterable[Request], ledger: Ledger, seen: set[str]) -> Iterator[Request]:
    for request in requests:
        if request.key not in seen and not ledger.has(request.key, request.sampling["max_tokens"]):
            seen.add(request.key)
            yield request


def _named(rows: Iterable[Row], askers: Mapping[str, Asker]) -> Iterator[Row]:
    """Rows carry the model's name as their own asker's recipe entry says it."""
    return (row | {"model": askers[row["teacher"]].model.name} for row in rows)


def _paid(rows: Iterable[Row], meter: Meter | None) -> Iterator[Row]:
    """An answer is paid for when it comes back, not when it is durable."""
    for row in rows:
        if meter:
            meter.add(row)
        yield row


def _within(meter: Meter | None, judging: Judging, requests: Iterable[Request | None]) -> Iterator[Request | None]:
    """Stop drawing requests when a cap of the budget is reached, or a verifier's model is gone.

    What is in flight is paid for and kept.
    """
    for request in requests:
        if judging.stopped or (meter and meter.reached()):
            return
        yield request


def _no_canary(requests: Iterable[Request]) -> Iterator[Request | None]:
    yield from requests


class _Canary:
    """Lets one request through and holds back the others until its answer has shown the teacher's thinking."""

    def __init__(self, asker: Asker) -> None:
        self.asker = asker
        self.waiting = False
        self.passed = False

    def __call__(self, requests: Iterable[Request]) -> Iterator[Request | None]:
        for request in requests:
            self.waiting = not self.passed
            yield request
            while self.waiting:
                yield None

    def seen(self, trace: Trace | None) -> None:
        """An answer came back; None is a failure, after which the next request is the canary."""
        if trace is not None and not self.passed:
            require_reasoning(trace, self.asker)
            self.passed = True
        self.waiting = False


def _report_failures(failures: Counter[str], total: int) -> None:
    if not failures:
        return
    reason, count = failures.most_common(1)[0]
    text = f"{failures.total()} of {total} requests failed; the most frequent reason ({count}): {reason}"
    if failures.total() == total:
        raise TracegenError(text)
    say(f"{text} The same command asks them again.")
