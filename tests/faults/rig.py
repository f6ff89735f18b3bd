"""A run of `tracegen generate` against a fake server, each a process of its own: launched, signalled, accounted for.

The server's log says what was asked and answered, and when; the ledger says what was kept. `Run.check` holds the one
against the other. A sample is told on the wire by its prompt and seed, in the ledger by the same two.
"""

import json
import os
import signal
import subprocess
import sys
import time
from bisect import bisect
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tracegen.ledger import read

FAKE_SERVER = Path(__file__).parents[1] / "fake_server.py"
Sample = tuple[str, int]
"""A prompt and a seed."""


@dataclass
class Exchange:
    """A request that the server has read, and its answer, once that has left."""

    sample: Sample
    asked: float
    answered: float | None = None
    status: int | None = None
    garbled: bool = False
    """What left was no answer: the JSON was broken off."""

    @property
    def kind(self) -> str:
        """What became of the request, in two words."""
        if self.answered is None:
            return "no answer"
        return "garbled" if self.garbled else f"status {self.status}"

    @property
    def good(self) -> bool:
        """An answer left, to be paid for."""
        return self.kind == "status 200"


@dataclass
class Server:
    """The fake server as a process; after `kill` it can be started again on the same port, with the same log."""

    log: Path
    flags: Sequence[str] = ()
    port: int = 0
    process: "subprocess.Popen[str] | None" = None
    exchanges: list[Exchange] = field(default_factory=list)
    deaths: list[float] = field(default_factory=list)
    """When it was killed."""
    _open: dict[int, Exchange] = field(default_factory=dict)
    _place: int = 0

    def __enter__(self) -> "Server":
        self.log.touch()
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        command = [sys.executable, str(FAKE_SERVER), "--port", str(self.port), "--log", str(self.log), *self.flags]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())

    def kill(self) -> None:
        if self.process is not None:
            assert self.process.stdout is not None
            self.deaths.append(time.time())
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
            self.process = None

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def look(self) -> list[Exchange]:
        """All exchanges so far, oldest request first; what the log has gained since the last look is read."""
        with self.log.open("rb") as file:
            file.seek(self._place)
            gained = file.read()
        whole = gained[: gained.rfind(b"\n") + 1]
        self._place += len(whole)
        for entry in map(json.loads, whole.splitlines()):
            if entry["event"] == "request":
                body = entry["body"]
                exchange = Exchange((_prompt(body), body.get("seed", 0)), entry["time"])
                # After a restart the server counts from 1 again; what was open then will never be answered.
                self._open[entry["id"]] = exchange
                self.exchanges.append(exchange)
            elif entry["event"] == "answered" and entry["id"] in self._open:
                exchange = self._open.pop(entry["id"])
                exchange.answered, exchange.status = entry["time"], entry["status"]
                exchange.garbled = entry.get("garbled", False)
        return self.exchanges

    def answers(self) -> int:
        """How many answers have left."""
        return sum(exchange.answered is not None for exchange in self.look())


def _prompt(body: Mapping[str, Any]) -> str:
    if "prompt" in body:  # rendered, to go on with an answer that was cut off
        return str(body["prompt"])
    return next(m["content"] for m in reversed(body["messages"]) if m["role"] == "user")


@dataclass
class Run:
    """A recipe of sums for the fake teacher, and the launches of its run directory."""

    folder: Path
    server: Server
    problems: int
    samples: int
    concurrency: int = 8
    max_tokens: int = 64
    options: Mapping[str, Any] = field(default_factory=dict)
    starts: list[float] = field(default_factory=list)
    """When each launch began."""
    ends: dict[int, float] = field(default_factory=dict)
    """When those launches ended that were ended by force."""

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        sums = [{"id": f"p{n}", "statement": f"What is {n} + 1?", "answer": str(n + 1)} for n in range(self.problems)]
        (self.folder / "problems.jsonl").write_text("".join(json.dumps(problem) + "\n" for problem in sums))
        options = {"base_url": self.server.base_url, "concurrency": self.concurrency}
        teacher = {
            "engine": "openai",
            "model": "fake",
            "options": options | dict(self.options),
            "sampling": {"n": self.samples, "max_tokens": self.max_tokens},
        }
        recipe = {
            "name": "faults",
            "problems": {"source": "jsonl", "path": str(self.folder / "problems.jsonl")},
            "prompt": "math",
            "teachers": {"fake": teacher},
            "verifiers": {"exact": {}},
        }
        (self.folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))

    @property
    def traces(self) -> Path:
        return self.folder / "run" / "traces"

    def command(self, *overrides: str) -> list[str]:
        recipe, folder = str(self.folder / "recipe.yaml"), str(self.folder / "run")
        return [sys.executable, "-m", "tracegen.cli", "generate", recipe, *overrides, "--run-dir", folder]

    def begin(self, *overrides: str) -> "subprocess.Popen[bytes]":
        """Start the command, in a process group of its own. What it says goes to a file: a full pipe would stop it."""
        self.starts.append(time.time())
        with (self.folder / "stderr").open("w") as said:
            return subprocess.Popen(
                self.command(*overrides), stdout=subprocess.DEVNULL, stderr=said, start_new_session=True
            )

    def launch(self, *overrides: str, answers: int = 0, timeout: float = 60) -> "subprocess.Popen[bytes]":
        """Start the command; returns when the server has sent it so many answers, or read its first request."""
        before, sent = len(self.server.look()), self.server.answers()
        process = self.begin(*overrides)
        deadline = time.monotonic() + timeout
        while len(self.server.look()) == before or self.server.answers() < sent + answers:
            assert process.poll() is None, f"the run ended by itself, with {process.returncode}:\n{self.said()}"
            if time.monotonic() > deadline:
                self.kill(process)
                raise AssertionError(f"nothing happened in {timeout} s:\n{self.said()}")
            time.sleep(0.005)
        return process

    def finish(self, *overrides: str, timeout: float = 240) -> str:
        """The command, run to its own end, which must be a good one; what it said."""
        process = self.begin(*overrides)
        try:
            status = process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill(process)
            status = f"none within {timeout} s"
        assert status == 0, f"exit status {status}:\n{self.said()}"
        return self.said()

    def said(self) -> str:
        """What the last launch has said so far."""
        return (self.folder / "stderr").read_text()

    def kill(self, process: "subprocess.Popen[bytes]") -> None:
        """SIGKILL for the whole process group."""
        self.end(process, signal.SIGKILL)
        process.wait()

    def kill_leader(self, process: "subprocess.Popen[bytes]") -> None:
        """SIGKILL for the main process alone, as the out-of-memory killer does it."""
        self.ends[len(self.starts) - 1] = time.time()
        process.kill()
        process.wait()

    def end(self, process: "subprocess.Popen[bytes]", number: signal.Signals) -> None:
        """A signal for the whole process group, as a terminal sends it, at a time that is noted."""
        self.ends[len(self.starts) - 1] = time.time()
        os.killpg(process.pid, number)

    def acknowledged(self) -> set[Sample]:
        """Samples with an answer in the ledger."""
        return {_sample(row) for row in read(self.traces) if row["error"] is None}

    def paid_twice(self) -> list[float]:
        """Answers that were asked again: how old each was, in seconds, when its launch or the server ended by force.

        Negative where it had not left yet; infinite where nothing had ended between the two requests.
        """
        ages, answers = [], dict[Sample, Exchange]()
        for exchange in self.server.look():
            if (first := answers.get(exchange.sample)) is not None and first.answered is not None:
                ages.append(self._end_between(first, exchange) - first.answered)
            if exchange.good:
                answers[exchange.sample] = exchange
        return ages

    def _end_between(self, first: Exchange, second: Exchange) -> float:
        launch, later = (bisect(self.starts, exchange.asked) - 1 for exchange in (first, second))
        ends = [self.ends[launch]] if launch < later and launch in self.ends else []
        ends += [death for death in self.server.deaths if first.asked < death < second.asked]
        return min(ends, default=float("inf"))

    def check(self, *, grace: float) -> None:
        """Every problem has exactly its samples, each kept and judged once; no answer that had left more than
        `grace` seconds before a forced end was asked again.
        """
        rows = [row for row in read(self.traces) if row["error"] is None]
        assert Counter(row["problem_id"] for row in rows) == {f"p{n}": self.samples for n in range(self.problems)}
        assert max(Counter(row["key"] for row in rows).values()) == 1, "a sample was counted twice"
        verdicts = (self.folder / "run" / "verdicts" / "verdicts.jsonl").read_text().splitlines()
        judged = Counter(json.loads(line)["key"] for line in verdicts)
        assert judged == Counter(row["key"] for row in rows), "not every answer was judged exactly once"
        late = [age for age in self.paid_twice() if age > grace]
        assert not late, f"{len(late)} answers were asked again, the oldest {max(late):.3f} s after it had left"


def _sample(row: Mapping[str, Any]) -> Sample:
    return row["prompt"][-1]["content"], row["sampling"]["seed"]
