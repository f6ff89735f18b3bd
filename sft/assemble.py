"""From the recipe's `student.distill` to the parts of a trainer: teachers loaded, layers paired, losses bound.

Shape: `check(distill)` finds every mistake that needs no model; `parts(...)` loads the teachers and returns what
`sft/distill.py` takes beside TRL's own arguments.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import transformers
from torch import nn

from sft import layers
from sft.again import Source, again, columns
from sft.balance import Balance
from sft.capture import scorer
from sft.collate import Flat, Padded
from sft.data import Row
from sft.itself import Average, Deeper, Hinted
from sft.load import DTYPES, load
from sft.objective import CE, Objective, Term
from sft.origin import origin, tokenizer_of
from sft.projections import NAME as PROJECTIONS
from sft.projections import Projections
from sft.reliability import OTHER, reliabilities
from sft.schedule import Schedule
from sft.several import Several
from sft.spans import Alphabet, Spanned
from sft.stored import Stored
from sft.teachers import Live
from sft.temperature import Heat, by_confidence, scheduled
from sft.vocabulary import Shared
from sft.watching import watch
from tracegen import registry
from tracegen.models import resolve
from tracegen.progress import say
from tracegen.records import UsageError
from tracegen.student import Adapted, Distill, Guide, Points


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
        loss = registry.bind("loss", name, options)
        terms[name] = Term(loss, registry.about("loss", name, "READS") or "logits", weight)
    _one_alignment(distill, terms)
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


def parts(
    distill: Distill,
    *,
    student: Any,
    tokenizer: Any,
    teachers: Mapping[str, tuple[str, str | None]],
    rows: Sequence[Row],
    compute: str,
    device: Any,
    corpus: str,
    sources: Sequence[Source],
    signals: Path | None = None,
) -> dict[str, Any]:
    """Keyword arguments of the Distiller. `teachers`: path and revision of each; `device` is the student's.

    `corpus` has the verdicts on the teachers, `sources` are all corpora that the rows are from.

    `signals` is where `tracegen capture` puts what it captures.
    """
    terms = check(distill)
    objective = Objective(
        terms,
        alpha=Schedule("distill.alpha", distill.alpha),
        temperature=_heat(distill.temperature),
        mix=_several(distill, list(teachers), rows, corpus) if len(teachers) > 1 else None,
        gaps=distill.missing == "skip",
    )
    needed = {what: objective.reads(what) for what in ("hidden", "attention")}
    for what, found in needed.items():
        if len(found) > 1:
            raise UsageError(f"{' and '.join(found)} both look at {what} layers; name one of them.")
    if len(teachers) > 1 and any(needed.values()):
        raise UsageError("losses on layers take one teacher; name one in `distill.teachers`.")
    body = student.config.get_text_config()
    given: dict[str, Any] = {"objective": objective, "teachers": [], "balance": Balance(terms, distill.balance)}
    for name, (path, revision) in teachers.items():
        guide = distill.teachers.get(name, Guide())
        if guide.store or guide.stored:
            folder = Path(guide.stored) if guide.stored else (signals or Path("signals")) / name
            skip = distill.missing == "skip"
            given["teachers"].append(_stored(folder, guide, path, revision, rows, tokenizer, skip=skip))
            continue
        words = load(transformers.AutoTokenizer, path, revision)
        if distill.align == "spans":
            model: Any = teacher_model(guide, path, revision, compute).to(device)
            others = again(rows, sources, words, hint=guide.hint)
            fits(model, others, name)
            collate = Padded(0) if model._is_stateful else Flat()
            given["teachers"].append(Spanned(model, rows, others, Alphabet(tokenizer), Alphabet(words), collate))
            say(f"{given['teachers'][-1].aligned:.0%} of the trained tokens begin a span that {name} ends with them.")
            continue
        shared = Shared(tokenizer, words)
        shared.check(rows, tokenizer, words)
        model = None if guide.deeper else teacher_model(guide, path, revision, compute).to(device)
        theirs = body if guide.deeper else model.config.get_text_config()
        counts = {"student": body.num_hidden_layers, "teacher": theirs.num_hidden_layers}
        paired = {
            what: [
                pair for term in found.values() for pair in layers.pairs(_option(term, "layers"), lowest=low, **counts)
            ]
            for (what, found), low in zip(needed.items(), (0, 1), strict=True)
        }
        if paired["hidden"]:
            own = [layer for layer, _ in paired["hidden"]]
            given["projections"] = Projections(own, body.hidden_size, theirs.hidden_size)
        if paired["attention"]:
            window = max(_option(term, "window") for term in needed["attention"].values())
            given |= {"attention": [layer for layer, _ in paired["attention"]], "window": window}
            theirs_too = [layer for _, layer in paired["attention"]] if guide.deeper else []
            given["watched"] = watch(student, [*given["attention"], *theirs_too])
        shown = {what: [layer for _, layer in pairs] for what, pairs in paired.items()}
        if guide.deeper:
            deepening([*paired["hidden"], *paired["attention"]], terms)
            given["deeper"] = Deeper(**shown)
            given["teachers"].append(given["deeper"])
            continue
        teacher: Any = Live(model, shared, **shown, window=given.get("window", 1))
        if guide.ema is not None:
            teacher = Average(teacher, guide.ema)
            given.setdefault("averages", []).append(teacher)
        if guide.hint:
            others = again(rows, sources, words, hint=guide.hint)
            fits(model, others, name)
            teacher = Hinted(teacher, rows, others, Padded(0) if model._is_stateful else Flat())
        given["teachers"].append(teacher)
    return given


def teacher_model(guide: Guide, path: str, revision: str | None, compute: str) -> Any:
    """A teacher's weights, in the precision that the recipe or the training has."""
    # Steps of 1 - decay would be lost in half precision.
    wanted = "float32" if guide.ema is not None else compute if guide.dtype == "auto" else guide.dtype
    return load(transformers.AutoModelForCausalLM, path, revision, dtype=DTYPES[wanted])


def fits(model: Any, rows: Sequence[Row], name: str) -> None:
    """UsageError where a teacher cannot read its rows whole."""
    longest = max(len(row.input_ids) for row in rows)
    if longest > (most := getattr(model.config.get_text_config(), "max_position_embeddings", None) or longest):
        raise UsageError(f"the teacher {name} reads at most {most} tokens, and its longest row has {longest}.")


def deepening(pairs: Sequence[tuple[int, int]], terms: Mapping[str, Term]) -> None:
    """UsageError unless shallow layers learn from deeper ones, and nothing else from itself."""
    if same := [own for own, theirs in pairs if theirs <= own]:
        raise UsageError(
            f"layer {same[0]} of the student would learn from itself or from a shallower one; give pairs such as "
            "`layers: {2: 6}`, the shallow one first."
        )
    if other := [name for name, term in terms.items() if term.of_tokens]:
        raise UsageError(f"with a `deeper` teacher the loss {other[0]!r} has nothing to compare; leave it out.")


def _stored(
    folder: Path, guide: Guide, path: str, revision: str | None, rows: Sequence[Row], tokenizer: Any, *, skip: bool
) -> Stored:
    """Of a folder that was captured elsewhere, the teacher is checked where the recipe says who it is."""
    due = origin(tokenizer)
    if not guide.stored or path != guide.stored:
        teacher = resolve(path, revision)
        due = origin(tokenizer, teacher=teacher, words=tokenizer_of(teacher, guide.tokenizer), k=guide.store)
    found = Stored(folder, rows, due, skip=skip)
    if found.missing:
        say(f"{found.missing} of {len(rows)} rows have no signal in {folder}; they are trained on their tokens alone.")
    return found


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


def _option(term: Term, name: str) -> Any:
    """The value of a bound loss's option, the recipe's or its default."""
    import inspect

    loss: Any = term.loss
    return loss.keywords.get(name, inspect.signature(loss.func).parameters[name].default)
