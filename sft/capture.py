"""A teacher's top k log-probabilities over a corpus' own tokens, written once and read at every training.

Shape: `capture(folder, rows, teacher=..., tokenizer=..., k=64)` scores what the folder does not hold yet; who scores is
`sft/scorers/`, the files are `sft/signals.py`, who reads them in a training is `sft/stored.py`.
Limits: student and teacher cut text alike; their numbers may differ. Rows that the corpus no longer has stay in the
folder, unread.
"""

import fcntl
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy
import torch
import transformers
from numpy.typing import NDArray

from sft import material
from sft.data import Row
from sft.load import load
from sft.origin import origin, refuse, tokenizer_of
from sft.scorers import Asked, Said
from sft.signals import Key, Reader, Writer, key
from sft.vocabulary import Shared
from tracegen import registry
from tracegen.material import Part
from tracegen.models import Model, resolve
from tracegen.progress import Bar, say
from tracegen.records import TracegenError, UsageError
from tracegen.student import Distill, HeldOut

ROUNDING = 1e-3
"""A log-probability may be so much above 0."""
STRANGERS = 8
"""So many of a place's most probable tokens may be ones that the student does not know."""


def capture(
    folder: Path,
    rows: Sequence[Row],
    *,
    teacher: Model,
    tokenizer: Any,
    k: int,
    by: str = "auto",
    options: Mapping[str, Any] | None = None,
    teacher_tokenizer: str | None = None,
) -> dict[str, Any]:
    """Fill `folder` with what the teacher thinks of `rows`; the same call goes on after a kill.

    `tokenizer` is the student's, loaded; `by` names a scorer, of which `options` are; `teacher_tokenizer` is a folder
    or name, the teacher's own by default. Returns rows, tokens, bytes, bytes_per_token, rows that are missing, and of
    this call captured (rows) and seconds. UsageError where the folder holds signals of another origin, or the two cut
    text into other tokens.
    """
    started = time.monotonic()
    by, score = scorer(by, options)
    words = tokenizer_of(teacher, teacher_tokenizer)
    shared = Shared(tokenizer, words)
    shared.check(rows, tokenizer, words)
    due = origin(tokenizer, teacher=teacher, words=words, k=k)
    with _alone(folder):
        before = Reader(folder)
        if before.origin:
            refuse(before.origin, due, folder)
        named = {key(row): row for row in rows}
        left = {own: row for own, row in named.items() if own not in before.where}
        if left:
            _check_context(teacher, by, left.values())
            _fill(folder, due, left, score, teacher, shared)
        held = Reader(folder)
    return {
        "rows": len(rows),
        "tokens": sum(len(row.places) for row in rows),
        "bytes": held.bytes,
        "bytes_per_token": round(held.bytes / max(held.places, 1), 1),
        "captured": len(held.where) - len(before.where),
        "missing": len(named.keys() - held.where.keys()),
        "seconds": round(time.monotonic() - started, 2),
    }


def scorer(by: str, options: Mapping[str, Any] | None) -> tuple[str, Any]:
    """The scorer's name and the scorer with its options; UsageError for what it does not take."""
    by = by if by != "auto" else "vllm" if find_spec("vllm") else "hf"
    return by, registry.bind("scorer", by, options)


def capture_for(
    distill: Distill,
    folder: Path,
    *,
    corpus: str,
    model: str,
    revision: str | None,
    teachers: Mapping[str, tuple[str, str | None]],
    max_length: int,
    seed: int,
    data: Mapping[str, Part] | None = None,
    held_out: HeldOut | None = None,
) -> dict[str, dict[str, Any]]:
    """What each teacher that is to be stored thinks of all that a training will see, in `folder`/NAME."""
    tokenizer = load(transformers.AutoTokenizer, model, revision)
    read = material.read(corpus, data, tokenizer, max_length=max_length, seed=seed, held_out=held_out)
    return {
        name: capture(
            folder / name,
            read.every,
            teacher=resolve(*teachers[name]),
            tokenizer=tokenizer,
            k=guide.store,
            by=guide.by,
            options=guide.options,
            teacher_tokenizer=guide.tokenizer,
        )
        for name, guide in distill.teachers.items()
        if guide.store
    }


def _fill(
    folder: Path, due: Mapping[str, Any], left: Mapping[Key, Row], score: Any, teacher: Model, shared: Shared
) -> None:
    k = due["k"]
    keys: list[Key] = []
    asked: list[Asked] = []
    for own, row in left.items():
        if shared.knows(row.input_ids):
            asked.append(Asked(len(asked), shared.to_teacher(torch.tensor(row.input_ids)).tolist(), row.places))
            keys.append(own)
    if strange := len(left) - len(asked):
        say(f"{strange} rows have tokens that {teacher.name} does not know; they get no signal.")
    with Writer(folder, due) as pen, Bar("capture", sum(len(row.places) for row in asked), "tokens") as bar:
        for row, said in score(asked, teacher, k + (STRANGERS if shared.strangers else 0)) if asked else ():
            own = keys[row.number]
            if len(said.ids) != len(row.places) or not (said.logprobs <= ROUNDING).all():
                raise TracegenError(
                    f"the teacher's log-probabilities of row {own.sample_id} are none; look at the model and its dtype."
                )
            pen.add(own, *_known(said, shared, k, own.sample_id))
            bar.advance(len(row.places))


def _known(said: Said, shared: Shared, k: int, where: str) -> tuple[NDArray[numpy.int32], NDArray[numpy.float32]]:
    """The k most probable tokens that the student knows, under its numbers, of a distribution over those alone."""
    ids = shared.to_student(said.ids)
    strange = ids < 0
    if not strange.any():
        return ids[:, :k], said.logprobs[:, :k]
    mass = numpy.where(strange, numpy.exp(said.logprobs), 0.0).sum(1, keepdims=True)
    order = numpy.argsort(strange, axis=1, kind="stable")[:, :k]
    if numpy.take_along_axis(strange, order, 1).any():
        raise TracegenError(
            f"in row {where} the teacher's most probable tokens are {strange.sum(1).max()} that the student does not "
            "know; the two have too little of a vocabulary in common to compare their distributions."
        )
    logprobs = said.logprobs - numpy.log1p(-mass)
    return numpy.take_along_axis(ids, order, 1), numpy.take_along_axis(logprobs, order, 1).astype(numpy.float32)


def _check_context(teacher: Model, by: str, rows: Any) -> None:
    if by not in ("hf", "vllm"):
        return
    config = load(transformers.AutoConfig, teacher.path, teacher.revision).get_text_config()
    # vLLM reads a row whole and writes one token behind it.
    longest = max(len(row.input_ids) for row in rows) + (by == "vllm")
    if (most := getattr(config, "max_position_embeddings", None)) and longest > most:
        raise UsageError(
            f"{teacher.name} reads at most {most} tokens and the longest row needs {longest}; "
            f"set student.max_length to {most - (by == 'vllm')} or less."
        )


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Of several processes that want the same signals one captures them, and the others wait and find them there."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
