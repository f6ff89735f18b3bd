"""Answers that another program paid for become answers of a run: they enter its ledger under the keys of its plan.

An answer belongs to the problem whose prompt it was asked with (`match`). The answers of one problem become its samples
0, 1, 2 ... as far as these have none yet, beyond the recipe's `n` too: raising `n` then asks for fewer. What belongs to
no problem, or holds no answer, is kept aside with the reason, in `<run>/imported/`. The same answer is never taken in
twice. Its tokens are recorded; `engine: imported` tells them from what the run itself has paid for.
"""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import IO

from tracegen.foreign import Answer
from tracegen.generate import Asker
from tracegen.ledger import IMPORTED, Ledger, Row, finished, read
from tracegen.records import Message, Problem, UsageError

MATCHES = ("messages", "user", "statement")
"""What must be equal: all messages, the user's last turn, or (inside that turn) the problem's statement."""


@dataclass
class Adopted:
    """What became of the answers."""

    taken: int = 0
    finished: int = 0
    problems: set[str] = field(default_factory=set)
    beyond: int = 0
    """Of those taken, the ones that the recipe's `n` does not ask for yet."""
    known: int = 0
    """Taken in by an earlier import."""
    thinking: int = 0
    """Of those taken, the ones that hold thinking."""
    aside: Counter[str] = field(default_factory=Counter)
    """By reason."""
    kept_in: Path | None = None
    """Where those that were not taken stand."""


def adopt(
    folder: Path,
    answers: Iterable[Answer],
    *,
    format: str,
    asker: Asker,
    problems: Mapping[str, Problem],
    match: str = "messages",
    same_model: bool = False,
) -> Adopted:
    """Take the answers of a teacher (`asker`) into the ledger of the run in `folder`."""
    found = Adopted()
    of = _matcher(problems, asker, match)
    known = {row["imported"] for row in read(folder / "traces", ["imported"]) if row["imported"]}
    repeats: Counter[str] = Counter()
    keys: dict[str, Iterator[tuple[int, str]]] = {}
    given: set[str] = set()
    with Ledger(folder / "traces") as ledger, _Aside(folder / "imported", found) as aside:

        def rows() -> Iterator[Row]:
            for answer in answers:
                problem_id = of(answer)
                if why := _unfit(answer, problem_id, asker, same_model):
                    aside.keep(answer, why)
                    continue
                content = _hash(answer)
                repeats[content] += 1
                origin = f"{format}:{content}:{repeats[content]}"
                if origin in known:
                    found.known += 1
                    continue
                assert problem_id is not None
                if problem_id not in keys:
                    keys[problem_id] = _free(ledger, given, asker.keys(problems[problem_id]))
                sample, key = next(keys[problem_id])
                given.add(key)
                prompt = answer.messages or asker.prompt.messages(problems[problem_id])
                of_problem = {"key": key, "problem_id": problem_id, "sample": sample, "imported": origin}
                yield of_problem | _row(answer, asker, prompt)

        for row in ledger.commit(rows()):
            found.taken += 1
            found.problems.add(row["problem_id"])
            found.finished += finished(row)
            found.beyond += row["sample"] >= asker.most
            found.thinking += bool(row["reasoning"]) or "</think>" in row["text"]
    return found


def _matcher(problems: Mapping[str, Problem], asker: Asker, match: str) -> Callable[[Answer], str | None]:
    """A function from an answer to the id of its problem."""
    if match not in MATCHES:
        raise UsageError(f"there is no match {match!r}; it is one of {', '.join(MATCHES)}.")
    asked = {problem.id: problem for problem in problems.values() if asker.asks(problem.id)}
    reduced = _whole if match == "messages" else _user
    find: Callable[[str], str | None]
    if match == "statement":
        find = _Statements({problem.statement.strip(): problem.id for problem in asked.values()}).find
    else:
        find = {reduced(asker.prompt.messages(problem)): problem.id for problem in asked.values()}.get

    def of(answer: Answer) -> str | None:
        if answer.problem_id in asked:
            return answer.problem_id
        return find(reduced(answer.messages)) if answer.messages else None

    return of


class _Statements:
    """Finds the statement that a longer text holds: most texts of a file differ from each other in nothing else."""

    def __init__(self, ids: Mapping[str, str]) -> None:
        self._ids = ids
        self._around: dict[tuple[str, str], None] = {("", ""): None}

    def find(self, text: str) -> str | None:
        for before, after in self._around:
            if text.startswith(before) and text.endswith(after):
                inner = text[len(before) : len(text) - len(after)].strip()
                if inner in self._ids:
                    return self._ids[inner]
        held = [statement for statement in self._ids if statement and statement in text]
        longest = max(held, key=len, default="")
        # Two statements side by side, where neither holds the other, leave open which one was asked.
        if not longest or any(statement not in longest for statement in held):
            return None
        before, _, after = text.partition(longest)
        self._around[before, after] = None
        return self._ids[longest]


def _whole(messages: Iterable[Message]) -> str:
    return json.dumps([[message["role"], message["content"].strip()] for message in messages])


def _user(messages: Iterable[Message]) -> str:
    """The last turn of the user."""
    return next((m["content"].strip() for m in reversed(list(messages)) if m["role"] == "user"), "")


def _unfit(answer: Answer, problem_id: str | None, asker: Asker, same_model: bool) -> str:
    """Why an answer cannot be taken in, or nothing."""
    if answer.error is not None:
        return answer.error
    if problem_id is None:
        return "no problem of the run has this prompt" if answer.messages else "its prompt is not known"
    if answer.model and not same_model and answer.model not in (asker.model.name, asker.model.path):
        return f"it is by {answer.model}, not by {asker.model.name}"
    return ""


def _hash(answer: Answer) -> str:
    content = json.dumps([[dict(m) for m in answer.messages], answer.problem_id, answer.reasoning, answer.text])
    return sha256(content.encode()).hexdigest()[:16]


def _free(ledger: Ledger, given: set[str], key_of: Callable[[int], str]) -> Iterator[tuple[int, str]]:
    """The samples of a problem that have no answer at all; another problem with the same prompt may share them."""
    for sample in count():
        key = key_of(sample)
        if key not in given and not ledger.has(key, 0):
            yield sample, key


def _row(answer: Answer, asker: Asker, prompt: Iterable[Message]) -> Row:
    sampling = dict(answer.sampling)
    cut_at = [sampling.pop(name, None) for name in ("max_tokens", "max_completion_tokens", "max_new_tokens")]
    # Where it is not known at how many tokens an answer was cut off, it was at as many as it has.
    max_tokens = next((number for number in cut_at if isinstance(number, int)), answer.completion_tokens or 0)
    return {
        "teacher": asker.name,
        "model": answer.model or asker.model.name,
        "revision": None,
        "engine": IMPORTED,
        "prompt": [dict(message) for message in prompt],
        "max_tokens": max_tokens,
        "sampling": sampling,
        "text": answer.text,
        "reasoning": answer.reasoning,
        "finish_reason": answer.finish_reason,
        "prompt_tokens": answer.prompt_tokens,
        "completion_tokens": answer.completion_tokens,
        "prefix_tokens": 0,
        "forced": False,
        "error": None,
        "seconds": 0.0,
        "time": round(time.time(), 3),
    }


class _Aside:
    """Keeps what is not taken in, one JSON line each, in a file that is made when there is something to keep."""

    def __init__(self, folder: Path, found: Adopted) -> None:
        self._folder, self._found = folder, found
        self._file: IO[str] | None = None

    def __enter__(self) -> "_Aside":
        return self

    def keep(self, answer: Answer, why: str) -> None:
        self._found.aside[why] += 1
        if self._file is None:
            self._folder.mkdir(exist_ok=True)
            path = self._folder / f"{len(list(self._folder.glob('*.jsonl'))) + 1:04d}.jsonl"
            self._file, self._found.kept_in = path.open("x", encoding="utf-8"), path
        row = {"why": why, **{name: value for name, value in asdict(answer).items() if value not in (None, "", (), {})}}
        self._file.write(json.dumps(row) + "\n")

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()
