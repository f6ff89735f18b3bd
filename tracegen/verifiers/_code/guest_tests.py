"""The guest that runs the tests: the program's names are proxies here (`remote`), and its answers plain values.

It never sees the program's code, so nothing that the program defines, patches or exits can reach an assertion. It alone
reports, after the last assertion, and only if the program was called at all.
"""

import importlib
import marshal
import reprlib
import sys
from typing import Any

from tracegen.verifiers._code.kinds import WireError
from tracegen.verifiers._code.peer import Unreadable, place, read_frame, told, write_frame
from tracegen.verifiers._code.remote import FILE, Remote, peer, record
from tracegen.verifiers._code.wire import decode, encode


def main() -> None:
    suite = decode(read_frame())
    record.asserts = suite["asserts"]
    write_frame(b"R" + encode(_verdict(suite, read_frame())))


def _verdict(suite: dict[str, Any], loaded: bytes) -> tuple[str, str, str]:
    """Outcome, reason and detail."""
    lines = suite["source"].splitlines()
    try:
        space = _space(suite, loaded)
        if missing := [name for name in suite["names"] if name not in space]:
            return "wrong", "no_entry_point", f"the program has no {missing[0]!r}"
        candidate = space.get(suite["entry_point"])
        space.setdefault("candidate", candidate)
        exec(marshal.loads(suite["code"]), space)
        if suite["check"]:
            space["check"](candidate)
    except BaseException as error:  # noqa: BLE001 - an assertion may fail in any way
        line = place(error, FILE)
        where = lines[line - 1].strip()[:200] if 0 < line <= len(lines) else ""
        return _failed(error, where)
    if not record.calls:
        return "unverifiable", "no_tests", "the tests never call the program"
    return "right", "passed", ""


def _space(suite: dict[str, Any], loaded: bytes) -> dict[str, Any]:
    """The names that the tests find: of the program's, those that they need and no others."""
    match peer.read(loaded):
        case ("value", dict() as theirs):
            pass
        case _:
            raise Unreadable("no names")
    space: dict[str, Any] = {"__name__": "tests"}
    for module in suite["stars"]:
        space.update(vars(importlib.import_module(module)))
    for name in suite["names"]:
        value = theirs.get(name)
        if isinstance(value, Remote) and value._kind == "module" and _standard(value._name):
            value = importlib.import_module(value._name)
        elif isinstance(value, Remote) and name[:1].isupper():
            object.__setattr__(value, "_makes", True)
        if name in theirs and name not in space:
            space[name] = value
    return {**space, **{name: importlib.import_module(name) for name in suite["modules"]}, "__name__": "tests"}


def _failed(error: BaseException, where: str) -> tuple[str, str, str]:
    said = told(error)
    if isinstance(error, MemoryError):
        return "error", "memory", where
    if (line := getattr(error, "far_line", None)) is not None:
        return "wrong", "exception", _detail(said + (f" (line {line} of the program)" if line else ""), where)
    if isinstance(error, Unreadable):
        return "wrong", "exception", _detail(said, where)
    if isinstance(error, ImportError | WireError | SystemExit) or not record.calls:
        return "unverifiable", "bad_tests", _detail(said, where)
    last = "" if record.last is ... else f"the last call gave {_shown(record.last)}"
    said = "" if said == "AssertionError" else said.removeprefix("AssertionError: ")
    return "wrong", "failed", _detail(said, where, last)


def _detail(*parts: str) -> str:
    return "; ".join(part[:200] for part in parts if part)


def _shown(value: Any) -> str:
    try:
        return reprlib.repr(value)
    except ValueError:  # a number of more digits than Python prints
        return f"a large {type(value).__name__}"


def _standard(module: str) -> bool:
    return module.partition(".")[0] in sys.stdlib_module_names
