"""The program's objects as the tests see them: proxies by number, which ask the program, and plain values.

What a program's own object may do: it has attributes, methods, items and a length of its own. It is compared by class
and attributes, never by its own `__eq__`; an operator is its own only between two objects of the program; `in` looks at
its items; and unless the tests made it from a class (a name in CapWords), it does not answer `startswith` and its like,
which would hand it the expectation and believe its word.
"""

import sys
import types
from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from tracegen.verifiers._code.kinds import Handle, WireError
from tracegen.verifiers._code.peer import Peer, Unreadable, advance

FILE = "<tests>"

_PREDICATES = frozenset({"startswith", "endswith", "issubset", "issuperset", "isdisjoint"})
_KEPT_FROM_US = frozenset({"__name__", "__doc__", "__dict__"})
_OPERATORS = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "lt", "le", "gt", "ge")
_objects: list[Any] = []
"""Functions and iterators that the tests handed to the program."""


class Record:
    """What happened so far."""

    calls = 0
    last: Any = ...
    asserts: tuple[tuple[int, int], ...] = ()
    """First and last line of every assertion of the tests."""


record = Record()


class Remote:
    """An object of the program's, by its number."""

    __slots__ = ("_kind", "_makes", "_name", "_number", "_trusted")

    def __init__(self, handle: Handle) -> None:
        values = {"_number": handle.number, "_kind": handle.kind, "_name": handle.name}
        for name, value in {**values, "_makes": False, "_trusted": False}.items():
            object.__setattr__(self, name, value)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        record.calls += 1
        match peer.ask("call", self._number, list(args), kwargs):
            case (value, None):
                pass
            case (value, (list() as after, dict() as named)):
                # An assertion reads its arguments as they were, lest a program empty what it is measured by.
                if value is None or not _asserting():
                    _settle(list(args), after)
                    _settle(kwargs, named)
            case _:
                raise Unreadable("a call's answer of no known form")
        record.last = value
        if isinstance(value, Remote):
            object.__setattr__(value, "_trusted", self._makes)
        return value

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name not in _KEPT_FROM_US:
            raise AttributeError(name)
        if name in _PREDICATES and not self._trusted:
            raise AttributeError(f"{self!r} is no value with a {name} to believe")
        return peer.ask("get", self._number, name)

    def __setattr__(self, name: str, value: Any) -> None:
        peer.ask("set", self._number, name, value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Remote):
            return False
        if self._number == other._number:
            return True
        same = self._kind == other._kind == "object" and self._name == other._name
        return same and bool(peer.ask("state", self._number) == peer.ask("state", other._number))

    def __hash__(self) -> int:
        return hash((self._kind, self._name))

    def __iter__(self) -> Iterator[Any]:
        items = self._operate("iter")
        return peer.items(items._number) if isinstance(items, Remote) else iter(items)

    def __next__(self) -> Any:
        items, _ = peer.ask("next", self._number, 1)
        if not items:
            raise StopIteration
        return items[0]

    def __contains__(self, value: Any) -> bool:
        return any(value is item or value == item for item in self)

    def __instancecheck__(self, value: object) -> bool:
        return isinstance(value, Remote) and bool(self._operate_on("isinstance", value, self))

    def __len__(self) -> int:
        return self._operate("len")  # type: ignore[no-any-return]

    def __bool__(self) -> bool:
        return self._kind != "object" or self._operate("truth") is True

    def __str__(self) -> str:
        return self._operate("str")  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        return f"<{self._name} of the program>"

    def __getitem__(self, key: Any) -> Any:
        return self._operate("getitem", key)

    def __setitem__(self, key: Any, value: Any) -> None:
        self._operate("setitem", key, value)

    def __delitem__(self, key: Any) -> None:
        self._operate("delitem", key)

    def __enter__(self) -> Any:
        return self._operate("enter")

    def __exit__(self, *_: object) -> Any:
        return self._operate("exit")

    def _operate(self, name: str, *others: Any) -> Any:
        return self._operate_on(name, self, *others)

    @staticmethod
    def _operate_on(name: str, *values: Any) -> Any:
        record.calls += 1
        return peer.ask("op", name, *values)


def _operator(name: str) -> Callable[[Remote, Any], Any]:
    def operate(left: Remote, right: Any) -> Any:
        return left._operate(name, right) if isinstance(right, Remote) else NotImplemented

    return operate


for _name in _OPERATORS:
    setattr(Remote, f"__{_name}__", _operator(_name))


def serve(verb: str, *details: Any) -> Any:
    """All that a program may ask of us: to use a function or an iterator that the tests handed to it."""
    match (verb, *details):
        case ("call", int() as number, list() as args, dict() as kwargs):
            return _objects[number](*args, **kwargs)
        case ("next", int() as number, int() as count):
            return advance(_objects, number, count)
    raise Unreadable(f"no request {verb!r}")


def export(value: Any) -> Handle:
    if isinstance(value, Remote):
        return Handle("yours", value._number, value._kind, value._name)
    kind = "iterator" if isinstance(value, Iterator) else "callable"
    if not isinstance(value, Iterator | Callable) or isinstance(value, type):  # type: ignore[arg-type]
        raise WireError(f"the tests hand over a {type(value).__name__}, which cannot cross")
    _objects.append(value)
    return Handle("mine", len(_objects) - 1, kind, getattr(value, "__name__", "function"))


def revive(handle: Handle) -> Any:
    if handle.side == "yours":
        return _objects[handle.number]
    if handle.kind == "iterator":
        return peer.items(handle.number)
    return Remote(handle)


def _asserting() -> bool:
    """Whether the innermost line of the tests that runs now belongs to an assertion."""
    frame: types.FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename != FILE:
        frame = frame.f_back
    return frame is not None and any(first <= frame.f_lineno <= last for first, last in record.asserts)


def _settle(old: Any, new: Any) -> Any:
    """Makes `old` what the program left of it, and keeps every container the same object where it can."""
    if type(old) is not type(new) or old is new:
        return new
    match old:
        case list() | deque():
            items = [*map(_settle, old, new), *islice(new, len(old), None)]
            old.clear()
            old.extend(items)
        case dict():
            pairs = {key: _settle(old[key], value) if key in old else value for key, value in new.items()}
            old.clear()
            old.update(pairs)
        case set():
            old.clear()
            old.update(new)
        case bytearray():
            old[:] = new
        case tuple() if len(old) == len(new):
            return tuple(map(_settle, old, new))
        case Remote() if old._number == new._number:
            pass
        case _:
            return new
    return old


peer = Peer(serve, export, revive, file=FILE, prefix=b"P")
