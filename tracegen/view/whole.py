"""One trace in full, and one problem with all its traces.

Texts are read where they stand: the ledger's row, the hearing's lines in the log, the problem's line. Limits: the
traces of a problem are shown up to `MOST`.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tracegen.generate import parse
from tracegen.ledger.segments import row_at
from tracegen.records import TracegenError
from tracegen.view import load, pages, state
from tracegen.view.shelf import Shelf, fetched
from tracegen.view.state import State

MOST = 500
PROBLEM = ("id", "statement", "answer", "source", "domain", "licence")
VERDICT = ("verifier", "version", "outcome", "reason", "answer", "detail", "seconds", "place", "span", "second_opinion")


class Absent(TracegenError):
    """There is no such trace or problem."""


def trace(shelf: Shelf, key: str) -> dict[str, Any]:
    """Everything that is known of the trace with this key."""
    version, database = shelf.state(), shelf.cursor()
    found = fetched(database, shelf.named(version, "SELECT * FROM {traces} WHERE key = ? LIMIT 1"), [key])
    if not found:
        raise Absent(f"there is no trace {key!r} in this run." + _perhaps(version))
    row = found[0]
    stem = shelf.run / "traces" / version.segments[row["position"] >> 32]
    stored = row_at(stem, row["position"] & 0xFFFFFFFF, row["place"])
    if stored["key"] != key:
        raise TracegenError("the ledger has changed while it was read; ask again in a moment.")
    parsed = parse(stored)
    from tracegen.view import money  # what it imports would keep the first page waiting

    verdicts = _verdicts(shelf.run, row)
    return {
        "key": key,
        "problem": _problem(shelf, version, row["problem_id"]),
        "teacher": row["teacher"],
        "model": stored["model"],
        "revision": stored["revision"],
        "sample": row["sample"],
        "prompt": stored["prompt"],
        "sampling": stored["sampling"],
        "reasoning": parsed.reasoning,
        "response": parsed.response,
        "answer": _answer(verdicts, parsed.response),
        "verdicts": verdicts,
        "kept": row["kept"],
        "drop": _drop(shelf, row),
        "tokens": parsed.tokens,
        "prompt_tokens": stored["prompt_tokens"],
        "time": stored.get("time"),
        "usd": money.of_trace(shelf.run, stored),
        "continued": bool(stored.get("prefix_tokens")),
        "finish_reason": parsed.finish_reason,
        "status": parsed.status,
        "forced": parsed.forced,
        "pass_rate": row["pass_rate"],
    }


def problem(shelf: Shelf, name: str) -> dict[str, Any]:
    """A problem, and its traces as a list has them."""
    version, database = shelf.state(), shelf.cursor()
    select = f"SELECT {pages.COLUMNS} FROM {{traces}} WHERE problem_id = ? ORDER BY pos LIMIT {MOST}"
    found = fetched(database, shelf.named(version, select), [name])
    there = _problem(shelf, version, name)
    if not found and there["statement"] is None:
        raise Absent(f"there is no problem {name!r} in this run." + _perhaps(version))
    rows = pages.answer(shelf, version, found, None, None)["rows"]
    return {"problem": there, "pass_rate": found[0]["pass_rate"] if found else None, "traces": rows}


def _perhaps(version: State) -> str:
    return "" if version.all_rows else " Its index is still being made; ask again in a moment."


def _problem(shelf: Shelf, version: State, name: str) -> dict[str, Any]:
    found = fetched(shelf.cursor(), shelf.named(version, "SELECT start FROM {problems} WHERE id = ? LIMIT 1"), [name])
    line = _lines(shelf.run / "problems.jsonl", found[0]["start"], None) if found else []
    there = line[0] if line and line[0].get("id") == name else {"id": name}
    return {field: there.get(field) for field in PROBLEM}


def _verdicts(run: Path, row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The whole hearing that counts, second opinions included."""
    if row["heard_from"] is None:
        return []
    lines = _lines(run / state.LOG, row["heard_from"], row["heard_to"])
    return [
        {name: line.get(name) for name in VERDICT} | {"decides": line.get("decides", True)}
        for line in lines
        if line.get("key") == row["key"]
    ]


def _answer(verdicts: list[dict[str, Any]], response: str) -> dict[str, Any] | None:
    """Where the answer stands in the response that the verdict that counts is about."""
    for verdict in verdicts:
        if verdict["decides"] and verdict["span"]:
            start, end = verdict["span"]
            if 0 <= start < end <= len(response):
                return {"text": response[start:end], "start": start, "end": end}
    return None


def _drop(shelf: Shelf, row: Mapping[str, Any]) -> dict[str, Any] | None:
    if row["filter"] is None:
        return None
    detail = None
    files = [path for path in state.dropped_files(shelf.run) if path.suffix == ".parquet"]
    if files:
        found = fetched(shelf.cursor(), f"SELECT * FROM {load.parquet(files)} WHERE key = ? LIMIT 1", [row["key"]])
        detail = found[0].get("detail") if found else None
    return {"filter": row["filter"], "reason": row["reason"], "detail": json.loads(detail) if detail else None}


def _lines(path: Path, start: int, end: int | None) -> list[dict[str, Any]]:
    """The JSON lines between two bytes, or the one that begins at the first."""
    with path.open("rb") as file:
        file.seek(start)
        lines = [file.readline()] if end is None else file.read(end - start).splitlines()
    try:
        return [json.loads(line) for line in lines]
    except ValueError:
        raise TracegenError(f"{path} has changed while it was read; ask again in a moment.") from None
