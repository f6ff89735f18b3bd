"""From the recipe's `student.distill` to the parts of a trainer: losses bound, teachers loaded.

Shape: `check(distill)` finds every mistake that needs no model, `check_on_policy(...)` those of that method;
`parts(...)` has the teachers made (`sft/guides.py`) and returns what `sft/distill.py` takes beside TRL's own arguments.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from torch import nn

from sft.again import columns
from sft.balance import Balance
from sft.capture import scorer
from sft.data import Row
from sft.guides import Lesson, beside, spanned, stored
from sft.itself import Average
from sft.objective import CE, Objective, Term
from sft.projections import NAME as PROJECTIONS
from sft.reliability import OTHER, reliabilities
from sft.schedule import Schedule
from sft.several import Several
from sft.temperature import Heat, by_confidence, scheduled
from tracegen import registry
from tracegen.material import Points
from tracegen.records import UsageError
from tracegen.student import Adapted, Distill, Guide


def check(distill: Distill) -> dict[str, Term]:
    """The losses with their options bound; UsageError for a schedule or an option that cannot be."""
    for name, low in (("alpha", 0.0), ("temperature", 0.01)):
        if isinstance(points := getattr(distill, name), Adapted):
            continue
        values = Schedule(f"distill.{name}", points).values
        if min(values) < low or (name == "alpha" and max(values) > 1):
            due = "lie in 0 to 1" if name == "alpha" else "be positive"
            raise UsageError(f"`distill.{name}` goes from {min(values):g} to {max(values):g}; it must {due}.")
    terms = {}
    for name, given in distill.losses.items():
        options = dict(given)
        weight = Schedule(f"distill.losses.{name}.weight", options.pop("weight", 1.0))
        if name == CE:
            raise UsageError("the weight of the cross-entropy is `distill.alpha`; it is no loss of its own.")
        if min(weight.values) < 0:
            raise UsageError(f"`distill.losses.{name}.weight` is {min(weight.values):g}; it must be 0 or more.")
        loss = registry.bind("loss", name, options)
        terms[name] = Term(loss, registry.about("loss", name, "READS") or "logits", weight)
    _one_alignment(distill, terms)
    _nothing_idle(distill, terms)
    for name, guide in distill.teachers.items():
        if guide.hint:
            columns(guide.hint)
        if guide.store:
            scorer(guide.by, guide.options)
        looks = next((loss for loss, term in terms.items() if not term.of_tokens), None)
        if looks and (guide.store or guide.stored):
            raise UsageError(
                f"the loss {looks!r} looks at layers, which are not stored; leave it out, or take store and stored "
                f"from `distill.teachers.{name}`."
            )
    return terms


def _one_alignment(distill: Distill, terms: Mapping[str, Term]) -> None:
    spans = distill.align == "spans"
    if wrong := [name for name, term in terms.items() if (term.reads == "spans") != spans]:
        due = (
            "takes `align: spans`" if not spans else "compares token by token; with `align: spans` take the loss `uld`"
        )
        raise UsageError(f"the loss {wrong[0]!r} {due}.")
    if spans and (len(distill.teachers) > 1 or isinstance(distill.temperature, Adapted)):
        raise UsageError("`align: spans` takes one teacher, and a temperature that does not depend on it.")
    if spans and any(g.store or g.stored or g.ema is not None or g.deeper for g in distill.teachers.values()):
        raise UsageError("`align: spans` takes a teacher that is a model of its own; leave its other fields out.")


def check_on_policy(distill: Distill, **unused: Any) -> None:
    """UsageError for what has no part in `method: on_policy`; `unused` are other fields of the student by name."""
    others = _set(distill, Distill()) - {"teachers"} or {name for name, given in unused.items() if given}
    if others:
        name = min(others)
        where = "distill." if name in Distill.model_fields else ""
        raise UsageError(
            f"`{where}{name}` has no part in `method: on_policy`; `trainer` says how, by beta, temperature and "
            "max_completion_length among others."
        )
    for name, guide in distill.teachers.items():
        if wrong := _set(guide, Guide()) - {"model", "revision", "dtype"}:
            raise UsageError(
                f"`distill.teachers.{name}.{min(wrong)}` has no part in `method: on_policy`; leave it out."
            )


def _set(given: BaseModel, default: BaseModel) -> set[str]:
    return {name for name, value in given if value != getattr(default, name)}


def _nothing_idle(distill: Distill, terms: Mapping[str, Term]) -> None:
    """UsageError for a field that would change nothing."""
    if not terms:
        raise UsageError("`distill.losses` names no loss; name one, or set `method: sft`.")
    if distill.temperature != 1 and not any(term.of_tokens for term in terms.values()):
        raise UsageError("`distill.temperature` acts on distributions, and no loss compares them; leave it out.")
    if distill.missing == "skip" and not any(guide.store or guide.stored for guide in distill.teachers.values()):
        raise UsageError("`distill.missing` is of teachers that are stored, and none is; leave it out.")


def parts(
    distill: Distill,
    lesson: Lesson,
    *,
    teachers: Mapping[str, tuple[str, str | None]],
    corpus: str,
    signals: Path | None = None,
) -> dict[str, Any]:
    """Keyword arguments of the Distiller. `teachers`: path and revision of each.

    `corpus` has the verdicts on the teachers, `signals` is where `tracegen capture` puts what it captures.
    """
    terms = check(distill)
    objective = Objective(
        terms,
        alpha=Schedule("distill.alpha", distill.alpha),
        temperature=_heat(distill.temperature),
        mix=_several(distill, list(teachers), lesson.rows, corpus) if len(teachers) > 1 else None,
        gaps=distill.missing == "skip",
    )
    needed = {what: objective.reads(what) for what in ("hidden", "attention")}
    for what, found in needed.items():
        if len(found) > 1:
            raise UsageError(f"{' and '.join(found)} both look at {what} layers; name one of them.")
    if len(teachers) < 2 and distill.several != Distill().several:
        raise UsageError("`distill.several` weighs teachers against each other, and there is one; leave it out.")
    if len(teachers) > 1 and any(needed.values()):
        raise UsageError("losses on layers take one teacher; name one in `distill.teachers`.")
    given: dict[str, Any] = {"objective": objective, "balance": Balance(terms, distill.balance)}
    asked: list[Any] = []
    averages: list[Average] = []
    for name, at in teachers.items():
        guide = distill.teachers.get(name, Guide())
        if guide.store or guide.stored:
            folder = Path(guide.stored) if guide.stored else (signals or Path("signals")) / name
            asked.append(stored(folder, guide, at, lesson, skip=distill.missing == "skip"))
        elif distill.align == "spans":
            asked.append(spanned(name, guide, at, lesson))
        else:
            more = beside(name, guide, at, lesson, objective)
            asked += more.pop("teachers")
            averages += more.pop("averages", [])
            given |= more
    return given | {"teachers": asked, "averages": averages}


def take_off(student: nn.Module) -> None:
    """Remove what hung on the student for its training alone."""
    if hasattr(student, PROJECTIONS):
        delattr(student, PROJECTIONS)


def _several(distill: Distill, names: Sequence[str], rows: Sequence[Row], corpus: str) -> Several:
    given = distill.several
    groups = [str(row.facts.get(given.by) or OTHER) for row in rows]
    reliable = reliabilities(names, groups, given.reliability, corpus=corpus, by=given.by)
    return Several(names, reliable, groups, tau=given.confidence, strength=given.conflict)


def _heat(temperature: Points | Adapted) -> Heat:
    if isinstance(temperature, Adapted):
        return by_confidence(temperature.low, temperature.high)
    return scheduled(Schedule("distill.temperature", temperature))
