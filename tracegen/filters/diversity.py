"""Keep at most so many traces of what is of one kind: a problem, a source, a domain, a cluster of like problems.

Why: a corpus in which one kind of problem prevails teaches mostly that kind. s1 (arXiv:2501.19393, section 2.2) drew
its 1,000 problems domain by domain; NeMo Skills evens out how many answers each problem has.
A cluster is the problems that say the same with other numbers, as a generator of problems makes them; with `similar`,
also those whose statements, without their numbers, have at least that similarity (MinHash, extra `curate`) to the
cluster's first problem.
First come, first kept: `order` chooses among the traces of a problem, which stand together, and between problems their
order in the recipe's problems decides: shuffle those if they are sorted. A problem without source or domain is of the
kind of all such problems.
Memory: some 0.3 kB for each problem, with `similar` 1 kB more for each cluster. Reasons: `per_problem`, `per_source`,
`per_domain`, `per_cluster`, the first cap that is full; noted: whose cap it is (`full`), and the `cap`.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from hashlib import blake2b
from itertools import groupby
from typing import Annotated, Literal

from pydantic import Field

from tracegen.filters import Note, unnoted
from tracegen.overlap import masked, words
from tracegen.records import Problem, Trace, UsageError

Cap = Annotated[int, Field(ge=1)]


def diversity(
    traces: Iterable[Trace],
    *,
    problems: Mapping[str, Problem],
    per_problem: Cap | None = None,
    per_source: Cap | None = None,
    per_domain: Cap | None = None,
    per_cluster: Cap | None = None,
    similar: Annotated[float, Field(gt=0, le=1)] | None = None,
    order: Literal["first", "shortest", "longest", "random"] = "first",
    note: Note = unnoted,
) -> Iterator[tuple[Trace, str | None]]:
    """Drop a trace when as many as a cap allows are kept of its problem, source, domain or cluster of problems.

    `random` is the same at every run: it goes by a hash of the trace's key.
    """
    given = {"problem": per_problem, "source": per_source, "domain": per_domain, "cluster": per_cluster}
    caps = {kind: cap for kind, cap in given.items() if cap is not None}
    if similar is not None and per_cluster is None:
        raise UsageError("filter 'diversity': similar says what a cluster is; give per_cluster, how many it may have.")
    cluster_of = _clusters(similar)
    kept: Counter[tuple[str, str]] = Counter()
    for _, those in groupby(traces, key=lambda trace: trace.problem_id):
        group = list(those)
        problem = problems[group[0].problem_id]
        kinds = {"problem": problem.id, "source": problem.source or "unknown", "domain": problem.domain or "unknown"}
        if per_cluster is not None:
            kinds["cluster"] = cluster_of(problem)
        full: dict[int, str] = {}
        for place in sorted(range(len(group)), key=lambda place: _ORDERS[order](group[place])):
            if kind := next((kind for kind in caps if kept[kind, kinds[kind]] >= caps[kind]), None):
                full[place] = kind
            else:
                kept.update((kind, kinds[kind]) for kind in caps)
        for place, trace in enumerate(group):
            if kind := full.get(place):
                note(trace, {"full": kinds[kind], "cap": caps[kind]})
            yield trace, f"per_{kind}" if kind else None


_ORDERS: dict[str, Callable[[Trace], int | bytes]] = {
    "first": lambda trace: 0,
    "shortest": lambda trace: trace.tokens,
    "longest": lambda trace: -trace.tokens,
    "random": lambda trace: blake2b(trace.key.encode(), digest_size=8).digest(),
}


def _clusters(similar: float | None) -> Callable[[Problem], str]:
    """A function from a problem to its cluster, which goes by the id of its first problem."""
    first: dict[bytes, str] = {}
    index, leaders = None, list[str]()
    if similar is not None:
        from tracegen.minhash import Index, shingles, signature

        index = Index(similar)

    def cluster_of(problem: Problem) -> str:
        said = " ".join(masked(words(problem.statement)))
        digest = blake2b(said.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        if digest not in first:
            first[digest] = problem.id
            if index and len(found := shingles(said)):
                if like := index.find(signed := signature(found)):
                    first[digest] = leaders[like[0]]
                else:
                    index.add(signed)
                    leaders.append(problem.id)
        return first[digest]

    return cluster_of
