"""Two guests of the sandbox, one with the program and one with the tests, and the frames that go between them.

The guests take turns: the tests ask, the program answers, and the frames pass through unread. Only a frame of the
tests' that is marked as the report ends it. How a guest ends by itself is judged here: a program that is gone while it
was asked has failed; time, memory and output are outcomes of their own; what the machine is to blame for is tried
again.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tracegen.sandbox import Ended, GuestEnded, Limits, Sandbox
from tracegen.verifiers._code import plain
from tracegen.verifiers._code.given import Given
from tracegen.verifiers._code.kinds import WireError
from tracegen.verifiers._code.suite import Suite
from tracegen.verifiers._code.telling import Finding, raised
from tracegen.verifiers._code.wire import decode, encode

ATTEMPTS = 3
"""Conversations that the machine may break off before that is the verdict."""
OUTPUT = 16 * 2**20
"""Bytes that a program may print, and that one of its answers may take."""
PATIENCE = 3.0
"""Seconds by the clock for each CPU second that a program has, where the machine is busy or the program sleeps."""

_MODULES = ("kinds", "telling", "wire", "peer", "remote", "guest_program", "guest_tests", "guest_checker")
"""What the sandbox holds ready for its guests, in an order in which each finds what it imports."""

SHORT = 2**16
"""Bytes of the news that a program did not load; of one that did, nothing more is read here."""
_NAMES = encode(("value", {}))[:-4]
"""How a frame with names begins; what follows is their number."""

_kept = threading.local()


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one program may use: CPU seconds and MiB."""

    seconds: float
    memory: int

    @property
    def wall(self) -> float:
        return PATIENCE * self.seconds + 5

    def limits(self, *, tests: bool = False) -> Limits:
        """The sandbox's limits; tests wait for the program, and may be long."""
        wall = self.wall + 10 if tests else self.wall
        memory = max(self.memory, 2048) if tests else self.memory
        return Limits(seconds=self.seconds, wall=wall, memory=memory, output=OUTPUT)


def sandbox(unsafe: bool, packages: Sequence[str] = ()) -> Sandbox:
    """This thread's sandbox, started once; UsageError without isolation, unless `unsafe`."""
    boxes: dict[Any, Sandbox] = _kept.__dict__.setdefault("boxes", {})
    key = (unsafe, *packages)
    if key not in boxes:
        boxes[key] = Sandbox(unsafe=unsafe, packages=[Path(folder) for folder in packages], modules=_sources())
    return boxes[key]


@cache
def ready(unsafe: bool, packages: tuple[str, ...]) -> None:
    """UsageError where programs cannot be run, with what is missing; looked for once, by starting a sandbox."""
    Sandbox(unsafe=unsafe, packages=[Path(folder) for folder in packages]).close()


def judge(
    box: Sandbox,
    suite: Suite,
    prompt: str,
    program: str,
    bounds: Bounds,
    helpers: Given = Given(),  # noqa: B008
) -> Finding:
    """Runs the suite against the program: plain assertions here, all others in a guest of their own, with helpers."""
    load = encode(("load", prompt, program, suite.entry_point, [*suite.names, *helpers.theirs]))

    def plainly() -> Finding:
        with _Line(box, "guest_program", bounds.limits(), _program_ended) as theirs:
            loaded = theirs.ask(load)
            return _failure(loaded) or plain.judged(suite.plain, loaded, theirs.ask)

    def with_guests() -> Finding:
        with _Line(box, "guest_program", bounds.limits(), _program_ended) as theirs:
            theirs.send(load)
            with _Line(box, "guest_tests", bounds.limits(tests=True), _tests_ended) as ours:
                ours.send(encode(suite.told | helpers.told))
                loaded = theirs.receive()
                if failure := _failure(loaded):
                    return failure
                ours.send(loaded)
                while not (frame := ours.receive()).startswith(b"R"):
                    ours.send(theirs.ask(frame[1:]))
                return Finding(*decode(frame[1:]))

    try:
        return persistent(plainly if suite.plain else with_guests)
    except plain.NotPlain:
        return persistent(with_guests)


def checked(box: Sandbox, checker: str, stdin: str, expected: str, actual: str, bounds: Bounds) -> Finding:
    """Lets a checker's source compare an output, in a guest that never saw the program."""

    def once() -> Finding:
        with _Line(box, "guest_checker", bounds.limits(tests=True), _tests_ended) as guest:
            guest.send(encode((checker, stdin, expected, actual)))
            return Finding(*decode(guest.receive()))

    return persistent(once)


def persistent(once: Callable[[], Finding]) -> Finding:
    """What `once` finds, tried again where the machine failed."""
    finding = Finding("error", "infrastructure")
    for _ in range(ATTEMPTS):
        try:
            finding = once()
        except _Over as over:
            finding = over.finding
        if finding.reason != "infrastructure":
            break
    return finding


def limit(ended: Ended) -> Finding | None:
    """The finding where a limit or the machine ended it; None where it ended by itself."""
    if ended.status in ("timeout", "memory", "output", "infrastructure"):
        return Finding("error", ended.status, ended.detail)
    return None


class _Over(Exception):
    def __init__(self, finding: Finding) -> None:
        super().__init__(finding)
        self.finding = finding


class _Line:
    """A guest on the line; when it is gone, `ended` says what to find, unless a limit or the machine ended it."""

    def __init__(self, box: Sandbox, guest: str, limits: Limits, ended: Callable[[Ended], Finding]) -> None:
        self._finding = ended
        start = f"import sys; sys.modules['{__package__}.{guest}'].main()"
        try:
            self._guest = box.start(start, limits=limits, trusted=guest != "guest_program")
        except GuestEnded as gone:
            raise _Over(limit(gone.ended) or ended(gone.ended)) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._guest.end()

    def send(self, frame: bytes) -> None:
        try:
            self._guest.send(frame)
        except GuestEnded as gone:
            raise _Over(limit(gone.ended) or self._finding(gone.ended)) from None

    def ask(self, frame: bytes) -> bytes:
        self.send(frame)
        return self.receive()

    def receive(self) -> bytes:
        try:
            return self._guest.receive()
        except GuestEnded as gone:
            raise _Over(limit(gone.ended) or self._finding(gone.ended)) from None


def _program_ended(ended: Ended) -> Finding:
    how = f"exit code {ended.code}" if ended.status == "exited" else f"signal {ended.code}"
    return Finding("wrong", "exception", f"the program ended while it was asked ({how})")


def _tests_ended(ended: Ended) -> Finding:
    return Finding("unverifiable", "bad_tests", f"the tests ended their own process ({ended.status} {ended.code})")


def _failure(loaded: bytes) -> Finding | None:
    """What kept the program from loading; the frame is its own word, and counts only against it."""
    if loaded.startswith(_NAMES):
        return None
    try:
        if len(loaded) > SHORT:
            raise WireError("the program answered at too great a length")
        answer = decode(loaded, cautious=True)
    except WireError as error:
        return Finding("wrong", "exception", str(error))
    match answer:
        case ("value", str() as syntax):
            return Finding("wrong", "syntax_error", syntax[:200])
        case ("raised", Exception() as failure, int() as line):
            return raised(failure, line, "")
    return Finding("wrong", "exception", "the program answered out of turn")


@cache
def _sources() -> dict[str, str]:
    folder = Path(__file__).parent
    return {f"{__package__}.{name}": (folder / f"{name}.py").read_text(encoding="utf-8") for name in _MODULES}
