"""Training in several processes: a launcher starts them, and they tell of themselves through files.

Shape: `launched(command, ...)` runs `command -m sft.launch FOLDER` and is otherwise `sft.train.train`. FOLDER, in the
run's own, holds what to do (`call.json`), what the processes write (`output.log`, `said.jsonl`, the log lines in
`steps.jsonl`), answers that are to be verified (`answers-1.json`) and what came of it (`verdicts-1.json`), and the end:
`figures.json` or `error.json`. So the run keeps one owner, who samples, verifies and shows the progress, and a process
may sit on another machine that sees the folder.
Limits: if the owner is killed, so are the processes of its own machine; a launcher has to end those elsewhere.
"""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from sft.answers import Answer
from tracegen import progress as shown
from tracegen import records, shipped
from tracegen.records import TracegenError, UsageError
from tracegen.rundir import write_atomically

POLL = 0.2
"""Seconds between two looks at the files."""
STOP = "stop"
"""The file that asks the processes for a checkpoint and an orderly end."""
Verify = Callable[[Sequence[Answer]], Sequence[bool]]


def launched(
    command: str,
    *,
    work: Path,
    verify: Verify | None = None,
    progress: Callable[[Mapping[str, Any]], None] | None = None,
    **given: Any,
) -> dict[str, Any]:
    """`sft.train.train` of `given` in the processes that `command` starts (torchrun, accelerate launch, srun ...)."""
    folder = work / "processes"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    call = {"work": work, "verify": verify is not None, **given}
    write_atomically(folder / "call.json", TypeAdapter(dict[str, Any]).dump_json(call).decode())
    words = check(command)
    with (folder / "output.log").open("wb") as output:
        process = subprocess.Popen(
            [*words, "-m", "sft.launch", str(folder)],
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=_end_with_parent,
            env=os.environ | {"PATH": _path()},
        )
        try:
            _attend(process, folder, verify, progress)
        except KeyboardInterrupt:
            (folder / STOP).touch()
            process.wait()
            raise
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
                process.wait()
    return _end(folder, process.returncode)


def check(command: str | None) -> list[str]:
    """The words of the command, `recipes/...` as a file that is there: one's own, or what comes with tracegen.

    UsageError where there is no such program or file, or where a launcher started us already.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and "LOCAL_RANK" in os.environ:
        raise UsageError(
            "a launcher has started several processes of tracegen, and a run has one owner; start tracegen alone, and "
            "name the launcher in `student.launch`."
        )
    words = shlex.split(command or "")
    if command is not None and (not words or shutil.which(words[0], path=_path()) is None):
        raise UsageError(f"`student.launch` is {command!r}, which begins with no program that is there.")
    return [str(shipped.find("recipes", word)) if word.startswith("recipes/") else word for word in words]


def _path() -> str:
    """Where launchers are looked for: beside this Python first."""
    return f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"


def _attend(
    process: "subprocess.Popen[bytes]",
    folder: Path,
    verify: Verify | None,
    progress: Callable[[Mapping[str, Any]], None] | None,
) -> None:
    """Pass on what the processes say and ask, until they have ended."""
    told, stepped, asked, ended = 0, 0, 1, False
    while not ended:
        ended = process.poll() is not None
        said = _lines(folder / "said.jsonl")
        for line in said[told:]:
            shown.say(json.loads(line))
        told = len(said)
        steps = _lines(folder / "steps.jsonl")
        if progress:
            for line in steps[stepped:]:
                progress(json.loads(line))
        stepped = len(steps)
        answers = folder / f"answers-{asked}.json"
        if verify and answers.is_file():
            right = verify([Answer(*answer) for answer in json.loads(answers.read_text())])
            write_atomically(folder / f"verdicts-{asked}.json", json.dumps(list(right)))
            asked += 1
        if not ended:
            time.sleep(POLL)


def _end(folder: Path, status: int) -> dict[str, Any]:
    if (error := folder / "error.json").is_file():
        kind, sentence = json.loads(error.read_text())
        if kind == "KeyboardInterrupt":
            raise KeyboardInterrupt
        made: TracegenError = TracegenError.__new__(getattr(records, kind, TracegenError))
        made.args = (sentence,)
        raise made
    if status or not (figures := folder / "figures.json").is_file():
        last = next(
            (line for line in reversed(_lines(folder / "output.log")) if "Error" in line), "no error was written"
        )
        raise TracegenError(
            f"the processes of the training ended with status {status} ({last}); {folder / 'output.log'} has it all."
        )
    found: dict[str, Any] = json.loads(figures.read_text())
    shutil.rmtree(folder)
    return found


def _lines(path: Path) -> list[str]:
    """The whole lines of a file that may still be written."""
    text = path.read_text(errors="replace") if path.is_file() else ""
    return text[: text.rfind("\n") + 1].splitlines()


def _end_with_parent() -> None:
    """Have the kernel send SIGTERM when the parent dies."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def main(folder: Path) -> int:
    """One of the processes."""
    from sft.train import train
    from tracegen.material import Order, Part, Weights
    from tracegen.student import Distill, HeldOut

    _end_with_parent()
    first = int(os.environ.get("RANK", "0")) == 0
    shown.console.quiet = True
    if first:
        shown.listeners.append(_teller(folder / "said.jsonl"))
    given = json.loads((folder / "call.json").read_text())
    given |= {name: Path(given[name]) for name in ("out", "work", "signals") if given.get(name)}
    kinds: dict[str, Any] = {"distill": Distill, "held_out": HeldOut, "order": Order, "weights": Weights}
    kinds["data"] = dict[str, Part]
    given |= {
        name: TypeAdapter(kinds[name]).validate_python(given[name]) for name in kinds if given.get(name) is not None
    }
    given["verify"] = _asking(folder) if given["verify"] else None
    given["progress"] = _stepping(folder / "steps.jsonl") if first else None
    try:
        figures = train(**given, stop=folder / STOP)
    except (TracegenError, KeyboardInterrupt) as error:
        # Whoever is first: the processes fail for one reason.
        write_atomically(folder / "error.json", json.dumps([type(error).__name__, str(error)]))
        return 1
    if first:
        write_atomically(folder / "figures.json", json.dumps(figures))
    return 0


def _teller(path: Path) -> Callable[[str, Mapping[str, Any]], None]:
    """Writes down what would be said to the user."""

    def tell(event: str, fields: Mapping[str, Any]) -> None:
        if event == "said":
            with path.open("a") as file:
                file.write(json.dumps(fields["text"]) + "\n")

    return tell


def _stepping(path: Path) -> Callable[[Mapping[str, Any]], None]:
    """Writes down each line of the log, for the owner's progress."""

    def step(line: Mapping[str, Any]) -> None:
        with path.open("a") as file:
            file.write(json.dumps(line) + "\n")

    return step


def _asking(folder: Path) -> Verify:
    """Has answers verified by the owner of the run."""
    asked = 0

    def verify(answers: Sequence[Answer]) -> Sequence[bool]:
        nonlocal asked
        asked += 1
        write_atomically(folder / f"answers-{asked}.json", json.dumps(answers))
        while not (verdicts := folder / f"verdicts-{asked}.json").is_file():
            time.sleep(POLL)
        found: list[bool] = json.loads(verdicts.read_text())
        return found

    return verify


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
