"""Traces go to the judge as they come, and verdicts are written down as they come back.

Problems whose verifiers compare traces with each other (a vote) wait until all of their traces are there: `vote` hears
them together. Where a trace joined since, or one was continued, the whole problem is heard again.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from functools import cached_property
from queue import SimpleQueue

from tracegen.panel import decide
from tracegen.records import Problem, Trace, TracegenError, Verdict
from tracegen.verdicts import Verdicts
from tracegen.verify import WINDOW, Judge

BACKLOG = 1024
"""Traces that wait for their verdicts in memory while more are written."""
Case = tuple[Trace, Problem, Sequence[Trace]]


class Judging:
    """One judge, the log of its verdicts, and what is on its way from the one to the other."""

    def __init__(self, judge: Judge, verdicts: Verdicts, problems: Mapping[str, Problem]) -> None:
        self.judge, self.verdicts, self.problems = judge, verdicts, problems
        self._pending: dict[Future[list[Verdict]], Case] = {}
        self._done: SimpleQueue[Future[list[Verdict]]] = SimpleQueue()
        self.heard: Callable[[Trace, Verdict | None], None] | None = None
        """Told of every trace that is settled, with the verdict that decides."""
        self.stopped: TracegenError | None = None
        """Why some verdict cannot be had: whoever asks for traces draws no more, and `finish` raises it."""

    @property
    def behind(self) -> bool:
        """Whether so many traces wait that no more should be taken: judging is slower than the teachers."""
        return len(self._pending) >= BACKLOG

    def take(self, trace: Trace) -> None:
        """A trace, to be judged if it is not, and unless its problem waits for the vote."""
        if trace.problem_id in self.problems and trace.problem_id not in self.voting:
            self._submit(trace, ())

    def take_all(self, traces: Iterable[Trace]) -> None:
        """Traces that are all there already; waits for the verdicts."""
        for trace in traces:
            self.take(trace)
            self._keep_window()
        self.finish()

    def vote(self, traces: Iterable[Trace], groups: Mapping[str, Sequence[Trace]]) -> None:
        """The traces of problems that waited for all of theirs, `groups`; waits for the verdicts."""
        for trace in traces:
            if siblings := groups.get(trace.problem_id):
                self._submit(trace, siblings)
                self._keep_window()
        self.finish()

    def collect(self) -> None:
        """Write down the verdicts that are there, without waiting."""
        while not self._done.empty():
            self._store(self._done.get())

    def finish(self) -> None:
        """Wait for the verdicts that are due. TracegenError where one cannot be had: a budget, a model that is gone."""
        while self._pending:
            self._store(self._done.get())
        if self.stopped:
            raise self.stopped

    @cached_property
    def voting(self) -> frozenset[str]:
        return voting(self.problems, self.judge)

    def _submit(self, trace: Trace, siblings: Sequence[Trace]) -> None:
        problem = self.problems[trace.problem_id]
        if self.verdicts.due(trace, problem, siblings):
            future = self.judge.submit(problem, trace, siblings)
            self._pending[future] = trace, problem, siblings
            future.add_done_callback(self._done.put)
        elif self.heard:
            self.heard(trace, decide(self.verdicts.of(trace, problem, siblings)))

    def _keep_window(self) -> None:
        self.collect()
        while len(self._pending) >= WINDOW:
            self._store(self._done.get())

    def _store(self, future: Future[list[Verdict]]) -> None:
        trace, problem, siblings = self._pending.pop(future)
        try:
            verdicts = future.result()
        except TracegenError as error:
            # What the teachers have in flight is paid for, so it is collected before the run stops.
            self.stopped = self.stopped or error
            return
        self.verdicts.add(trace, problem, verdicts, siblings)
        deciding = decide(verdicts)
        if self.heard:
            self.heard(trace, deciding)


def voting(problems: Mapping[str, Problem], judge: Judge) -> frozenset[str]:
    """The problems whose verifiers compare traces."""
    return frozenset(problem.id for problem in problems.values() if judge.compares(problem))


def together(traces: Iterable[Trace], names: frozenset[str]) -> dict[str, list[Trace]]:
    """All traces of each of these problems, without prompt and reasoning: what is compared is what they answer."""
    groups: dict[str, list[Trace]] = {}
    for trace in traces if names else ():
        if trace.problem_id in names:
            groups.setdefault(trace.problem_id, []).append(replace(trace, prompt=(), reasoning=""))
    return groups
