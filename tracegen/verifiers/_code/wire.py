"""Values as bytes: what crosses between a program and its tests, and nothing that could run.

Shape: `encode(value, export) -> bytes`, `decode(frame, revive) -> value`. One byte says the kind; texts, numbers and
containers follow with their length. What is of a kind listed here crosses by value; an instance of a subclass crosses
as its base, read through the base's own methods. Everything else is offered to `export`, which answers with a number to
call it by. Decoding only ever builds builtins and standard types; whatever does not fit raises WireError.

Limits: `DEPTH` containers inside each other (a cyclic list ends there); the length of a frame is the sandbox's matter.
Aliases are not kept: a list that stands in two places arrives as two lists.
"""

import datetime
import struct
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

from tracegen.verifiers._code.kinds import NAMED, TYPES, Handle, WireError, exception, lineage

DEPTH = 100
"""Containers inside containers that cross; a reader's own recursion limit is 1000 frames."""

MODEST = 1024
"""Items of a set or dict that a cautious reader takes, and a quarter of the bytes of a number."""

Export = Callable[[Any], Handle]
Revive = Callable[[Handle], Any]

_LENGTH, _LONG, _FLOAT, _COMPLEX = (struct.Struct(code) for code in (">I", ">q", ">d", ">dd"))
_SINGLES: dict[bytes, Any] = {b"N": None, b"T": True, b"F": False, b".": ..., b"!": NotImplemented}


def encode(value: Any, export: Export | None = None) -> bytes:
    """The bytes of a value; WireError for one that is nested too deep or that nobody exports."""
    out: list[bytes] = []
    _write(value, out.append, export or _refuse, 0)
    return b"".join(out)


class Costly(WireError):
    """A value that may cost much more time than it has bytes."""


def decode(frame: bytes, revive: Revive | None = None, *, cautious: bool = False) -> Any:
    """The value of a frame; WireError for anything that `encode` would not have written. `cautious`: Costly for long
    numbers (a Fraction of two is reduced), large sets and dicts (their hashes may collide) and ranges."""
    reader = _Reader(frame, revive or _refuse, cautious)
    try:
        value = reader.read(0)
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError, struct.error) as error:
        raise WireError(f"no value: {type(error).__name__}: {error}"[:200]) from None
    if reader.at != len(frame):
        raise WireError("bytes after the value")
    return value


def _refuse(value: Any) -> Any:
    raise WireError(f"{type(value).__name__} cannot cross")


def _write(value: Any, put: Callable[[bytes], None], export: Export, depth: int) -> None:
    if depth > DEPTH:
        raise WireError(f"nested deeper than {DEPTH}")
    kind = type(value)
    writer = _WRITERS.get(kind)
    if writer is None:
        writer = next((_WRITERS[base] for base in type.mro(kind)[1:-1] if base in _WRITERS), _write_other)
    writer(value, put, export, depth + 1)


def _write_other(value: Any, put: Any, export: Export, depth: int) -> None:
    if any(value is kind for kind in TYPES):
        put(b"n")
        _write(value.__name__, put, export, depth)
    elif isinstance(value, type) and issubclass(value, BaseException):
        put(b"X")
        _write(lineage(value), put, export, depth)
    elif type(value).__module__ == "numpy":
        _write(value.tolist(), put, export, depth)
    else:
        put(b"h")
        _write(tuple(export(value)), put, export, depth)


def _write_single(value: Any, put: Any, export: Export, depth: int) -> None:
    put(next(tag for tag, single in _SINGLES.items() if single is value))


def _write_int(value: int, put: Any, export: Export, depth: int) -> None:
    value = int.__add__(value, 0)
    if -(2**63) <= value < 2**63:
        put(b"i" + _LONG.pack(value))
    else:
        _write_raw(b"I", value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True), put)


def _write_raw(tag: bytes, raw: bytes, put: Any) -> None:
    put(tag + _LENGTH.pack(len(raw)))
    put(raw)


def _write_items(tag: bytes, of: Callable[[Any], Any]) -> Any:
    def write(value: Any, put: Any, export: Export, depth: int) -> None:
        items = list(of(value))
        put(tag + _LENGTH.pack(len(items)))
        for item in items:
            _write(item, put, export, depth)

    return write


def _write_parts(tag: bytes, of: Callable[[Any], tuple[Any, ...]]) -> Any:
    def write(value: Any, put: Any, export: Export, depth: int) -> None:
        put(tag)
        _write(of(value), put, export, depth)

    return write


def _exception_parts(value: BaseException) -> tuple[Any, ...]:
    arguments = [
        argument if isinstance(argument, str | int | float | bytes | None) else _shown(argument)
        for argument in value.args
    ]
    return lineage(type(value)), tuple(arguments)


def _shown(value: Any) -> str:
    try:
        return str(value)[:200]
    except Exception:  # noqa: BLE001 - a program's own __str__ may raise what it likes
        return type(value).__name__


_WRITERS: Mapping[type, Any] = {
    **{type(single): _write_single for single in _SINGLES.values()},
    int: _write_int,
    float: lambda v, put, *_: put(b"f" + _FLOAT.pack(v)),
    complex: lambda v, put, *_: put(b"c" + _COMPLEX.pack(complex.real.__get__(v), complex.imag.__get__(v))),
    str: lambda v, put, *_: _write_raw(b"s", str.encode(v, "utf-8", "surrogatepass"), put),
    bytes: lambda v, put, *_: _write_raw(b"b", bytes.__getitem__(v, slice(None)), put),
    bytearray: lambda v, put, *_: _write_raw(b"y", bytes(memoryview(v)), put),
    memoryview: lambda v, put, *_: _write_raw(b"b", v.tobytes(), put),
    list: _write_items(b"[", list.__iter__),
    tuple: _write_items(b"(", tuple.__iter__),
    set: _write_items(b"<", set.__iter__),
    frozenset: _write_items(b">", frozenset.__iter__),
    dict: _write_items(b"{", dict.items),
    Counter: _write_items(b"C", dict.items),
    defaultdict: _write_items(b"D", dict.items),
    OrderedDict: _write_items(b"O", OrderedDict.items),
    type({}.keys()): _write_items(b"k", iter),
    type({}.values()): _write_items(b"v", iter),
    type({}.items()): _write_items(b"u", iter),
    deque: _write_parts(b"q", lambda v: (deque.maxlen.__get__(v), list(deque.__iter__(v)))),  # type: ignore[attr-defined]
    slice: _write_parts(b"l", lambda v: (v.start, v.stop, v.step)),
    range: _write_parts(b"r", lambda v: (v.start, v.stop, v.step)),
    Decimal: _write_parts(b"d", lambda v: (Decimal.__str__(v),)),
    Fraction: _write_parts(b"/", lambda v: (v._numerator, v._denominator)),
    datetime.datetime: _write_parts(
        b"a", lambda v: (v.year, v.month, v.day, v.hour, v.minute, v.second, v.microsecond, _zone(v), v.fold)
    ),
    datetime.date: _write_parts(b"e", lambda v: (v.year, v.month, v.day)),
    datetime.time: _write_parts(b"g", lambda v: (v.hour, v.minute, v.second, v.microsecond, _zone(v), v.fold)),
    datetime.timedelta: _write_parts(b"j", lambda v: (v.days, v.seconds, v.microseconds)),
    datetime.timezone: _write_parts(b"z", lambda v: (v.utcoffset(None),)),
    BaseException: _write_parts(b"x", _exception_parts),
}


def _zone(value: Any) -> datetime.timezone | None:
    """Any time zone as the offset that it has at this value."""
    offset = value.utcoffset()
    return None if offset is None else datetime.timezone(offset)


class _Reader:
    def __init__(self, frame: bytes, revive: Revive, cautious: bool) -> None:
        self.frame, self.at, self.revive, self.cautious = frame, 0, revive, cautious

    def take(self, size: int) -> bytes:
        start, self.at = self.at, self.at + size
        if self.at > len(self.frame):
            raise WireError("cut off")
        return self.frame[start : self.at]

    def length(self) -> int:
        (length,) = _LENGTH.unpack(self.take(4))
        if length > len(self.frame) - self.at:
            raise WireError("cut off")
        return int(length)

    def read(self, depth: int) -> Any:
        if depth > DEPTH + 3:
            raise WireError(f"nested deeper than {DEPTH}")
        tag = self.take(1)
        if (
            self.cautious
            and tag in _COSTLY
            and (tag == b"r" or self.length() > (4 * MODEST if tag == b"I" else MODEST))
        ):
            raise Costly("a value that may cost much time")
        if self.cautious and tag in _COSTLY:
            self.at -= _LENGTH.size
        if tag in _SINGLES:
            return _SINGLES[tag]
        if tag in _SCALARS:
            return _SCALARS[tag](self)
        if tag in _CONTAINERS:
            return _CONTAINERS[tag]([self.read(depth + 1) for _ in range(self.length())])
        if tag in _PARTS:
            return _PARTS[tag](*self.read(depth + 1))
        if tag == b"h":
            return self.revive(_handle(*self.read(depth + 1)))
        if tag == b"n":
            return NAMED[self.read(depth + 1)]
        if tag == b"X":
            return exception(_names(self.read(depth + 1)))
        raise WireError(f"no kind {tag!r}")


def _handle(side: str, number: int, kind: str, name: str) -> Handle:
    if [type(part) for part in (side, number, kind, name)] != [str, int, str, str]:
        raise WireError("no handle")
    return Handle(side, number, kind, name)


def _names(names: Any) -> tuple[str, ...]:
    if type(names) is not tuple or not all(type(name) is str and name.isidentifier() for name in names):
        raise WireError("no class")
    return names[:DEPTH]


def _raised(names: Any, arguments: Any) -> Exception:
    kind = exception(_names(names))
    try:
        return kind(*arguments)
    except (LookupError, TypeError, ValueError):  # such as UnicodeDecodeError, which wants five arguments of its own
        return type(kind.__name__, (Exception,), {})(*arguments)


def _only(kind: type, build: Callable[..., Any]) -> Callable[..., Any]:
    """`build`, for parts of this kind alone: Fraction("1e999999999") would take a text for an afternoon."""

    def checked(*parts: Any) -> Any:
        if any(type(part) is not kind for part in parts):
            raise WireError(f"no {kind.__name__}")
        return build(*parts)

    return checked


_SCALARS: Mapping[bytes, Callable[[_Reader], Any]] = {
    b"i": lambda reader: _LONG.unpack(reader.take(8))[0],
    b"I": lambda reader: int.from_bytes(reader.take(reader.length()), "big", signed=True),
    b"f": lambda reader: _FLOAT.unpack(reader.take(8))[0],
    b"c": lambda reader: complex(*_COMPLEX.unpack(reader.take(16))),
    b"s": lambda reader: reader.take(reader.length()).decode("utf-8", "surrogatepass"),
    b"b": lambda reader: reader.take(reader.length()),
    b"y": lambda reader: bytearray(reader.take(reader.length())),
}
_CONTAINERS: Mapping[bytes, Callable[[list[Any]], Any]] = {
    b"[": lambda items: items,
    b"(": tuple,
    b"<": set,
    b">": frozenset,
    b"{": dict,
    b"C": lambda items: Counter(dict(items)),
    b"D": lambda items: defaultdict(None, items),
    b"O": OrderedDict,
    b"k": lambda items: dict.fromkeys(items).keys(),
    b"v": lambda items: dict(enumerate(items)).values(),
    b"u": lambda items: dict(items).items(),
}
_COSTLY = frozenset({b"I", b"<", b">", b"{", b"C", b"D", b"O", b"k", b"u", b"r"})
_PARTS: Mapping[bytes, Callable[..., Any]] = {
    b"q": lambda maxlen, items: _only(list, lambda items: deque(items, maxlen))(items),
    b"r": _only(int, range),
    b"d": _only(str, Decimal),
    b"/": _only(int, Fraction),
    b"a": lambda *parts: datetime.datetime(*parts[:8], fold=parts[8]),
    b"e": _only(int, datetime.date),
    b"g": lambda *parts: datetime.time(*parts[:5], fold=parts[5]),
    b"j": _only(int, datetime.timedelta),
    b"z": datetime.timezone,
    b"l": slice,
    b"x": _raised,
}
