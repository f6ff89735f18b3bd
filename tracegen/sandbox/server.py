"""Our side of the fork server: starts the waiting interpreter behind bubblewrap, and has it fork programs.

A server that does not answer, or whose programs cannot be started, is killed and started anew.
"""

import json
import os
import signal
import socket
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from tracegen.records import TracegenError
from tracegen.sandbox import bubblewrap
from tracegen.sandbox.guest import Guest
from tracegen.sandbox.inside import job as jobs
from tracegen.sandbox.limits import Limits
from tracegen.sandbox.wires import Wires

PATIENCE = 30.0
"""Seconds to wait for an answer of the server; starting it takes about 0.2, a fork 0.002, a busy machine longer."""
FIRST_ID = 0x70000000
"""Ids from here to 2**31 belong to nobody on a usual machine: 64 for each process number."""


class Failing(TracegenError):
    """The machine fails, not the program."""


class ForkServer:
    """One waiting interpreter, started at the first program; it ends with the thread that started it."""

    name = "fork server, namespaces of its own for every program"

    def __init__(self, bwrap: str, packages: Sequence[Path], modules: Mapping[str, str]) -> None:
        self._bwrap, self._packages, self._modules = bwrap, packages, modules
        self._control: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, source: str, limits: Limits, *, stdin: bytes, channel: bool, trusted: bool) -> Guest:
        """The program, forked; Failing if that was not possible, and the server is gone then."""
        try:
            return self._fork(source, limits, stdin, channel, trusted)
        except (OSError, EOFError) as error:
            self.close()
            raise Failing(f"the sandbox could not start a program: {error}") from error

    def close(self) -> None:
        """Ends the server and with it everything that it has started."""
        if self._control is not None:
            self._control.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._control = self._process = None

    def _fork(self, source: str, limits: Limits, stdin: bytes, channel: bool, trusted: bool) -> Guest:
        if self._control is None:
            self._control = self._launched()
        wires = Wires.laid(channel)
        try:
            socket.send_fds(self._control, [json.dumps({"trusted": trusted, **limits.inside}).encode()], wires.theirs)
            wires.hand_over()
            wires.status.settimeout(PATIENCE)
            jobs.send(wires.status, source)  # before we wait, so that the new process need not wait for us
            said, files, _, _ = socket.recv_fds(wires.status, 1, 1)
            if not said:
                raise EOFError("no answer")
        except (OSError, EOFError):
            wires.close()
            raise
        (first,) = files

        def kill() -> None:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(first, signal.SIGKILL)

        return Guest(wires, limits, kill, lambda: os.close(first), stdin=stdin)

    def _launched(self) -> socket.socket:
        root = os.geteuid() == 0
        paths = bubblewrap.readable(self._packages)
        config = {
            "first_id": FIRST_ID + os.getpid() % 2**22 * 64 if root else None,
            "readable": [*paths, "/proc", "/dev"],
            "packages": [str(package.resolve()) for package in self._packages],
            "modules": dict(self._modules),
        }
        command = [*bubblewrap.command(self._bwrap, paths), *bubblewrap.interpreter("zygote")]
        control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        control.settimeout(PATIENCE)
        with theirs, tempfile.TemporaryFile() as told, tempfile.TemporaryFile() as said:
            told.write(json.dumps(config).encode())
            told.seek(0)
            file = theirs.fileno()
            self._process = subprocess.Popen(
                [*command, str(file)],
                pass_fds=[file],
                env={},
                stdin=told,
                stdout=subprocess.DEVNULL,
                stderr=said,
                start_new_session=True,  # an interrupt at the terminal is ours to act on
            )
            theirs.close()
            if control.recv(1) != b"!":
                control.close()
                self._process.wait()
                said.seek(0)
                raise EOFError(said.read(2000).decode(errors="replace").strip().rpartition("\n")[2])
        return control
