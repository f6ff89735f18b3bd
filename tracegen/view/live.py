"""What is new while a run goes on: the figures of its owner, and the latest traces from the ends of its files.

No index is waited for: the last lines of the segments that are written, and of the verdict log, say what came last.
"""

import json
import os
import socket
import time
from pathlib import Path
from typing import Any

from tracegen.generate import parse
from tracegen.ledger.segments import parsed, present
from tracegen.rundir import STATUS, owner
from tracegen.view import state
from tracegen.view.pieces import snippet

LATEST = 10
"""Traces that are shown."""
WRITERS = 8
"""Segments that are looked into: those that were written last."""
END = 1 << 20
"""Bytes at the end of a file that are read: ten long traces."""
HEARD = 15.0
"""Seconds for which an owner on another machine, whose lock may not be seen from here, counts as alive."""


def goes_on(run: Path) -> bool:
    """Whether somebody works on the run."""
    if owner(run) is not None:
        return True
    said = figures(run)
    return bool(
        said
        and said.get("state") == "running"
        and said.get("host") != socket.gethostname()
        and time.time() - said.get("written", 0.0) < HEARD
    )


def figures(run: Path) -> dict[str, Any] | None:
    """What the owner says of the run: `status.json`."""
    try:
        found = json.loads((run / STATUS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and isinstance(found.get("stages"), dict) else None


def latest(run: Path) -> list[dict[str, Any]]:
    """The traces that came last, newest first, as a list has them."""
    live = [path for path in present(run / "traces") if path.suffix == ".jsonl"]
    live.sort(key=lambda path: (state.stat_of(path) or (0, 0))[1], reverse=True)
    rows = [row for path in live[:WRITERS] for line in _end(path) if (row := parsed(line)) and row["error"] is None]
    rows.sort(key=lambda row: row.get("time") or 0.0, reverse=True)
    verdicts = _verdicts(run)
    found = []
    for row in rows[:LATEST]:
        trace = parse(row)
        found.append(
            {
                **{name: row[name] for name in ("key", "problem_id", "teacher", "sample")},
                **{"verdict": verdicts.get(trace.key), "filter": None, "reason": None, "kept": None, "pass_rate": None},
                **{"tokens": trace.tokens, "status": trace.status, "time": row.get("time")},
                "snippet": snippet(trace.response or trace.reasoning),
            }
        )
    return found


def _verdicts(run: Path) -> dict[str, str]:
    """The outcomes at the end of the log, by key."""
    lines = (_object(line) for line in _end(run / state.LOG, most=None))
    return {line["key"]: line["outcome"] for line in lines if line and line.get("decides", True)}


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) and {"key", "outcome"} <= found.keys() else None


def _end(path: Path, most: int | None = LATEST) -> list[bytes]:
    """The last whole lines of a file."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - END))
            lines = file.read().split(b"\n")[:-1]
    except OSError:
        return []
    whole = lines if size <= END else lines[1:]
    return whole if most is None else whole[-most:]
