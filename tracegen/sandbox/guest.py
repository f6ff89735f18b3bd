"""A running program, seen from our side of the walls: its streams, its channel, the clock, and how it ended.

All is read in one place (`_turn`), so a guest that writes while it is written to cannot lock us up, and a flood is
cut off where it crosses the limit. The clock and the final blow are ours; the report comes from the supervisor.
"""

import contextlib
import math
import os
import select
import signal
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from tracegen.sandbox.inside import job as jobs
from tracegen.sandbox.limits import Ended, GuestEnded, Limits, Status
from tracegen.sandbox.wires import LENGTH, Inbox, Wires

GRACE = 1.0
"""Seconds that a guest whose channel is closed, or that was killed, is given to be seen to end."""
PIECE = 2**16


class Guest:
    """A running program with a two-way channel of byte frames beside stdin, stdout and stderr.

    `kill` ends its whole tree at once; `finish` is called once when it is over.
    """

    def __init__(
        self,
        wires: Wires,
        limits: Limits,
        kill: Callable[[], None],
        finish: Callable[[], None],
        *,
        stdin: bytes = b"",
    ) -> None:
        self._wires, self._limits, self._kill, self._finish = wires, limits, kill, finish
        self._started = time.monotonic()
        self._deadline = self._started + limits.wall
        self._outgoing = {wires.stdin: memoryview(stdin)}
        if wires.writer is not None:
            self._outgoing[wires.writer] = memoryview(b"")
        self._streams = {wires.stdout: bytearray(), wires.stderr: bytearray()}
        self._inbox = Inbox(longest=limits.output)
        self._report: dict[str, Any] | None = None
        self._open = {wires.status.fileno(), *self._streams}
        if wires.reader is not None:
            self._open.add(wires.reader)
        self._cause: tuple[Status, int | None, str] | None = None
        self._ended: Ended | None = None
        for end in (*self._outgoing, *self._open):
            os.set_blocking(end, False)
        if not stdin:
            self._hang_up(wires.stdin)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.end()

    def send(self, frame: bytes) -> None:
        """Hands the guest a frame; GuestEnded if it is over or takes no more."""
        writer = self._wires.writer
        assert writer is not None
        if writer in self._outgoing:
            self._outgoing[writer] = memoryview(LENGTH.pack(len(frame)) + frame)
        while self._outgoing.get(writer):
            self._go_on()
        if writer not in self._outgoing:
            raise GuestEnded(self._last_words())

    def receive(self) -> bytes:
        """The guest's next frame; GuestEnded when there is none to come."""
        reader = self._wires.reader
        while (frame := self._inbox.take()) is None:
            if reader not in self._open:
                raise GuestEnded(self._last_words())
            self._go_on()
        return frame

    def end(self) -> Ended:
        """Kills what still runs and says how it ended."""
        self._stop("signal", signal.SIGKILL, "ended by its host")
        return self._settle()

    def wait(self) -> Ended:
        """Lets the program run to its end or to its limits."""
        while self._running:
            self._go_on()
        return self._settle()

    @property
    def _running(self) -> bool:
        return self._report is None and self._cause is None

    def _last_words(self) -> Ended:
        """How a guest that left its channel ended; it is given a moment to do so by itself."""
        patience = time.monotonic() + GRACE
        while self._running and time.monotonic() < patience:
            self._go_on(patience)
        self._stop("signal", signal.SIGKILL, "it closed its channel")
        return self._settle()

    def _go_on(self, until: float = math.inf) -> None:
        """One turn, and the end of the program if its time is over."""
        self._turn(min(until, self._deadline))
        if time.monotonic() >= self._deadline:
            self._stop("timeout", None, f"{self._limits.wall:g} s by the clock")

    def _turn(self, until: float) -> None:
        """Waits until something can be read or written, at most until then, and does that."""
        poll = select.poll()
        for end in self._open:
            if end != self._wires.reader or not self._inbox.full:
                poll.register(end, select.POLLIN)
        for end, data in self._outgoing.items():
            if data:
                poll.register(end, select.POLLOUT)
        for end, _ in poll.poll(max(until - time.monotonic(), 0) * 1000):
            if end in self._outgoing:
                self._write(end)
            else:
                self._read(end)

    def _write(self, end: int) -> None:
        try:
            self._outgoing[end] = self._outgoing[end][os.write(end, self._outgoing[end][:PIECE]) :]
        except BlockingIOError:
            return
        except BrokenPipeError:
            self._hang_up(end)
            return
        if end == self._wires.stdin and not self._outgoing[end]:
            self._hang_up(end)

    def _hang_up(self, end: int) -> None:
        del self._outgoing[end]
        os.close(end)

    def _read(self, end: int) -> None:
        if end == self._wires.status.fileno():
            self._read_report()
            return
        try:
            data = os.read(end, PIECE)
        except BlockingIOError:
            return
        if not data:
            self._open.discard(end)
            os.close(end)
        elif end in self._streams:
            self._streams[end] += data
            if self._flooded:
                self._stop("output", None, f"more than {self._limits.output} bytes")
        else:
            self._inbox.data += data
            if (self._inbox.announced or 0) > self._inbox.longest:
                self._stop("output", None, f"a frame of {self._inbox.announced} bytes")

    def _read_report(self) -> None:
        self._wires.status.settimeout(GRACE)
        with contextlib.suppress(OSError):
            self._report = jobs.receive(self._wires.status)
        if self._report is None:
            self._report = {"status": "infrastructure", "code": None, "detail": "the supervisor went without a word"}
        self._open.discard(self._wires.status.fileno())

    def _stop(self, status: Status, code: int | None, detail: str) -> None:
        """Kills the tree, unless it has ended by itself."""
        if self._report is None and self._cause is None:
            self._cause = (status, code, detail)
            self._kill()

    def _settle(self) -> Ended:
        """Reads what is left in the pipes, closes everything, and writes down how it ended."""
        if self._ended is not None:
            return self._ended
        until = time.monotonic() + GRACE
        for end in list(self._outgoing):
            self._hang_up(end)
        while self._open & set(self._streams) and not self._flooded and time.monotonic() < until:
            self._turn(until)
        for end in self._open - {self._wires.status.fileno()}:
            os.close(end)
        self._open.clear()
        self._wires.status.close()
        self._finish()
        if self._flooded:
            self._cause = self._cause or ("output", None, f"more than {self._limits.output} bytes")
        self._ended = self._written_down(time.monotonic() - self._started)
        return self._ended

    @property
    def _flooded(self) -> bool:
        return sum(map(len, self._streams.values())) > self._limits.output

    def _written_down(self, seconds: float) -> Ended:
        report = self._report or {}
        status, code, detail = self._cause or (report["status"], report["code"], report["detail"])
        stdout, stderr = (bytes(data[: self._limits.output]) for data in self._streams.values())
        stderr = stderr[: self._limits.output - len(stdout)]
        if status == "exited" and code == 1 and stderr.rstrip().rpartition(b"\n")[2].startswith(b"MemoryError"):
            status, code, detail = "memory", None, "MemoryError"
        return Ended(status, code, stdout, stderr, seconds, detail)
