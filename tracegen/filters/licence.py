"""Keep traces that may be trained on and shared: by the licence of the problem's source and the teacher's terms.

The rule is that of `tracegen.licences` (Creative Commons' answers on what may be remixed); the terms are the recipe's,
else those of the dated table (docs/licences.md).
Reasons: `terms_forbid` (the teacher may not be trained on), `licence_not_allowed`; with `unknown: drop` also
`terms_unknown` and `licence_unknown`. Noted: the licence, and the source or the teacher that it is of.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

from tracegen import known_terms
from tracegen.filters import Note, unnoted
from tracegen.licences import goes_into, named
from tracegen.records import Problem, Trace

DECIDES = "trace"


def licence(
    traces: Iterable[Trace],
    *,
    problems: Mapping[str, Problem],
    teachers: Mapping[str, Mapping[str, Any]],
    note: Note = unnoted,
    allow: Sequence[str] | None = None,
    under: str | None = None,
    unknown: Literal["keep", "drop"] = "keep",
) -> Iterator[tuple[Trace, str | None]]:
    """Drop a trace whose teacher may not be trained on, or whose problem's licence is not among those wanted.

    `allow` lists licences; `under` is the one that the corpus is to carry, and keeps what may be shared under it;
    without either, all that may be shared at all. `unknown` says what happens where nobody has said anything.
    """
    allowed, whole = {named(name) for name in allow or ()}, named(under)

    def fits(part: str) -> bool:
        if allow is not None and part not in allowed:
            return False
        return goes_into(part, whole) if whole else allow is not None or goes_into(part, part)

    def reason(trace: Trace) -> tuple[str, Mapping[str, Any]] | None:
        terms = teachers.get(trace.teacher, {})
        may_train, rule = terms.get("may_train"), known_terms.of_licence(terms.get("licence"))
        if may_train is False:
            return "terms_forbid", {"teacher": trace.teacher, "url": terms.get("url")}
        if may_train is not True and unknown == "drop":
            return "terms_unknown", {"teacher": trace.teacher}
        problem = problems[trace.problem_id]
        found, source = named(problem.licence), {"source": problem.source}
        for part, whose in ((found, source), (rule and rule.outputs, {"teacher": trace.teacher})):
            if part and not fits(part):
                return "licence_not_allowed", {"licence": part} | whose
        return ("licence_unknown", source) if found is None and unknown == "drop" else None

    for trace in traces:
        dropped = reason(trace)
        if dropped:
            note(trace, dropped[1])
        yield trace, dropped[0] if dropped else None
