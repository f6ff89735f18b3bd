"""The guest that holds the program: loads it, and answers what the tests ask of its names, its values as typed data.

Nothing that it says is believed beyond being the program's answer: its frames are data to the tests, a forged one is a
wrong answer, and it never sees an assertion. Functions, classes, iterators and instances of the program's own classes
stay here and are known by number.
"""

import operator
import sys
import types
import warnings
from collections.abc import Callable
from typing import Any

from tracegen.verifiers._code.kinds import Handle, WireError
from tracegen.verifiers._code.peer import Peer, advance
from tracegen.verifiers._code.wire import encode

FILE = "<program>"

_FUNCTIONS = (types.FunctionType, types.BuiltinFunctionType, types.MethodType, types.MethodWrapperType)
_OPERATORS: dict[str, Callable[..., Any]] = {
    **{name: getattr(operator, name) for name in ("getitem", "setitem", "delitem", "truth", "neg", "pos", "invert")},
    **{name: getattr(operator, name) for name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul")},
    **{name: getattr(operator, name) for name in ("and_", "or_", "xor", "lt", "le", "gt", "ge")},
    **{"len": len, "iter": iter, "next": next, "str": str, "repr": repr, "abs": abs, "isinstance": isinstance},
    "enter": lambda value: type(value).__enter__(value),
    "exit": lambda value: type(value).__exit__(value, None, None, None),
}

_FIXED = frozenset({bool, int, float, complex, str, bytes, type(None), types.FunctionType})

_module = types.ModuleType("program")
_objects: list[Any] = []
_numbers: dict[int, int] = {}
_callbacks: dict[int, int] = {}


def main() -> None:
    warnings.simplefilter("ignore")
    sys.modules["program"] = _module
    _peer.listen()


def serve(verb: str, *details: Any) -> Any:
    return _VERBS[verb](*details)


def load(prompt: str, program: str, entry_point: str | None, names: list[str]) -> str | dict[str, Any]:
    """Runs the prompt, then the program, in one namespace. Those of the names that the program has, or what is wrong
    with its syntax. A name that only a class `Solution` has is a method of a new Solution."""
    space = _module.__dict__
    if prompt:
        exec(compile(prompt, "<prompt>", "exec", dont_inherit=True), space)
        space.pop(entry_point or "", None)  # the prompt only announces it
    try:
        code = compile(program, FILE, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError) as error:
        return f"{type(error).__name__}: {error}"
    exec(code, space)
    found = {name: space[name] for name in names if name in space}
    solution = space.get("Solution")
    for name in names:
        if name not in found and isinstance(solution, type) and hasattr(solution, name):
            found[name] = getattr(solution(), name)
    return found


def call(number: int, args: list[Any], kwargs: dict[str, Any]) -> tuple[Any, Any]:
    """What the call comes to, and the arguments as it left them where it changed them."""
    if all(type(given) in _FIXED for given in (*args, *kwargs.values())):
        return _objects[number](*args, **kwargs), None
    before = _encoded(args, kwargs)
    value = _objects[number](*args, **kwargs)
    after = _encoded(args, kwargs)
    return value, None if after is None or after == before else (args, kwargs)


def state(number: int) -> tuple[int, dict[str, Any]]:
    """The class of an object, by number, and its attributes."""
    thing = _objects[number]
    slots = [slot for base in type(thing).__mro__ for slot in getattr(base, "__slots__", ()) if hasattr(thing, slot)]
    return export(type(thing)).number, {
        **{slot: getattr(thing, slot) for slot in slots},
        **getattr(thing, "__dict__", {}),
    }


def export(value: Any) -> Handle:
    if (number := _callbacks.get(id(value))) is not None:
        return Handle("yours", number, "callable", "")
    if (number := _numbers.get(id(value))) is None:
        number = _numbers[id(value)] = len(_objects)
        _objects.append(value)
    return Handle("mine", number, *_described(value))


def revive(handle: Handle) -> Any:
    """An object of ours that comes home, or a function of the tests that may be called."""
    if handle.side == "yours":
        return _objects[handle.number]
    if handle.kind == "iterator":
        return _peer.items(handle.number)

    def callback(*args: Any, **kwargs: Any) -> Any:
        return _peer.ask("call", handle.number, list(args), kwargs)

    callback.__name__ = handle.name
    _objects.append(callback)  # kept alive, so that its id stays its own
    _callbacks[id(callback)] = handle.number
    return callback


def _described(value: Any) -> tuple[str, str]:
    kind = type(value)
    if isinstance(value, type):
        return "class", value.__name__
    if isinstance(value, types.ModuleType):
        return "module", value.__name__
    if isinstance(value, _FUNCTIONS):
        return "callable", str(getattr(value, "__name__", kind.__name__))
    # Of an instance of its own iterator class, the tests may want more than its items.
    own = kind.__module__ == _module.__name__
    return ("iterator" if hasattr(kind, "__next__") and not own else "object"), kind.__name__


def _encoded(args: list[Any], kwargs: dict[str, Any]) -> bytes | None:
    try:
        return encode((args, kwargs), export)
    except WireError:
        return None


_VERBS: dict[str, Callable[..., Any]] = {
    "load": load,
    "call": call,
    "next": lambda number, count: advance(_objects, number, count),
    "state": state,
    "get": lambda number, name: getattr(_objects[number], name),
    "set": lambda number, name, value: setattr(_objects[number], name, value),
    "op": lambda name, *values: _OPERATORS[name](*values),
}
_peer = Peer(serve, export, revive, file=FILE)
