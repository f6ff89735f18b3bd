"""Plays recorded completions: for demonstrations and tests, or to judge what another program has sampled.

Shape of a line: `{"text"}` and any of `key`, `problem_id`, `statement`, `sample`, `reasoning`, `finish_reason`,
`prompt_tokens`, `completion_tokens`, `error`; so the segments of a run's own `traces/` can be played too.
Limits: the whole recording is held in memory, and `sampling` is not looked at.
"""

import json
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tracegen.engines._draw import IDLE
from tracegen.records import Completion, Request, UsageError

__all__ = ["replay"]


def replay(requests: Iterable[Request | None], *, model: str, path: str) -> Iterator[tuple[Request, Completion]]:
    """Recorded completions from a JSON Lines file, or from all of a folder.

    A line is found by its key; else by problem and sample, where a problem is named by its id or by its statement (the
    whole last message, or a part of it); without `sample`, the lines of one problem are its samples in order.
    Of several lines for one sample the last one counts, but a failure never replaces a text.
    """
    recorded, statements = _load(Path(path))
    for request in requests:
        if request is None:
            time.sleep(IDLE)
            continue
        yield request, _find(request, recorded, statements)


def _find(request: Request, recorded: dict[Any, Completion], statements: list[str]) -> Completion:
    keys: list[Any] = [request.key, (request.problem_id, request.sample)]
    asked = request.messages[-1]["content"]
    keys += [(statement, request.sample) for statement in statements if statement in asked]
    for key in keys:
        if key in recorded:
            return recorded[key]
    return Completion(error=f"nothing recorded for problem {request.problem_id!r}, sample {request.sample}")


def _load(path: Path) -> tuple[dict[Any, Completion], list[str]]:
    """Completions by key or by (problem, sample), and the statements that name problems, the longest first."""
    files = sorted(path.glob("*.jsonl")) if path.is_dir() else [path]
    if not files or not files[0].is_file():
        raise UsageError(f"engine 'replay' plays a JSON Lines file or a folder of them; there is none at {path}.")
    recorded: dict[Any, Completion] = {}
    statements: dict[str, int] = {}
    samples: dict[str, int] = {}
    for file in files:
        for number, line in enumerate(file.read_text("utf-8").splitlines(), 1):
            if not line.strip():
                continue
            row = _row(line, f"{file}, line {number}")
            completion = Completion(**{name: row[name] for name in Completion.__slots__ if row.get(name) is not None})
            keys: list[Any] = [row["key"]] if "key" in row else []
            if problem := row.get("problem_id") or row.get("statement"):
                sample = row.get("sample", samples.get(problem, 0))
                samples[problem] = sample + 1
                keys.append((problem, sample))
                if "problem_id" not in row:
                    statements[problem] = len(problem)
            for key in keys:
                if completion.error is None or key not in recorded:
                    recorded[key] = completion
    return recorded, sorted(statements, key=statements.__getitem__, reverse=True)


def _row(line: str, where: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise UsageError(f"{where}: not JSON ({error.msg}, column {error.colno}).") from None
    if not isinstance(row, dict) or not isinstance(row.get("error") or row.get("text"), str):
        raise UsageError(f'{where}: a recorded completion is an object with a "text", or with an "error".')
    if not row.keys() & {"key", "problem_id", "statement"}:
        raise UsageError(f'{where}: a recorded completion names its "key", its "problem_id" or its "statement".')
    return row
