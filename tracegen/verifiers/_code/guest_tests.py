"""The guest that runs the tests: the program's names are proxies here (`remote`), and its answers plain values.

It never sees the program's code, so nothing that the program defines, patches or exits can reach an assertion. It alone
reports, after the last assertion, and only if the program was called at all.
"""

import builtins
import importlib
import marshal
import sys
from typing import Any

from tracegen.verifiers._code.kinds import WireError
from tracegen.verifiers._code.peer import Unreadable, place, read_frame, write_frame
from tracegen.verifiers._code.remote import FILE, Remote, peer, record
from tracegen.verifiers._code.telling import Finding, broken, failed, raised, told
from tracegen.verifiers._code.wire import decode, encode


def main() -> None:
    suite = decode(read_frame())
    record.asserts = suite["asserts"]
    write_frame(b"R" + encode(_verdict(suite, read_frame())))


def _verdict(suite: dict[str, Any], loaded: bytes) -> Finding:
    """Outcome, reason and detail."""
    lines = suite["source"].splitlines()
    try:
        space = _space(suite, loaded)
        if missing := [name for name in suite["names"] if name not in space]:
            return Finding("wrong", "no_entry_point", f"the program has no {missing[0]!r}")
        candidate = space.get(suite["entry_point"])
        space.setdefault("candidate", candidate)
        if suite["check"] and hasattr(builtins, suite["entry_point"]):
            del space[suite["entry_point"]]  # what the tests call by that name is the builtin
        exec(marshal.loads(suite["code"]), space)
        if suite["check"]:
            space["check"](candidate)
    except BaseException as error:  # noqa: BLE001 - an assertion may fail in any way
        line = place(error, FILE)
        where = lines[line - 1].strip() if 0 < line <= len(lines) else ""
        return _failed(error, where)
    if not record.calls:
        return Finding("unverifiable", "no_tests", "the tests never call the program")
    return Finding("right", "passed")


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
    given = _given(suite, theirs)
    for name in suite["names"]:
        value = theirs.get(name)
        if isinstance(value, Remote) and value._kind == "module" and _standard(value._name):
            value = importlib.import_module(value._name)
        elif isinstance(value, Remote) and name[:1].isupper():
            object.__setattr__(value, "_makes", True)
        if name in given:
            space[name] = given[name]
        elif name in theirs and name not in space:
            space[name] = value
    return {**space, **{name: importlib.import_module(name) for name in suite["modules"]}, "__name__": "tests"}


def _given(suite: dict[str, Any], theirs: dict[str, Any]) -> dict[str, Any]:
    """What the prompt defines, and the program cannot: it finds the program's classes and entry point in place of its
    own."""
    space: dict[str, Any] = {"__name__": "prompt"}
    if suite["given"]:
        exec(compile(suite["given"], "<prompt>", "exec", dont_inherit=True), space)
    hidden = {suite["entry_point"], *suite["theirs"]}
    space.update((name, theirs[name]) for name in hidden if name in theirs)
    return {name: value for name, value in space.items() if name not in hidden}


def _failed(error: BaseException, where: str) -> Finding:
    line = getattr(error, "far_line", None)
    if line is not None or isinstance(error, Unreadable | MemoryError):
        return raised(error, line or 0, where)
    if isinstance(error, ImportError | WireError | SystemExit) or not record.calls:
        return broken(error, where)
    said = told(error)
    said = "" if said == "AssertionError" else said.removeprefix("AssertionError: ")
    return failed(said, where, record.last)


def _standard(module: str) -> bool:
    return module.partition(".")[0] in sys.stdlib_module_names
