"""One end of a conversation between a program and its tests: requests go out, answers come back, in strict turns.

Shape: `Peer(serve, export, revive)`; `ask(verb, ...)` sends a request and returns what it comes to, `answer` serves
one. While a side waits for its answer it serves the other's requests, so that a function that the tests hand to the
program can be called from inside a call. A frame is a request `(verb, ...)`, or `("value", value)`, or
`("raised", error, line)`.
The channel is file descriptor 3 (read) and 4 (write): a length of four bytes, then the frame.
"""

import os
from collections.abc import Callable, Iterator
from typing import Any

from tracegen.verifiers._code.kinds import WireError
from tracegen.verifiers._code.wire import Export, Revive, decode, encode

CHUNK = 1_024
"""Items of an iterator that are fetched at once, at most; the first fetch is of one, each next of twice as many."""

_READ, _WRITE = 3, 4
_unread = bytearray()


class Unreadable(Exception):
    """The other side sent what is no answer."""


def read_frame() -> bytes:
    """The next frame; without one to come, this process is over."""
    size = int.from_bytes(_taken(4), "big")
    return _taken(size)


def write_frame(frame: bytes) -> None:
    rest = memoryview(len(frame).to_bytes(4, "big") + frame)
    while rest:
        rest = rest[os.write(_WRITE, rest) :]


def place(error: BaseException, file: str) -> int:
    """The line of `file` at which the error arose, or 0."""
    line, step = 0, error.__traceback__
    while step is not None:
        if step.tb_frame.f_code.co_filename == file:
            line = step.tb_lineno
        step = step.tb_next
    return line


def advance(objects: list[Any], number: int, count: int) -> tuple[list[Any], bool]:
    """The next items of an iterator, and whether more may follow. An error waits until the items before it are out."""
    items: list[Any] = []
    try:
        for item in objects[number]:
            items.append(item)
            if len(items) == count:
                return items, True
    except Exception as error:
        if not items:
            raise
        objects[number] = _raising(error)
        return items, True
    return items, False


def _raising(error: Exception) -> Iterator[Any]:
    raise error
    yield


class Peer:
    """`serve(verb, ...)` answers the other side's requests; `prefix` stands before every frame, `file` is theirs."""

    def __init__(
        self, serve: Callable[..., Any], export: Export, revive: Revive, *, file: str, prefix: bytes = b""
    ) -> None:
        self._serve, self._export, self._revive, self._file, self._prefix = serve, export, revive, file, prefix

    def ask(self, *request: Any) -> Any:
        """What the other side answers; raises what it raised, marked with the line it happened at as `far_line`."""
        write_frame(self._prefix + encode(request, self._export))
        while True:
            match self.read(read_frame()):
                case ("value", value):
                    return value
                case ("raised", Exception() as error, int() as line):
                    error.far_line = line  # type: ignore[attr-defined]
                    raise error
                case ("call" | "load" | "next" | "get" | "set" | "op" | "state", *_) as request:
                    self.answer(request)
                case _:
                    raise Unreadable("an answer of no known form")

    def items(self, number: int) -> Iterator[Any]:
        """What an iterator of the other side yields, fetched as it is wanted."""
        size, more = 1, True
        while more:
            match self.ask("next", number, size):
                case (list() as items, bool() as more):
                    yield from items
                case _:
                    raise Unreadable("no items")
            size = min(2 * size, CHUNK)

    def answer(self, request: tuple[Any, ...]) -> None:
        """Serves one request of the other side; whatever goes wrong is its answer."""
        try:
            frame = encode(("value", self._serve(*request)), self._export)
        except BaseException as error:  # noqa: BLE001 - code that is not ours runs here, and may raise anything
            frame = self._failure(error)
        write_frame(self._prefix + frame)

    def listen(self) -> None:
        """Serves for as long as the other side asks."""
        while True:
            self.answer(self.read(read_frame()))

    def _failure(self, error: BaseException) -> bytes:
        line = place(error, self._file)
        error.__traceback__ = None
        try:
            return encode(("raised", error, line), self._export)
        except BaseException:  # noqa: BLE001 - as above: an exception may lie about its own arguments
            return encode(("raised", RuntimeError(f"an exception that cannot be told ({type(error).__name__})"), line))

    def read(self, frame: bytes) -> Any:
        """What a frame of the other side says."""
        try:
            return decode(frame, self._revive)
        except WireError as error:
            raise Unreadable(str(error)) from None


def _taken(size: int) -> bytes:
    """The next bytes of the channel, which is read in pieces as large as they come."""
    while len(_unread) < size:
        piece = os.read(_READ, max(2**16, size - len(_unread)))
        if not piece:
            os._exit(0)
        _unread.extend(piece)
    found = bytes(_unread[:size])
    del _unread[:size]
    return found
