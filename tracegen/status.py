"""What a run is doing, seen from outside: from another terminal while it runs, or from its files when it is at rest.

The owner of a run writes `status.json` every two seconds and holds a lock as long as it lives; where it was killed, the
lock is free and the file still says that it runs. A run at rest is counted: its ledger, its verdicts, its stages.
Limits: counting reads every answer, which takes its time where there are many. An owner on another machine, whose lock
may not be seen from here, counts as alive while it is heard.
"""

import json
import socket
import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from tracegen import evidence, rundir
from tracegen.ledger import read
from tracegen.live.line import line, summary
from tracegen.live.screen import ERRORS, OUTCOMES, screen
from tracegen.live.tally import error_kind, share
from tracegen.live.words import dollars, duration, number, percent
from tracegen.records import Problem, UsageError

AGAIN = 2.0
"""Seconds between two looks of `--watch`."""
HEARD = 15.0
"""Seconds of silence after which a run is said to be silent: seven times what its owner lets pass."""
PIPED = 200
"""Columns where the output is no terminal."""
STAGES = {"corpus": "corpus", "student": "student", "scores": "scores.jsonl", "report": "report.html"}
"""What a run makes of its traces, and where that lies."""


def show(run: Path, *, watch: bool, as_json: bool) -> None:
    """Print what `look` finds; with `watch` again and again, until the run is at rest."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = PIPED
    found = look(run)
    with suppress(KeyboardInterrupt):
        if as_json or not (watch and console.is_terminal):
            _print(console, found, as_json)
            while watch and found["state"] == "running":
                time.sleep(AGAIN)
                found = look(run)
                _print(console, found, as_json)
            return
        with Live(console=console, auto_refresh=False, transient=True) as live:
            while found["state"] == "running":
                live.update(picture(found, console.width), refresh=True)
                time.sleep(AGAIN)
                found = look(run)
        _print(console, found, as_json)


def look(run: Path) -> dict[str, Any]:
    """`{"run", "state", "owner", "heard", "launch", "disk", "again"}`, as docs/watching.md describes them."""
    if not (run / "recipe.yaml").is_file() and not (run / rundir.STATUS).is_file():
        raise UsageError(f"{run} is not a run directory: it holds neither recipe.yaml nor {rundir.STATUS}.")
    owner = rundir.owner(run)
    launch = _launch(run)
    heard = max(0.0, time.time() - launch["written"]) if launch else None
    if owner is not None and launch and f"process {launch['pid']} " not in f"{owner} ":
        launch = heard = None  # the launch before this one, or a command that says nothing of itself
    state = launch["state"] if launch else "at rest"
    if owner is not None:
        state = "running"
    elif state == "running" and not (launch and launch["host"] != socket.gethostname() and (heard or 0) < HEARD):
        state = "killed"
    return {
        "run": str(run),
        "state": state,
        "owner": owner,
        "heard": None if heard is None else round(heard, 1),
        "launch": launch,
        "disk": None if state == "running" else disk(run),
        "again": None if state in ("running", "done") else f"tracegen run {run}",
    }


def disk(run: Path) -> dict[str, Any]:
    """What the files of a run say: problems, answers and verdicts by teacher, the stages that stand."""
    problems = {row["id"]: Problem(**row) for row in evidence.json_lines(run / "problems.jsonl")}
    traces = list(evidence.traces(run, problems))
    recipe = yaml.safe_load(evidence.newest_recipe(run)) or {}
    errors: dict[str, Counter[str]] = defaultdict(Counter)
    for row in read(run / "traces", ["teacher", "error"]):
        if row["error"] is not None:
            errors[row["teacher"]][error_kind(row["error"])] += 1
    teachers = {}
    for row in evidence.teachers(run, recipe.get("teachers") or {}, traces):
        name = row["teacher"]
        own = [trace for trace in traces if trace.teacher == name]
        statuses = Counter(trace.status for trace in own)
        teachers[name] = {
            "traces": dict(statuses),
            "truncated": share(statuses["truncated"], statuses.total()),
            "verdicts": dict(Counter(trace.outcome for trace in own)),
            "right": share(row["right"], row["judged"]),
            "failed": row["failed"],
            "errors": dict(errors[name].most_common()),
            "tokens": {"prompt": row["input"], "completion": row["output"]},
            "seconds": round(row["seconds"], 1),
            "usd": row["usd"],
            "usd_per_verified": row["per_verified"] and row["per_verified"].usd,
        }
    return {
        "problems": {
            "total": len(problems),
            "solved": len({trace.problem for trace in traces if trace.outcome == "right"}),
        },
        "teachers": teachers,
        "stages": [stage for stage, path in STAGES.items() if (run / path).exists()],
    }


def picture(found: Mapping[str, Any], width: int) -> RenderableType:
    """All of it, for a person."""
    parts: list[RenderableType] = [Text(headline(found))]
    launch = found["launch"] or {"stages": {}, "stage": None}
    for stage, figures in launch["stages"].items():
        if stage != launch["stage"]:
            parts.append(Text((summary if "samples" in figures else line)(figures)))
    if found["state"] == "running" and launch["stage"]:
        parts += ["", screen(launch["stages"][launch["stage"]], width)]
    if found["disk"]:
        parts += ["", *_disk(found["disk"])]
    if found["again"]:
        parts.append(Text(f"To go on: {found['again']}"))
    return Group(*parts)


def headline(found: Mapping[str, Any]) -> str:
    """One sentence on who works on the run, or how the last launch ended."""
    launch, run = found["launch"], found["run"]
    if found["state"] == "at rest":
        return f"{run}: at rest."
    if launch is None:
        return f"{run}: in use by {found['owner']}, which has said nothing yet."
    ago = f"{duration(found['heard'])} ago"
    who = f"process {launch['pid']} on {launch['host']}"
    if found["state"] == "running":
        stage = launch["stage"] or "between stages"
        silent = "; it is stopped, or cannot write" if found["heard"] > HEARD else ""
        return f"{run}: running ({stage}), {who}, last heard {ago}{silent}."
    if found["state"] == "killed":
        return f"{run}: {who} is gone without a word, last heard {ago}; it was killed, or the machine went down."
    if found["state"] == "done":
        return f"{run}: done {ago}."
    return f"{run}: {found['state']} {ago} with exit status {launch['exit_status']}: {launch['error']}"


def _disk(found: Mapping[str, Any]) -> list[RenderableType]:
    problems = found["problems"]
    stages = f"; made: {', '.join(found['stages'])}" if found["stages"] else ""
    text = f"{number(problems['solved'])} of {number(problems['total'])} problems have a right trace{stages}."
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    table.add_column("teacher", no_wrap=True)
    table.add_column("traces", justify="right", no_wrap=True)
    table.add_column("verdicts")
    for title in ("truncated", "failed", "tokens", "cost"):
        table.add_column(title, justify="right", no_wrap=True)
    for name, each in found["teachers"].items():
        counts = [(outcome, each["verdicts"].get(outcome, 0)) for outcome in (*OUTCOMES, "not judged")]
        table.add_row(
            Text(name),
            number(sum(each["traces"].values())),
            ", ".join(f"{number(count)} {outcome}" for outcome, count in counts if count),
            percent(each["truncated"]),
            number(each["failed"]),
            number(each["tokens"]["prompt"] + each["tokens"]["completion"]),
            dollars(each["usd"]) if each["usd"] is not None else "–",
        )
    errors: Counter[str] = sum((Counter(each["errors"]) for each in found["teachers"].values()), Counter())
    lines = [Text(f"{number(count)} x {kind}") for kind, count in errors.most_common(ERRORS)]
    return [Text(text), *([table] if found["teachers"] else []), *lines]


def _print(console: Console, found: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(found, ensure_ascii=False), flush=True)
    else:
        console.print(picture(found, console.width))


def _launch(run: Path) -> dict[str, Any] | None:
    """What the owner wrote last; a file that cannot be read counts as none."""
    try:
        found = json.loads((run / rundir.STATUS).read_text(encoding="utf-8"))
        return found if isinstance(found, dict) and {"state", "pid", "written", "stages"} <= found.keys() else None
    except (OSError, ValueError):
        return None
