"""A corpus or a student goes to the Hub: gates first, then one commit with a changelog of rows, or none at all.

Shape: `corpus_parcel(...)` and `student_parcel(...)` say what would be sent and why it may not be; `send(parcel)` sends
it. What a parcel shows needs no network and no token.
Limits: one commit holds everything, so that readers never see half of it; it is not made for thousands of files.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tracegen import contamination, models, publish_card, rundir, terms
from tracegen.corpus import CONFIGS, chats, shards_of
from tracegen.hub.changes import LOG, changes, entry, version
from tracegen.hub.push import Pushed, check_name, push
from tracegen.hub.remote import Content, Kind, Remote
from tracegen.progress import say
from tracegen.recipe import Recipe
from tracegen.records import UsageError

CROISSANT, STAGE = "croissant.json", "stage.json"
CORPUS_FILES = (
    "README.md",
    CROISSANT,
    "decontamination.json",
    "funnel.json",
    "recipe.yaml",
    "prompts/*.yaml",
    *(f"data/{config}/train-*.parquet" for config in CONFIGS),
)
"""What is published of a corpus; whatever else lies in the folder stays at home."""
CORPUS_OWNED = (*CORPUS_FILES[2:], "data/train-*.parquet")
"""Removed where the new corpus has it no more; README and what others have put there stay."""
STUDENT_OWNED = ("*.safetensors", "model.safetensors.index.json")
"""Weights in another number of files than before."""


@dataclass(frozen=True)
class Parcel:
    """What would be sent."""

    repo: str
    kind: Kind
    folder: Path
    files: Mapping[str, Content]
    rows: Mapping[str, int]
    """By config; empty for a student."""
    refused: str | None
    """Why it may not be published, in one sentence."""
    made_from: str
    """The folder's `stage.json`: it tells whether the folder is still the one that was looked at."""

    @property
    def card(self) -> str:
        readme = self.files["README.md"]
        return readme.decode() if isinstance(readme, bytes) else readme.read_text(encoding="utf-8")

    @property
    def sizes(self) -> dict[str, int]:
        """Bytes by path."""
        return {
            path: len(content) if isinstance(content, bytes) else content.stat().st_size
            for path, content in self.files.items()
        }


def corpus_parcel(corpus: Path, repo: str, recipe: Recipe, *, contaminated_ok: bool = False) -> Parcel:
    """The corpus of a run for the data set `repo` ("owner/name").

    UsageError where there is no corpus, nothing in it, or the name is malformed.
    """
    check_name(repo)
    names = sorted(path.relative_to(corpus).as_posix() for pattern in CORPUS_FILES for path in corpus.glob(pattern))
    if "README.md" not in names or not shards_of(corpus):
        raise UsageError(f"there is no corpus in {corpus}; run `tracegen curate` first.")
    rows = {config: sum(map(_rows, shards_of(corpus, config))) for config in CONFIGS}
    if not rows["curated"]:
        raise UsageError(f"the corpus in {corpus} holds no trace; there is nothing to publish.")
    unclean = contamination.clean(corpus, recipe.evaluate.benchmarks)
    files: dict[str, Content] = {name: corpus / name for name in names}
    warning = unclean if contaminated_ok else None
    files["README.md"] = publish_card.of_corpus(_text(corpus / "README.md"), repo, warning).encode()
    refused = _terms(lambda: terms.refuse_publishing(recipe, corpus)) or (None if contaminated_ok else unclean)
    return Parcel(repo, "dataset", corpus, files, rows, refused, _text(corpus / STAGE))


def student_parcel(run: Path, repo: str, recipe: Recipe, *, contaminated_ok: bool = False) -> Parcel:
    """The student of a run for the model repository `repo`, its scores in the card."""
    check_name(repo)
    student, corpus = run / "student", run / "corpus"
    if not (student / "config.json").is_file():
        raise UsageError(f"there is no student in {student}; run `tracegen train` first.")
    files: dict[str, Content] = {
        path.relative_to(student).as_posix(): path
        for path in sorted(student.rglob("*"))
        if path.is_file() and path.name != STAGE and not path.name.startswith(".")
    }
    unclean = contamination.clean(corpus, recipe.evaluate.benchmarks)
    warning = unclean if contaminated_ok else None
    card = publish_card.of_student(_text(student / "README.md"), repo, recipe.corpus.repo, _scores(run), warning)
    files["README.md"] = card.encode()
    gates = _other_corpus(student, corpus) or _terms(lambda: terms.refuse_student(recipe, corpus, repo))
    refused = gates or (None if contaminated_ok else unclean)
    return Parcel(repo, "model", student, files, {}, refused, _text(student / STAGE))


def _other_corpus(student: Path, corpus: Path) -> str | None:
    """Gates look at the corpus that is there: they say nothing of a student that was trained on another one."""
    trained_on = rundir.inputs(student).get("rows")
    if trained_on in (None, rundir.fingerprint(chats(corpus))):
        return None
    return (
        f"the student in {student} was trained on another corpus than the one in {corpus}; run `tracegen train` again."
    )


def _scores(run: Path) -> Path | None:
    """The scores, unless the last whole evaluation was that of another student."""
    present = models.local(run / "student", "").identity
    roles = rundir.inputs(run / "eval").get("roles")
    if roles and present not in [role["model"] for role in roles]:
        say("the scores are those of an earlier student, and left out of the card; run `tracegen evaluate`.")
        return None
    return run / "scores.jsonl"


def send(parcel: Parcel, *, private: bool = False) -> Pushed:
    """Publish it; nothing is committed where it is published already.

    Raises UsageError (it is refused, no token, a public repository where a private one was asked for) and
    TracegenError (what the server or the network said).
    """
    if parcel.refused:
        raise UsageError(parcel.refused)
    corpus = parcel.kind == "dataset"
    owned = CORPUS_OWNED if corpus else STUDENT_OWNED

    def told(there: Remote) -> tuple[str, Mapping[str, bytes]]:
        if _text(parcel.folder / STAGE) != parcel.made_from:
            raise UsageError(f"{parcel.folder} was made anew meanwhile; publish again.")
        return _told(there, parcel) if corpus else (f"Publish {parcel.repo}", {})

    files = {path: content for path, content in parcel.files.items() if path != CROISSANT}
    return push(parcel.repo, parcel.kind, files, owned=owned, told=told, private=private)


def _told(there: Remote, parcel: Parcel) -> tuple[str, Mapping[str, bytes]]:
    """The commit's message, and what carries its number and date: the changelog, and the metadata for catalogues."""
    found = changes(there, parcel.folder)
    day = datetime.now(UTC).date().isoformat()
    log = entry(found, parcel.rows, day=day, before=there.sha, log=there.text(LOG))
    metadata = publish_card.croissant(_text(parcel.folder / CROISSANT), parcel.repo, version(log), day)
    total = f"{parcel.rows['curated']:,} traces"
    message = f"Publish {total}" if found.first else f"Publish {total}: {found}"
    return message, {LOG: log.encode(), CROISSANT: metadata.encode()}


def _rows(path: Path) -> int:
    import pyarrow
    import pyarrow.parquet as parquet

    try:
        return int(parquet.read_metadata(path).num_rows)
    except (pyarrow.ArrowException, OSError) as error:
        raise UsageError(f"{path} is not a Parquet file ({error}); run `tracegen curate` again.") from None


def _terms(gate: Any) -> str | None:
    try:
        gate()
    except UsageError as error:
        return str(error)
    return None


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""
