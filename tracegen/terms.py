"""What may be done with a teacher's words: what the recipe says, else the dated table, else nobody knows.

    of(teacher)           the terms of a teacher, and what they rest on
    corpus_licence(...)   the licence that follows for a corpus from its problems' licences and its teachers' terms
    student_licence(...)  the same for a student
    refuse_training, refuse_publishing    stop what terms forbid or licences rule out; what is not known is said

Who asks a service is bound by its terms and by the weights' licence: the one that allows less holds, and of a host that
is not in the table nobody knows. `may_train: unknown` in a recipe says nothing, and the table is asked.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tracegen import known_terms, licences
from tracegen.known_terms import Entry, MayTrain
from tracegen.licences import FREE, Licence, named
from tracegen.material import OWN, has_own
from tracegen.progress import say
from tracegen.recipe import Recipe, Teacher
from tracegen.records import UsageError

__all__ = [
    "Terms",
    "corpus_licence",
    "duties",
    "in_corpus",
    "of",
    "of_corpus",
    "refuse_publishing",
    "refuse_student",
    "refuse_training",
    "student_licence",
]

TRAINED = ("curated",)
PUBLISHED = ("curated", "all", "problems")
"""The configs of a corpus that a student is trained on, and that others are given."""
Said = tuple[MayTrain, str, str | None]
"""Whether, why, and where it stands."""


class Terms(NamedTuple):
    """What is known of a teacher's terms."""

    licence: str | None
    may_train: MayTrain
    url: str | None
    because: str
    """Why it may be trained on or not, in words for the user."""
    outputs: str | None = None
    """The licence that its words come under, where its own text puts them under one."""
    student: str | None = None
    """The licence that a student comes under, where the text says so."""
    duty: str | None = None
    """What else it asks of who trains on it."""
    name_begins: str | None = None
    """How the name of a published student has to begin."""


def of(teacher: Teacher) -> Terms:
    """The recipe's terms of a teacher, and the table's where the recipe says nothing."""
    given, weights = teacher.terms, known_terms.of_weights(teacher.model)
    licence = given.licence or (weights.licence if weights else None)
    rule = known_terms.of_licence(licence)
    said: Said = (given.may_train, "the recipe says so", given.url)
    if given.may_train == "unknown":
        said = _strictest(teacher, licence, rule)
    may_train, because, url = said
    url = given.url or url or (weights.url if weights else None)
    about = (rule.outputs, rule.student, rule.duty, rule.name_begins) if rule else ()
    return Terms(licence, may_train, url, because, *about)


def _strictest(teacher: Teacher, licence: str | None, rule: Entry | None) -> Said:
    found: list[Said] = []
    if host := known_terms.foreign_host(teacher.options):
        service = known_terms.of_service(host)
        found.append(_entry(service) if service else ("unknown", f"the terms of {host} are not in the table", None))
    if rule:
        found.append(_entry(rule))
    elif named(licence) in FREE:
        found.append((True, f"{licence} lets the model be used for any purpose", None))
    elif licence or not found:
        what = f"the licence {licence}" if licence else f"the licence of {teacher.model}"
        found.append(("unknown", f"{what} is not in the table", None))
    return min(found, key=lambda said: (False, "unknown", True).index(said[0]))


def _entry(entry: Entry) -> Said:
    return entry.may_train, entry.why, entry.url


def corpus_licence(
    problem_licences: Iterable[tuple[str | None, str | None]],
    teacher_terms: Mapping[str, Terms],
    declared: str | None = None,
) -> Licence:
    """The licence of a corpus. `problem_licences` are pairs of source and licence, `declared` is the recipe's.

    A teacher's licence is that of its weights: it counts only where its text says what the outputs come under.
    """
    problems = [
        (f"source {source!r}" if source else "a source without a name", name) for source, name in problem_licences
    ]
    teachers = [(f"teacher {name!r}", terms.outputs) for name, terms in teacher_terms.items() if terms.outputs]
    return licences.derive([*problems, *teachers], declared=declared)


def of_corpus(corpus: Path, declared: str | None = None, configs: Sequence[str] = PUBLISHED) -> Licence:
    """The licence of a corpus on disk, from its own rows: of all that is published, or of some of its configs."""
    rows = [row for config in configs for row in _kinds(corpus, config)]
    teachers = {row["teacher"]: _as_written(row) for row in rows if row["teacher"]}
    return corpus_licence({(row["source"], row["licence"]) for row in rows}, teachers, declared)


def student_licence(recipe: Recipe, corpus: Path) -> Licence:
    """The licence of a student: the strictest of its base model's, its corpus', and what its teachers ask of students.

    Whether the licence of a corpus reaches weights that were trained on it is not settled; this is the careful answer.
    """
    data = (recipe.student and recipe.student.data) or {}
    trained = [(f"student.data.{name}", part.licence) for name, part in data.items() if name != OWN]
    if has_own(data):
        trained.append(("the corpus", of_corpus(corpus, recipe.corpus.licence, TRAINED).name))
    base = [(f"the base model {model}", terms.licence) for model, terms in _base(recipe)]
    taught = [(f"teacher {name!r}", terms.student) for name, terms in in_corpus(recipe, corpus).items()]
    return licences.derive([*base, *trained, *(part for part in taught if part[1])])


def duties(recipe: Recipe, corpus: Path) -> list[Terms]:
    """The terms, of base model and teachers, that ask something of who passes the student on; each once."""
    found = [*(terms for _, terms in _base(recipe)), *in_corpus(recipe, corpus).values()]
    return list({terms.duty: terms for terms in found if terms.duty}.values())


def of_student(recipe: Recipe, corpus: Path) -> dict[str, Any]:
    """What a student's card says of its name and its licence."""
    found, asked = student_licence(recipe, corpus), duties(recipe, corpus)
    begins = [terms.name_begins for terms in asked if terms.name_begins]
    return {
        "name": "-".join([*begins[:1], recipe.name, "student"]),
        "licence": None if found.name == "unknown" else found.name,
        "licence_why": found.why,
        "duties": [f"{terms.licence}: {terms.duty} ({terms.url})" for terms in asked],
    }


def in_corpus(recipe: Recipe, corpus: Path, configs: Sequence[str] = TRAINED) -> dict[str, Terms]:
    """The terms of every teacher with a row in the corpus: as the recipe has them now, else as the rows say."""
    rows = {row["teacher"]: row for config in configs for row in _kinds(corpus, config) if row["teacher"]}
    return {
        name: of(recipe.teachers[name]) if name in recipe.teachers else _as_written(row) for name, row in rows.items()
    }


def refuse_training(recipe: Recipe, corpus: Path | None = None) -> None:
    """UsageError where a teacher may not be trained on, or the corpus holds what may not be shared together.

    Without a corpus, before anything is paid for: by the recipe alone, unless its filters look at licences.
    """
    if corpus is not None:
        _refuse(recipe, corpus, TRAINED, "trained on")
    elif "licence" not in recipe.filters:
        _refuse_forbidden(recipe, {name: of(teacher) for name, teacher in recipe.teachers.items()}, "trained on")


def refuse_publishing(recipe: Recipe, corpus: Path) -> None:
    """UsageError where a corpus may not be published, whichever of its configs stands in the way."""
    _refuse(recipe, corpus, PUBLISHED, "published")


def refuse_student(recipe: Recipe, corpus: Path, repo: str) -> None:
    """UsageError where a student may not be published, or not under this name."""
    _refuse(recipe, corpus, TRAINED, "trained on")
    if conflicts := student_licence(recipe, corpus).conflicts:
        raise UsageError(f"the student may not be published: {conflicts[0]}.")
    for terms in duties(recipe, corpus):
        if terms.name_begins and not repo.rpartition("/")[2].startswith(terms.name_begins):
            raise UsageError(
                f"{repo} does not begin with {terms.name_begins!r} as {terms.licence} asks of a student's name "
                f"({terms.url}); name another repository."
            )


def _refuse(recipe: Recipe, corpus: Path, configs: Sequence[str], what: str) -> None:
    teachers = in_corpus(recipe, corpus, configs)
    licence = of_corpus(corpus, recipe.corpus.licence, configs)
    _refuse_forbidden(recipe, teachers, what)
    if licence.conflicts:
        raise UsageError(f"the corpus may not be {what}: {licence.conflicts[0]}, and run `tracegen curate` again.")
    for name, terms in teachers.items():
        if terms.may_train == "unknown":
            say(f"whether teacher {name!r} may be trained on is not known: {terms.because}.")
    if licence.unknown:
        say(f"the licence of {', '.join(licence.unknown[: licences.SHOWN])} is not known.")


def _refuse_forbidden(recipe: Recipe, teachers: Mapping[str, Terms], what: str) -> None:
    places = {f"teachers.{name}": (f"what teacher {name!r} wrote", terms) for name, terms in teachers.items()}
    if writer := _writer(recipe):
        places["problems"] = (f"what {writer.model} wrote as problems", of(writer))
    for place, (who, terms) in places.items():
        if terms.may_train is False:
            leave = "" if place == "problems" else "leave its traces out with the filter `licence`, or, "
            raise UsageError(
                f"{who} may not be {what}: {terms.because}; {leave}where its owner allows it to you, say "
                f"{place}.terms.may_train=true."
            )


def _base(recipe: Recipe) -> list[tuple[str, Terms]]:
    """The student's base model and its terms, where there is a student."""
    student = recipe.student
    if student is None:
        return []
    return [
        (student.model, of(Teacher.model_validate({"model": student.model, "terms": {"licence": student.licence}})))
    ]


def _writer(recipe: Recipe) -> Teacher | None:
    """The model that wrote the problems, where one did."""
    options = {name: value for name, value in recipe.problems.options.items() if name in Teacher.model_fields}
    return Teacher.model_validate(options) if "model" in options else None


def _as_written(row: Mapping[str, Any]) -> Terms:
    """What a row of a corpus says of its teacher."""
    licence, may_train = row["teacher_licence"], row["may_train"]
    rule = known_terms.of_licence(licence)
    about = (rule.outputs, rule.student, rule.duty, rule.name_begins) if rule else ()
    url = rule.url if rule else None
    return Terms(licence, "unknown" if may_train is None else may_train, url, "its rows say so", *about)


def _kinds(corpus: Path, config: str) -> Iterator[dict[str, Any]]:
    """The rows of a config that differ in where they come from, once each; none where there is no such config."""
    import duckdb

    files = [str(path) for path in sorted((corpus / "data" / config).glob("train-*.parquet"))]
    names = ["source", "licence"]
    of_teacher = dict.fromkeys(("teacher", "teacher_licence", "may_train"))
    if config != "problems":
        names += of_teacher
    if files:
        with duckdb.connect() as database:
            rows = database.read_parquet(files)
            rows.create_view("rows")
            # A row whose texts are withheld gives nothing away.
            given = "where not withheld" if "withheld" in rows.columns else ""
            found = database.execute(f"select distinct {', '.join(names)} from rows {given} order by all").fetchall()
        yield from (of_teacher | dict(zip(names, row, strict=True)) for row in found)
