"""An interpreter started for one program alone: behind bubblewrap where nothing can be forked, or as a plain process.

The plain process has limits and a clock and no walls: it sees and does whatever its user can.
"""

import json
import os
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from tracegen.sandbox import bubblewrap
from tracegen.sandbox.guest import Guest
from tracegen.sandbox.inside import job as jobs
from tracegen.sandbox.limits import Limits
from tracegen.sandbox.server import Failing
from tracegen.sandbox.wires import Wires

REST = 1.0
"""Seconds in which a supervisor leaves by itself, once it has reported or sees us gone."""


class Plain:
    """Plain processes."""

    name = "plain processes, without walls"

    def __init__(self, packages: Sequence[Path], modules: Mapping[str, str]) -> None:
        folders = [str(package.resolve()) for package in packages]
        self._config = {"walls": False, "packages": folders, "modules": dict(modules), "readable": []}

    def close(self) -> None:
        """Nothing stays between two programs."""

    def start(self, source: str, limits: Limits, *, stdin: bytes, channel: bool, trusted: bool) -> Guest:
        """The program, started."""
        wires = Wires.laid(channel)
        try:
            process = self._spawn(limits, wires)
        except OSError as error:
            wires.close()
            raise Failing(f"the sandbox could not start a program: {error}") from error
        wires.hand_over()
        guest = Guest(wires, limits, self._killer(process, wires), lambda: _finish(process), stdin=stdin)
        with suppress(OSError):  # it is gone, and the guest will say so
            jobs.send(wires.status, source)
        return guest

    def _spawn(self, limits: Limits, wires: Wires) -> "subprocess.Popen[bytes]":
        arguments = [json.dumps(limits.inside), *map(str, wires.theirs)]
        with tempfile.TemporaryFile() as told:
            told.write(json.dumps(self._config).encode())
            told.seek(0)
            return subprocess.Popen(
                [*self._before(limits), *bubblewrap.interpreter("once", *arguments)],
                pass_fds=wires.theirs,
                env=bubblewrap.ENVIRONMENT,
                stdin=told,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )

    def _before(self, limits: Limits) -> list[str]:
        return []

    def _killer(self, process: "subprocess.Popen[bytes]", wires: Wires) -> Callable[[], None]:
        # The supervisor takes our silence for an order, and reaches those that have left its group.
        return lambda: wires.status.shutdown(socket.SHUT_RDWR)


class Alone(Plain):
    """bubblewrap and a fresh interpreter for every program: the same walls, at some twenty times the price."""

    name = "bubblewrap and an interpreter for every program"

    def __init__(self, bwrap: str, packages: Sequence[Path], modules: Mapping[str, str]) -> None:
        super().__init__(packages, modules)
        self._bwrap, self._paths = bwrap, bubblewrap.readable(packages)
        self._config |= {"walls": True, "readable": [*self._paths, "/proc", "/dev"]}

    def _before(self, limits: Limits) -> list[str]:
        return bubblewrap.command(self._bwrap, self._paths, disk=limits.disk)

    def _killer(self, process: "subprocess.Popen[bytes]", wires: Wires) -> Callable[[], None]:
        return process.kill


def _finish(process: "subprocess.Popen[bytes]") -> None:
    with suppress(subprocess.TimeoutExpired):
        process.wait(REST)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
