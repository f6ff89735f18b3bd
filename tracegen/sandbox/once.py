"""Starts a program in an interpreter of its own; `command` is what stands before it, such as bubblewrap."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from tracegen.sandbox.guest import Guest
from tracegen.sandbox.inside import job as jobs
from tracegen.sandbox.limits import Limits
from tracegen.sandbox.wires import Wires

INSIDE = Path(__file__).parent / "inside"
# A fixed hash seed, because a program whose output hangs on the order of a set should not be right every other time.
ENVIRONMENT = {"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}


def interpreter(module: str, above: str, *arguments: str) -> list[str]:
    """The command that runs a module of `inside`, whose parent folder is seen at `above`."""
    boot = f"import sys; sys.path.append(sys.argv.pop(1)); from inside.{module} import main; main()"
    flags = ["-s", "-P", "-X", "utf8", "-c", boot]
    return [os.path.realpath(sys.executable), *flags, above, *arguments]


def start(job: jobs.Job, limits: Limits, *, stdin: bytes, command: Sequence[str] = (), above: str = "") -> Guest:
    """The program, started."""
    wires = Wires.laid(job.channel)
    call = [*command, *interpreter("once", above or str(INSIDE.parent), *map(str, wires.theirs))]
    process = subprocess.Popen(
        call,
        pass_fds=wires.theirs,
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    wires.hand_over()

    def finish() -> None:
        with suppress(subprocess.TimeoutExpired):
            process.wait(1.0)  # the supervisor leaves by itself once it has reported or sees us gone
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    # The supervisor takes the silence for an order: it kills what it has started, which may have left its group.
    guest = Guest(wires, limits, lambda: wires.status.shutdown(socket.SHUT_RDWR), finish, stdin=stdin)
    with suppress(OSError):
        jobs.send(wires.status, job)
    return guest
