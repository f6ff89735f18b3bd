"""Runs programs that nobody has read, behind walls that it can name.

`Sandbox.run` takes a whole program, `Sandbox.start` one that talks with us over a channel of byte frames. What a
program may use stands in `Limits`, how it ended in `Ended`. docs/sandbox.md says what the walls do not keep out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Self

from tracegen.records import UsageError
from tracegen.sandbox import once
from tracegen.sandbox.guest import Guest
from tracegen.sandbox.inside.job import Job
from tracegen.sandbox.limits import Ended, GuestEnded, Limits, Status

__all__ = ["Ended", "Guest", "GuestEnded", "Limits", "Sandbox", "Status"]

ATTEMPTS = 3
"""Starts of one program before a machine that fails is believed to be failing."""


class Sandbox:
    """Runs Python programs behind walls; a context manager. One object for each process and thread that uses it.

    `unsafe`: plain processes with limits, no walls. `packages`: folders that programs can import from.
    """

    def __init__(self, *, unsafe: bool = False, packages: Sequence[Path] = ()) -> None:
        if not unsafe:
            raise UsageError("there is no isolation yet; say unsafe: true to run programs without walls.")
        self.walls: Mapping[str, bool] = {}

    @property
    def secure(self) -> bool:
        """Whether every wall is up."""
        return bool(self.walls) and all(self.walls.values())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Ends what is left of it."""

    def run(self, source: str, *, stdin: bytes = b"", limits: Limits = Limits()) -> Ended:  # noqa: B008
        """Runs a whole program to its end; tried again where the machine failed, not the program."""
        for _ in range(ATTEMPTS):
            ended = self._launch(source, stdin, limits, channel=False).wait()
            if ended.status != "infrastructure":
                break
        return ended

    def start(self, source: str, *, limits: Limits = Limits()) -> Guest:  # noqa: B008
        """Starts a program that talks with us: it reads frames on descriptor 3 and writes them on 4."""
        return self._launch(source, b"", limits, channel=True)

    def _launch(self, source: str, stdin: bytes, limits: Limits, *, channel: bool) -> Guest:
        given = asdict(limits)
        job = Job(source, channel, **{name: given[name] for name in ("seconds", "memory", "processes", "disk")})
        return once.start(job, limits, stdin=stdin)
