"""Evaluation: benchmark -> sample -> pass@k, for the teacher, the student before and the student after.

All roles answer the same problems through the one sampling path; `eval/` holds their ledger, which curation never sees.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from itertools import chain
from pathlib import Path
from typing import cast

from tracegen.cost import Meter
from tracegen.generate import Asker
from tracegen.ledger import best
from tracegen.records import Problem, Score, Trace
from tracegen.rundir import write_atomically
from tracegen.sample import judged, sample
from tracegen.scores import Role, Sample, comparison, scores
from tracegen.stats import last_number, last_number_right
from tracegen.verify import Judge
from tracegen.votes import Votes, countable
from tracegen.votes import votes as count_votes


def evaluate(
    run: Path,
    *,
    benchmarks: Mapping[str, Sequence[Problem]],
    askers: Sequence[Asker],
    judge: Judge,
    ks: Sequence[int],
    meter: Meter | None = None,
) -> list[Score]:
    """Sample what is missing below `eval/`, judge it, write `scores.jsonl`.

    An asker is one role on one benchmark (`of`): `before`, `after`, or `teacher:<name>`. Figures at k are made where
    the benchmark has k samples of a problem.
    """
    problems = named(benchmarks)
    folder = run / "eval"
    sample(folder, problems=problems, askers=askers, judge=judge, meter=meter, stage="evaluate")
    seconds = _seconds(folder / "traces")
    traces: dict[tuple[str, str], list[Trace]] = defaultdict(list)
    for trace in judged(folder, problems=problems, askers=askers, judge=judge):
        traces[trace.teacher, trace.problem_id].append(trace)
    several = [asker for asker in askers if asker.sampling.n > 1 and max(ks) > 1]
    voting = ((asker.name, name) for asker in several for name in _asked(asker, problems) if countable(problems[name]))
    votes = count_votes(problems, chain.from_iterable(traces[at] for at in voting))
    rows: list[Score] = []
    for benchmark in benchmarks:
        roles = {asker.name: asker for asker in askers if asker.of == f"{benchmark}/"}
        of = {
            role: {
                name: _samples(traces[role, name], problems[name], votes, asker.sampling.n)
                for name in _asked(asker, problems)
            }
            for role, asker in roles.items()
        }
        for role, results in of.items():
            time = sum(seconds.get((role, problem), 0.0) for problem in results)
            kind = cast(Role, role.partition(":")[0])
            reached = [k for k in ks if k <= roles[role].sampling.n]
            rows += scores(benchmark, kind, roles[role].model.name, results, reached, time)
        if "before" in of and "after" in of:
            student, before, after = roles["after"].model.name, of["before"], of["after"]
            rows += comparison(benchmark, student, before=before, after=after)
            for role in [role for role in of if role.startswith("teacher")]:
                against = f"{student} / {roles[role].model.name}"
                compared = comparison(benchmark, against, before=before, after=after, teacher=of[role])
                rows += [row for row in compared if row.metric == "retention"]
    write_atomically(run / "scores.jsonl", "".join(json.dumps(asdict(row)) + "\n" for row in rows))
    return rows


def _asked(asker: Asker, problems: Iterable[str]) -> list[str]:
    return [name for name in problems if name.startswith(asker.of)]


def named(benchmarks: Mapping[str, Iterable[Problem]]) -> dict[str, Problem]:
    """All problems of all benchmarks under ids that cannot clash: `<benchmark>/<id>`."""
    return {
        f"{name}/{problem.id}": replace(problem, id=f"{name}/{problem.id}")
        for name, problems in benchmarks.items()
        for problem in problems
    }


def _samples(traces: Sequence[Trace], problem: Problem, votes: Votes, n: int) -> list[Sample]:
    """The n samples of a problem; a request that came back without an answer is not judged, and counted as such."""
    vote = "" if countable(problem) else None
    failed = Sample(right=None, last_number=None, truncated=False, tokens=0, vote=vote)
    found = [_sample(trace, problem, votes.get((problem.id, trace.key), vote)) for trace in traces]
    return found + [failed] * (n - len(found))


def _sample(trace: Trace, problem: Problem, vote: str | None) -> Sample:
    outcome = trace.verdict.outcome if trace.verdict else "error"
    gold = (problem.answer or "") if countable(problem) else ""
    return Sample(
        right=outcome == "right" if outcome in ("right", "wrong") else None,
        last_number=last_number_right(f"{trace.reasoning}\n{trace.response}", gold) if last_number(gold) else None,
        truncated=trace.status == "truncated",
        tokens=trace.tokens,
        vote=vote,
    )


def _seconds(ledger: Path) -> dict[tuple[str, str], float]:
    """Seconds of engine time by role and problem: the time from one answer to the next, in the order of the ledger."""
    spent: dict[tuple[str, str], float] = defaultdict(float)
    last = 0.0
    for row in best(ledger):
        step = row["seconds"] - last if row["seconds"] >= last else row["seconds"]
        spent[row["teacher"], row["problem_id"]] += step
        last = row["seconds"]
    return spent
