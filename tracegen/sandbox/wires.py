"""The pipes between us and a program, and the frames that cross its channel: four bytes of length, then data."""

import os
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

LENGTH = struct.Struct(">I")


@dataclass(slots=True)
class Wires:
    """The pipes to a program that is about to start: our ends, and those that it gets."""

    status: socket.socket
    stdin: int
    stdout: int
    stderr: int
    writer: int | None
    reader: int | None
    theirs: Sequence[int]
    """Status, stdin, stdout, stderr and, where there is a channel, the ends to read and to write it by."""

    @classmethod
    def laid(cls, channel: bool) -> Self:
        """Fresh ones."""
        ours, theirs = socket.socketpair()
        (stdin_r, stdin), (stdout, stdout_w), (stderr, stderr_w) = os.pipe(), os.pipe(), os.pipe()
        (down_r, writer), (reader, up_w) = (os.pipe(), os.pipe()) if channel else ((None, None), (None, None))
        for end in (stdin_r, stdout_w, stderr_w):
            os.fchmod(end, 0o666)  # so that a program of another uid can open /dev/stdin by its name
        ends = [theirs.detach(), stdin_r, stdout_w, stderr_w]
        return cls(ours, stdin, stdout, stderr, writer, reader, [*ends, *(e for e in (down_r, up_w) if e is not None)])

    def hand_over(self) -> None:
        """Closes the program's ends on our side."""
        for end in self.theirs:
            os.close(end)
        self.theirs = ()

    def close(self) -> None:
        """Closes every end that is still ours, where no program came to hold the others."""
        self.hand_over()
        self.status.close()
        for end in (self.stdin, self.stdout, self.stderr, self.writer, self.reader):
            if end is not None:
                os.close(end)


@dataclass(slots=True)
class Inbox:
    """What came out of the channel, cut into frames."""

    data: bytearray = field(default_factory=bytearray)
    longest: int = 2**20

    @property
    def announced(self) -> int | None:
        """The length of the next frame, once its header is there."""
        return LENGTH.unpack_from(self.data)[0] if len(self.data) >= LENGTH.size else None

    def take(self) -> bytes | None:
        """The next frame if it is complete."""
        size = self.announced
        if size is None or len(self.data) < LENGTH.size + size:
            return None
        frame = bytes(self.data[LENGTH.size : LENGTH.size + size])
        del self.data[: LENGTH.size + size]
        return frame

    @property
    def full(self) -> bool:
        """Whether there is no need to read on before a frame is taken."""
        size = self.announced
        return size is not None and len(self.data) >= LENGTH.size + size
