"""The words of the wire that are no values: errors, handles, exception classes by name, and the types that cross."""

import builtins
import datetime
from collections import Counter, OrderedDict, defaultdict, deque
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

TYPES = (
    *(bool, int, float, complex, str, bytes, bytearray, list, tuple, set, frozenset, dict, range, object, type(None)),
    *(deque, Counter, OrderedDict, defaultdict, Decimal, Fraction),
    *(datetime.datetime, datetime.date, datetime.time, datetime.timedelta, datetime.timezone),
)
NAMED = {kind.__name__: kind for kind in TYPES}
_ENDS = (StopIteration, StopAsyncIteration, GeneratorExit, SystemExit, KeyboardInterrupt)
"""Exceptions that steer a loop or end a process: they cross by name, as a RuntimeError that steers nothing."""


class WireError(ValueError):
    """A value that cannot cross, or bytes that are no value."""


class Handle(NamedTuple):
    """An object that stays where it is: whose table it stands in, its number there, and what it is."""

    side: str
    """`mine` to the side that sends the frame, `yours` when an object goes home."""
    number: int
    kind: str
    name: str


@lru_cache(maxsize=1024)
def exception(names: tuple[str, ...]) -> type[Exception]:
    """The exception class of this method resolution order, by names: a builtin, or a plain class made for the name."""
    if not names:
        return Exception
    found = getattr(builtins, names[0], None)
    if isinstance(found, type) and issubclass(found, Exception) and not issubclass(found, _ENDS):
        return found
    if isinstance(found, type) and issubclass(found, BaseException):
        return type(names[0], (RuntimeError,), {})
    return type(names[0], (exception(names[1:]),), {})


def lineage(kind: type[BaseException]) -> tuple[str, ...]:
    """The names that `exception` takes for this class."""
    return tuple(base.__name__ for base in type.mro(kind) if issubclass(base, BaseException))
