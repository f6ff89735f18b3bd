"""Runs programs that nobody has read, behind walls that it can name.

`Sandbox.run` takes a whole program, `Sandbox.start` one that talks with us over a channel of byte frames. What a
program may use stands in `Limits`, how it ended in `Ended`. docs/sandbox.md says what the walls do not keep out.
"""

import platform
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Self

from tracegen.records import TracegenError, UsageError
from tracegen.sandbox import bubblewrap, walls
from tracegen.sandbox.guest import Guest
from tracegen.sandbox.inside import seccomp
from tracegen.sandbox.limits import Ended, GuestEnded, Limits, Status
from tracegen.sandbox.once import Alone, Plain
from tracegen.sandbox.server import Failing, ForkServer

__all__ = ["Ended", "Guest", "GuestEnded", "Limits", "Sandbox", "Status"]

ATTEMPTS = 3
"""Starts of one program before a machine that fails is believed to be failing."""
UNSAFE = "without walls, programs run only where `unsafe: true` says so"


class Sandbox:
    """Runs Python programs behind walls; a context manager. One object for each process and thread that uses it.

    `unsafe`: plain processes with limits and no walls. `packages`: folders that programs can import from.
    `modules`: sources of ours by name, which are there to import, and run once where programs are forked.
    UsageError where there is no isolation, with what is missing and how to get it.
    """

    walls: Mapping[str, bool]
    """The walls by name, and whether a program of ours ran into them."""

    def __init__(
        self, *, unsafe: bool = False, packages: Sequence[Path] = (), modules: Mapping[str, str] | None = None
    ) -> None:
        self._way: Plain | Alone | ForkServer = Plain(packages, modules or {})
        self.walls = MappingProxyType({})
        if not unsafe:
            self._build(packages, modules or {})

    @property
    def way(self) -> str:
        """How programs are started, in words."""
        return self._way.name

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
        self._way.close()

    def run(self, source: str, *, stdin: bytes = b"", limits: Limits = Limits()) -> Ended:  # noqa: B008
        """Runs a whole program to its end; tried again where the machine failed, not the program."""
        for _ in range(ATTEMPTS):
            try:
                ended = self._launch(source, stdin, limits, channel=False).wait()
            except Failing as error:
                ended = Ended("infrastructure", None, b"", b"", 0.0, str(error))
            if ended.status != "infrastructure":
                break
        return ended

    def start(self, source: str, *, limits: Limits = Limits(), trusted: bool = False) -> Guest:  # noqa: B008
        """Starts a program that talks with us: it reads frames on descriptor 3 and writes them on 4.

        `trusted`: a program that is believed, such as the tests of a problem; it stays behind the outer walls, but gets
        no namespaces of its own and no folder to write to, and starts at a third of the price.
        GuestEnded (infrastructure) if the machine cannot start one.
        """
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._launch(source, b"", limits, channel=True, trusted=trusted)
            except Failing as error:
                if attempt == ATTEMPTS:
                    raise GuestEnded(Ended("infrastructure", None, b"", b"", 0.0, str(error))) from error
        raise AssertionError("every attempt returns or raises")

    def _launch(self, source: str, stdin: bytes, limits: Limits, *, channel: bool, trusted: bool = False) -> Guest:
        return self._way.start(source, limits, stdin=stdin, channel=channel, trusted=trusted)

    def _build(self, packages: Sequence[Path], modules: Mapping[str, str]) -> None:
        """Takes the first way that stands up to a look: forked programs, else an interpreter for each."""
        if not sys.platform.startswith("linux"):
            raise UsageError(f"the sandbox needs Linux, and this is {sys.platform}; {UNSAFE}.")
        if platform.machine() not in seccomp.ARCHITECTURES:
            known = " and ".join(seccomp.ARCHITECTURES)
            raise UsageError(f"the sandbox knows the system calls of {known}, not of {platform.machine()}; {UNSAFE}.")
        if (bwrap := bubblewrap.found()) is None:
            raise UsageError(
                "the sandbox needs bubblewrap, which is not installed; get it with `pip install 'tracegen[code]'` or "
                f"from the system (Debian: apt install bubblewrap); {UNSAFE}."
            )
        for folder in (*packages, Path(sys.base_prefix)):
            if any(folder.resolve().is_relative_to(place) for place in ("/tmp", "/dev", "/proc")):
                raise UsageError(
                    f"programs cannot import from {folder}, where they have folders of their own; put it elsewhere."
                )
        said = []
        for way in (ForkServer(bwrap, packages, modules), Alone(bwrap, packages, modules)):
            self._way = way
            try:
                self.walls = MappingProxyType(walls.look(lambda source, limits: self.run(source, limits=limits)))
                return
            except TracegenError as error:
                said.append(f"{way.name}: {error}")
                way.close()
        raise UsageError(f"bubblewrap cannot isolate programs on this machine ({'; '.join(said)}); {UNSAFE}.")
