"""The recipe's teachers become ones that a training can ask: stored, of other tokenizers, beside the student, itself.

Shape: `stored(...)` and `spanned(...)` give a teacher as `sft/teachers.py` has it; `beside(...)` gives the keyword
arguments of `sft/distill.py`, since layers that are compared concern the student too. `Lesson` is what all must fit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import Any

import transformers

from sft import layers
from sft.again import Source, again
from sft.collate import Flat, Padded, lies_flat
from sft.data import Row
from sft.itself import Average, Deeper, Hinted
from sft.load import DTYPES, load, stretch
from sft.objective import Objective, Term
from sft.origin import origin, tokenizer_of
from sft.projections import Projections
from sft.spans import Alphabet, Spanned
from sft.stored import Stored
from sft.teachers import Live
from sft.vocabulary import Shared
from sft.watching import watch
from tracegen.models import resolve
from tracegen.progress import say
from tracegen.records import UsageError
from tracegen.student import Guide

At = tuple[str, str | None]
"""Where a model is: its path or name, and the revision."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """The student and what it learns from."""

    student: Any
    tokenizer: Any
    rows: Sequence[Row]
    sources: Sequence[Source]
    """All corpora that the rows are from."""
    compute: str
    """The precision of the arithmetic."""
    device: Any
    rope: Mapping[str, Any] | None = None
    """What the recipe changes in the student's rotary embedding."""

    def model(self, guide: Guide, at: At) -> Any:
        """A teacher on the student's device; what the student was before training reads as far as it does."""
        same = at[0] == self.student.name_or_path
        return teacher_model(guide, at, self.compute, self.rope if same else None).to(self.device)

    def again(self, model: Any, words: Any, guide: Guide, name: str) -> tuple[list[Row], Any]:
        """The rows as the teacher reads them, and how they are laid together for it."""
        others = again(self.rows, self.sources, words, hint=guide.hint)
        fits(model, others, name)
        return others, Flat() if lies_flat(model) else Padded(0)


def stored(folder: Path, guide: Guide, at: At, lesson: Lesson, *, skip: bool) -> Stored:
    """Of a folder that was captured elsewhere, the teacher is checked where the recipe says who it is."""
    due = origin(lesson.tokenizer)
    if not guide.stored or at[0] != guide.stored:
        teacher = resolve(*at)
        words = tokenizer_of(teacher, guide.tokenizer)
        due = origin(lesson.tokenizer, teacher=teacher, words=words, k=guide.store)
    found = Stored(folder, lesson.rows, due, skip=skip)
    if found.missing:
        say(
            f"{found.missing} of {len(lesson.rows)} rows have no signal in {folder}; they are trained on their tokens "
            "alone."
        )
    return found


def spanned(name: str, guide: Guide, at: At, lesson: Lesson) -> Spanned:
    """A teacher with a tokenizer of its own."""
    words, model = load(transformers.AutoTokenizer, *at), lesson.model(guide, at)
    others, collate = lesson.again(model, words, guide, name)
    made = Spanned(model, lesson.rows, others, Alphabet(lesson.tokenizer), Alphabet(words), collate)
    say(f"{made.aligned:.0%} of the trained tokens begin a span that {name} ends with them.")
    return made


def beside(name: str, guide: Guide, at: At, lesson: Lesson, objective: Objective) -> dict[str, Any]:
    """A teacher that is run with the student: keyword arguments of the Distiller, lists of which may be joined."""
    student = lesson.student.config.get_text_config()
    if guide.deeper:
        model, theirs = None, student
    else:
        words = load(transformers.AutoTokenizer, *at)
        shared = Shared(lesson.tokenizer, words)
        shared.check(lesson.rows, lesson.tokenizer, words)
        if strange := [row.sample_id for row in lesson.rows if not shared.knows(row.input_ids)]:
            raise UsageError(
                f"{len(strange)} rows (such as {strange[0]}) have tokens that the teacher {name} does not know; leave "
                "them out, or store its signals and set `distill.missing: skip`."
            )
        model = lesson.model(guide, at)
        fits(model, lesson.rows, name)
        theirs = model.config.get_text_config()
    depths = {"student": student.num_hidden_layers, "teacher": theirs.num_hidden_layers}
    hidden = _pairs(objective.reads("hidden"), lowest=0, **depths)
    attention = _pairs(objective.reads("attention"), lowest=1, **depths)
    shown = {"hidden": [layer for _, layer in hidden], "attention": [layer for _, layer in attention]}
    given: dict[str, Any] = {}
    if hidden:
        own = [layer for layer, _ in hidden]
        given["projections"] = Projections(own, student.hidden_size, theirs.hidden_size)
    if attention:
        own = [layer for layer, _ in attention]
        window = max(_option(term, "window") for term in objective.reads("attention").values())
        watched = watch(lesson.student, [*own, *(shown["attention"] if guide.deeper else [])])
        given |= {"attention": own, "window": window, "watched": watched}
    if guide.deeper:
        deepening([*hidden, *attention], objective.terms)
        deeper = Deeper(**shown)
        return given | {"deeper": deeper, "teachers": [deeper]}
    teacher: Any = Live(model, shared, **shown, window=given.get("window", 1))
    if guide.ema is not None:
        teacher = Average(teacher, guide.ema)
        given["averages"] = [teacher]
    if guide.hint:
        teacher = Hinted(teacher, lesson.rows, *lesson.again(model, words, guide, name))
    elif lies_flat(lesson.student) and not lies_flat(model):
        teacher = Hinted(teacher, lesson.rows, lesson.rows, Padded(0))
    return given | {"teachers": [teacher]}


def teacher_model(guide: Guide, at: At, compute: str, rope: Mapping[str, Any] | None = None) -> Any:
    """A teacher's weights, in the precision that the recipe or the training has."""
    # Steps of 1 - decay would be lost in half precision.
    wanted = "float32" if guide.ema is not None else compute if guide.dtype == "auto" else guide.dtype
    config = load(transformers.AutoConfig, *at)
    if rope:
        stretch(config.get_text_config(), rope)
    return load(transformers.AutoModelForCausalLM, *at, dtype=DTYPES[wanted], config=config)


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


def _pairs(terms: Mapping[str, Term], *, lowest: int, **depths: int) -> list[tuple[int, int]]:
    return [pair for term in terms.values() for pair in layers.pairs(_option(term, "layers"), lowest=lowest, **depths)]


def _option(term: Term, name: str) -> Any:
    """The value of a bound loss's option, the recipe's or its default."""
    loss: Any = term.loss
    return loss.keywords.get(name, signature(loss.func).parameters[name].default)
