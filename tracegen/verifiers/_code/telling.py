"""What is told of a failure: one line for a person, of whatever a program raised or returned."""

import reprlib
from typing import Any, Literal, NamedTuple

LONGEST = 200
"""Characters of each part."""


class Finding(NamedTuple):
    """What came of a program and its tests; the fields of a Verdict."""

    outcome: Literal["right", "wrong", "unverifiable", "error"]
    reason: str
    detail: str = ""


class _Repr(reprlib.Repr):
    """Short, and the same in every process: without addresses."""

    def repr_instance(self, value: Any, level: int) -> str:
        return f"<{type(value).__name__}>" if " at 0x" in repr(value) else super().repr_instance(value, level)


_REPR = _Repr()


def told(error: BaseException) -> str:
    """The error in one line."""
    try:
        return " ".join(f"{type(error).__name__}: {error}".removesuffix(": ").split())[:LONGEST]
    except ValueError:  # a number of more digits than Python prints
        return type(error).__name__


def raised(error: BaseException, line: int, where: str) -> Finding:
    """The program raised an error."""
    if isinstance(error, MemoryError):
        return Finding("error", "memory", where[:LONGEST])
    at = f" (line {line} of the program)" if line else ""
    return Finding("wrong", "exception", _joined(told(error) + at, where))


def failed(said: str, where: str, value: Any = ...) -> Finding:
    """An assertion does not hold; `value` is what the program answered last."""
    gave = "" if value is ... else f"the last call gave {_shown(value)}"
    return Finding("wrong", "failed", _joined(said, where, gave))


def broken(error: BaseException, where: str) -> Finding:
    """The tests fail by themselves."""
    return Finding("unverifiable", "bad_tests", _joined(told(error), where))


def _joined(*parts: str) -> str:
    return "; ".join(part[:LONGEST] for part in parts if part)


def _shown(value: Any) -> str:
    try:
        return _REPR.repr(value)
    except ValueError:  # a number of more digits than Python prints
        return f"a large {type(value).__name__}"
