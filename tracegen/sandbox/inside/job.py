"""What crosses the walls: the limits of a job; its source, and the report on its end, as frames of JSON."""

import json
import socket
import struct
from dataclasses import dataclass
from typing import Any

LENGTH = struct.Struct(">I")


@dataclass(frozen=True, slots=True)
class Job:
    """What a program may use: those fields of `Limits` that are kept inside."""

    seconds: float
    memory: int
    processes: int
    disk: int


def send(sock: socket.socket, value: Any) -> None:
    """One value, as JSON behind its length."""
    payload = json.dumps(value).encode()
    sock.sendall(LENGTH.pack(len(payload)) + payload)


def receive(sock: socket.socket) -> Any:
    """The next value; None at the end of the stream."""
    header = _exactly(sock, LENGTH.size)
    payload = None if header is None else _exactly(sock, LENGTH.unpack(header)[0])
    return None if payload is None else json.loads(payload)


def _exactly(sock: socket.socket, size: int) -> bytes | None:
    found = bytearray()
    while len(found) < size:
        if not (piece := sock.recv(min(size - len(found), 2**16))):
            return None
        found += piece
    return bytes(found)
