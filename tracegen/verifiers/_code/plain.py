"""Assertions of the plainest kind are compared here, value against value, and need no guest to run in.

Plain is `assert f(1, "a") == [2]`: one call of the program's with literal arguments, against a literal; also `!=`, `<`
and the like, `in`, `is` before None, True and False, the call alone or behind `not`, and `abs(f(1) - 0.5) < 1e-6`.
Nothing of the tests runs for that, and what the program answers is plain data. A suite that holds anything else, and a
program that answers with anything else (an object, an iterator), goes to the guest that runs tests: it decides alike.
"""

import ast
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from tracegen.verifiers._code.kinds import Handle, WireError
from tracegen.verifiers._code.telling import Finding, failed, raised, told
from tracegen.verifiers._code.wire import Costly, decode, encode

LONGEST = 2**18
"""Bytes of an answer that are read here, with caution: longer and costlier ones cost a guest's time, not ours."""

_OPERATORS: Mapping[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
    ast.In: lambda left, right: left in right,
    ast.NotIn: lambda left, right: left not in right,
}


class NotPlain(Exception):
    """This takes a guest that runs tests."""


class Assertion(NamedTuple):
    """One call and what is to hold of its value."""

    where: str
    """Its line in the tests."""
    message: str
    function: str
    args: list[Any]
    kwargs: dict[str, Any]
    holds: Callable[[Any], Any]


def read(body: Sequence[ast.stmt], functions: Mapping[str, str], lines: Sequence[str]) -> list[Assertion]:
    """The assertions of these statements, if all are plain; else NotPlain. `functions`: the program's, by their name in
    the tests."""
    found = []
    for statement in body:
        match statement:
            case ast.Expr(value=ast.Constant()) | ast.Pass() | ast.Assert(test=ast.Constant(value=True)):
                pass
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if name not in functions:
                _literal(value)
            case ast.Assert(test=test, msg=None | ast.Constant() as message):
                call, holds = _holding(test)
                name, args, kwargs = _call(call, functions)
                said = str(message.value) if message else ""
                where = lines[statement.lineno - 1].strip()
                found.append(Assertion(where, said, name, args, kwargs, holds))
            case _:
                raise NotPlain
    return found


def judged(assertions: Sequence[Assertion], loaded: bytes, ask: Callable[[bytes], bytes]) -> Finding:
    """What comes of them. `loaded`: the frame with the program's names; `ask` gets a request answered."""
    if len(loaded) > LONGEST:
        raise NotPlain
    try:
        found: dict[str, Any] = decode(loaded, lambda handle: handle, cautious=True)[1]
    except Costly:
        raise NotPlain from None
    except WireError as error:
        return Finding("wrong", "exception", told(error))
    for assertion in assertions:
        function = found.get(assertion.function)
        if not isinstance(function, Handle):
            raise NotPlain
        frame = ask(encode(("call", function.number, assertion.args, assertion.kwargs)))
        if len(frame) > LONGEST:
            raise NotPlain
        try:
            answer = decode(frame, _strange, cautious=True)
        except Costly:
            raise NotPlain from None
        except WireError as error:
            return Finding("wrong", "exception", f"{told(error)}; {assertion.where}")
        match answer:
            case ("raised", Exception() as failure, int() as line):
                return raised(failure, line, assertion.where)
            case ("value", (value, _)):
                if wrong := _wrong(assertion, value):
                    return wrong
            case _:
                return Finding("wrong", "exception", f"the program answered out of turn; {assertion.where}")
    return Finding("right", "passed")


def _wrong(assertion: Assertion, value: Any) -> Finding | None:
    try:
        holds = assertion.holds(value)
    except (TypeError, ValueError, ArithmeticError, RecursionError) as error:
        return failed(told(error), assertion.where, value)
    return None if holds else failed(assertion.message, assertion.where, value)


def _strange(handle: Handle) -> Any:
    raise NotPlain


def _holding(test: ast.expr) -> tuple[ast.expr, Callable[[Any], Any]]:
    """The call that a condition is about, and the condition as a function of its value."""
    match test:
        case ast.UnaryOp(op=ast.Not(), operand=inner):
            call, holds = _holding(inner)
            return call, lambda value: not holds(value)
        case ast.Compare(
            left=ast.Call(func=ast.Name(id="abs"), args=[difference], keywords=[]), ops=[op], comparators=[bound]
        ):
            match difference:
                case ast.BinOp(left=ast.Call() as call, op=ast.Sub(), right=expected):
                    near, within, compare = _literal(expected), _literal(bound), _operator(op, bound)
                    return call, lambda value: compare(abs(value - near), within)
            raise NotPlain
        case ast.Compare(left=ast.Call() as call, ops=[op], comparators=[expected]):
            right, compare = _literal(expected), _operator(op, expected)
            return call, lambda value: compare(value, right)
        case ast.Compare(left=expected, ops=[op], comparators=[ast.Call() as call]):
            left, compare = _literal(expected), _operator(op, expected)
            return call, lambda value: compare(left, value)
        case ast.Call():
            return test, bool
    raise NotPlain


def _operator(op: ast.cmpop, literal: ast.expr) -> Callable[[Any, Any], Any]:
    single = isinstance(literal, ast.Constant) and literal.value in (None, True, False)
    if isinstance(op, ast.Is | ast.IsNot) and not single:
        raise NotPlain
    return _OPERATORS[type(op)]


def _call(node: ast.expr, functions: Mapping[str, str]) -> tuple[str, list[Any], dict[str, Any]]:
    match node:
        case ast.Call(func=ast.Name(id=name), args=args, keywords=keywords) if name in functions:
            if all(keyword.arg for keyword in keywords):
                named = {str(keyword.arg): _literal(keyword.value) for keyword in keywords}
                return functions[name], [_literal(argument) for argument in args], named
    raise NotPlain


def _literal(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        raise NotPlain from None
