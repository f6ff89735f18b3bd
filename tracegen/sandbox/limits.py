"""What a program may use, and how it ended: the words of the sandbox."""

from dataclasses import dataclass
from typing import Literal

from tracegen.records import TracegenError

Status = Literal["exited", "signal", "timeout", "memory", "output", "infrastructure"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What one program may use. Its whole process tree is meant, children, daemons and threads included."""

    seconds: float = 10.0
    """CPU seconds. They decide, not the clock, so that a busy machine does not turn a right program into a slow one."""
    wall: float = 30.0
    """Seconds by the parent's own clock, for what sleeps or was stopped; then everything is killed."""
    memory: int = 512
    """MiB. What the tree holds is summed and watched; each process has a cap on its address space as well."""
    processes: int = 64
    """Processes and threads together."""
    output: int = 2**20
    """Bytes of stdout and stderr together, and of one frame of a guest; more ends the program."""
    disk: int = 64
    """MiB in /tmp, and again in /dev/shm."""

    @property
    def inside(self) -> dict[str, float]:
        """Those that are kept on the far side of the walls, JSON-able."""
        return {name: getattr(self, name) for name in ("seconds", "memory", "processes", "disk")}


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended."""

    status: Status
    """`exited` and `signal` are the program's own doing; `timeout`, `memory` and `output` are limits that it broke;
    `infrastructure` says that the machine failed, not the program."""
    code: int | None
    """The exit code, or the signal's number."""
    stdout: bytes
    stderr: bytes
    seconds: float
    """By the clock."""
    detail: str = ""


class GuestEnded(TracegenError):
    """A guest is over: it ended by itself, was killed, or broke a limit."""

    def __init__(self, ended: Ended) -> None:
        super().__init__(f"the program ended ({ended.status}, {ended.code}) {ended.detail}".strip())
        self.ended = ended
