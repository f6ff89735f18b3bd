"""Keep one of traces that say the same.

Three rules; the first always holds, the others where a recipe asks for them:
`duplicate`        statement and trace are equal in Unicode's compatibility form (NFKC), without case, each run of white
                   space as one space.
`near_duplicate`   with `near`: MinHash and locality-sensitive hashing (Broder 1997; Lee et al. 2022, arXiv:2107.06499,
                   whose models, trained without near-duplicates, wrote a tenth of the memorized text). 0.7 is a good
                   start: of 228 pairs of answers of one model to one problem of GSM8K one is so alike, of copies with
                   1 % of the words replaced all are, with 3 % 98 %, with 6 % 60 %.
`same_problem`     with `semantic`, an embedding model: the statement means what an earlier problem's does, and has the
                   same numbers (SemDeDup, Abbas et al. 2023, arXiv:2303.09540; 0.93 is NeMo Curator's cosine). With
                   all-MiniLM-L6-v2 a problem of GSM8K has 0.94 with itself in other words, and 0.97 with itself with
                   another number: hence that condition, with which no two of 1,000 problems reach 0.93. Of statements
                   only: two traces in other words are what a corpus wants, two such problems are one.

What is compared is reasoning and response together: right traces of a problem that reason differently are not the same,
however alike their responses, and the statement that they share must not make them alike. OpenThoughts and open-r1
compare statements: that is `of: statement`, for which traces of one problem are never the same, and other numbers make
another problem (filter `diversity` bounds those).
A trace is compared with what is kept, not with what was dropped: each drop has a kept twin that it is alike to, and no
chain of small differences swallows a corpus. `keep` chooses within a problem, whose traces stand together; between
problems the first stays. Noted: the twin's key (`kept`) and how alike it is (`similarity`).
Memory, for each trace kept: about 0.3 kB, with `near` 0.8 kB; for each problem 2 kB with `semantic`. A statement is
compared with all that have the same numbers, which takes long from some 10,000 statements without any.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby, islice, tee
from typing import Annotated, Literal

from pydantic import Field

from tracegen import embeddings
from tracegen.filters import Note, unnoted
from tracegen.filters._twins import Found, Kept, Mark, Part, marks
from tracegen.records import Problem, Trace

__all__ = ["dedup", "sketch"]

Share = Annotated[float, Field(gt=0, le=1)]
Keep = Literal["first", "shortest", "longest"]


def dedup(
    traces: Iterable[Trace],
    *,
    problems: Mapping[str, Problem],
    of: Part = "trace",
    near: Share | None = None,
    keep: Keep = "first",
    semantic: str | None = None,
    semantic_near: Share = 0.93,
    sketches: Iterator[bytes] | None = None,
    note: Note = unnoted,
) -> Iterator[tuple[Trace, str | None]]:
    """Drop a trace that says what a kept one says: equal, `near` alike, or of a problem that means the same.

    `of` is what is compared: `trace` (reasoning and response), `reasoning`, `response` or `statement`. `near` is the
    least similarity of a near-duplicate, 0.7 for instance; `semantic` an embedding model for statements, a folder or a
    name on the Hub, and `semantic_near` the least cosine.
    """
    if sketches is None:
        traces, ahead = tee(traces)
        sketches = sketch(ahead, problems=problems, of=of, near=near, semantic=semantic)
    if semantic:
        embeddings.check(semantic)
    kept = Kept(near, semantic_near)
    for _, those in groupby(traces, key=lambda trace: trace.problem_id):
        group = list(those)
        sketched = [Mark.read(mark, near is not None) for mark in islice(sketches, len(group))]
        found = _found(group, sketched, kept, keep, once=of == "statement")
        for place, trace in enumerate(group):
            reason, evidence = found.get(place, (None, None))
            if evidence:
                note(trace, evidence)
            yield trace, reason


def sketch(
    traces: Iterable[Trace],
    *,
    problems: Mapping[str, Problem],
    of: Part = "trace",
    near: Share | None = None,
    keep: Keep = "first",
    semantic: str | None = None,
    semantic_near: Share = 0.93,
) -> Iterator[bytes]:
    """What is compared of each trace: the costly half of the filter, in which no trace needs another."""
    return (mark.write() for mark in marks(traces, problems=problems, of=of, near=near is not None, semantic=semantic))


def _found(group: Sequence[Trace], sketched: Sequence[Mark], kept: Kept, keep: Keep, once: bool) -> dict[int, Found]:
    """Of one problem's traces those that have a twin, by their place; with `once`, a kept one saves those after it."""
    weight = {"first": 0, "shortest": 1, "longest": -1}[keep]
    same = kept.same_problem(sketched[0])
    found: dict[int, Found] = {}
    first = None
    for place in sorted(range(len(group)), key=lambda place: weight * group[place].tokens):
        if first and once:
            break
        if twin := kept.twin(sketched[place]) or same:
            found[place] = twin
        else:
            kept.add(sketched[place], group[place].key)
            first = first or group[place].key
    if first:
        kept.add_problem(sketched[0], first)
    return found
