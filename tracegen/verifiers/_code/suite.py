"""Tests as data sets hold them become one source to run and a list of the program's names that it needs.

Forms: assert statements (one text or a list of them, imports among them), the source of `check(candidate)` as HumanEval
has it, and `{"input", "output"}` cases of a function, arguments as JSON one a line, as LiveCodeBench has them.
A name that the tests use and nobody else has is the program's, but for builtins and standard modules: those are always
the tests' own. Where the tests need no other name, the builtin that they call innermost is meant (`sum(1, 2) == 3`).
"""

import ast
import builtins
import json
import marshal
import symtable
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, TypeGuard

from tracegen.verifiers._code import plain

FILE = "<tests>"
"""What tracebacks call the tests; the guest looks for it."""
REMEMBERED = 2**18
"""Characters of tests that are kept, read, for the next program; those of a contest can take many millions."""
_OF_CASES = """\
from math import inf, nan

def listed(value):
    return [listed(item) for item in value] if isinstance(value, (list, tuple)) else value

def check(candidate):
    for number, (arguments, expected) in enumerate({cases!r}, start=1):
        assert listed(candidate(*arguments)) == expected, f"case {{number}}"
"""


class BadTests(ValueError):
    """Tests that cannot be run, whatever the program."""


class Suite(NamedTuple):
    """Tests, read."""

    source: str
    code: bytes
    """The source, compiled here once and marshalled: the guest runs our own interpreter."""
    names: list[str]
    """Names of the program's."""
    modules: list[str]
    """Standard modules that the tests use and leave to the program to import: they get their own."""
    stars: list[str]
    """Modules that the tests import all names from."""
    entry_point: str | None
    check: bool
    """Whether the source only defines `check`, and the guest is to call it with the entry point."""
    asserts: list[tuple[int, int]]
    """First and last line of every assert statement."""
    plain: list[plain.Assertion]
    """All that the suite asserts, if it is of the plainest kind; else nothing."""

    @property
    def told(self) -> dict[str, Any]:
        """What the guest that runs the tests is told."""
        return {name: value for name, value in self._asdict().items() if name != "plain"}


def read(tests: Any, entry_point: str | None) -> Suite | None:
    """The suite; None where there are no tests. BadTests for what is no known form, or does not compile."""
    if tests is None or (isinstance(tests, str | Sequence | Mapping) and not tests):
        return None
    if isinstance(tests, str):
        source = tests
    elif isinstance(tests, Sequence) and all(isinstance(test, str) for test in tests):
        source = "\n".join(tests)
    elif isinstance(tests, Sequence) and all(isinstance(test, Mapping) for test in tests):
        source = _OF_CASES.format(cases=[_case(test) for test in tests])
    else:
        raise BadTests("tests are assert statements, the source of check(candidate), or cases with input and output")
    return (_remembered if len(source) < REMEMBERED else _suite)(source, entry_point)


def _suite(source: str, entry_point: str | None) -> Suite | None:
    if not source.strip():
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
            table = symtable.symtable(source, FILE, "exec")
            code = marshal.dumps(compile(tree, FILE, "exec", dont_inherit=True, optimize=0))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise BadTests(f"the tests do not compile: {type(error).__name__}: {error}"[:200]) from None
    check = _defines_check(tree)
    if check and not entry_point:
        raise BadTests("check(candidate) needs an entry_point, the name of the function that it checks")
    wanted = dict.fromkeys(_free(table))
    if entry_point and (check or "candidate" in wanted):
        wanted = dict.fromkeys([*(name for name in wanted if name != "candidate"), entry_point])
    modules = [name for name in wanted if name != entry_point and _only_a_module(tree, name)]
    names = [name for name in wanted if name not in modules and (name == entry_point or not hasattr(builtins, name))]
    stars = [node.module for node in ast.walk(tree) if _imports_all(node) and node.module]
    asserts = [(node.lineno, node.end_lineno or node.lineno) for node in ast.walk(tree) if isinstance(node, ast.Assert)]
    names = names or _first_called(tree)
    found = _plain(tree, source.splitlines(), names, entry_point)
    return Suite(source, code, names, modules, stars, entry_point, check, asserts, found)


_remembered = lru_cache(maxsize=256)(_suite)


def _plain(tree: ast.Module, lines: list[str], names: list[str], entry_point: str | None) -> list[plain.Assertion]:
    """The suite as plain assertions; empty where it is none."""
    functions = {name: name for name in names}
    try:
        match tree.body:
            case [*before, ast.FunctionDef(name="check", args=ast.arguments(args=[ast.arg(arg=candidate)])) as check]:
                if not entry_point or plain.read(before, functions, lines):
                    return []
                by_name = {name: name for name in names if not hasattr(builtins, name)}
                return plain.read(check.body, by_name | {candidate: entry_point}, lines)
        return plain.read(tree.body, functions, lines)
    except plain.NotPlain:
        return []


def _case(test: Mapping[str, Any]) -> tuple[list[Any], Any]:
    if not {"input", "output"} <= set(test):
        raise BadTests("a case of a function needs 'input' and 'output'")
    given, expected = test["input"], test["output"]
    try:
        arguments = (
            [json.loads(line) for line in given.splitlines() if line.strip()] if isinstance(given, str) else given
        )
        return list(arguments), json.loads(expected) if isinstance(expected, str) else expected
    except (ValueError, TypeError, RecursionError) as error:
        raise BadTests(f"a case is not JSON: {error}") from None


def _defines_check(tree: ast.Module) -> bool:
    """Whether a function `check` waits to be called with the entry point."""
    defined = any(isinstance(node, ast.FunctionDef) and node.name == "check" for node in tree.body)
    called = any(
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and _name(node.value.func) == "check"
        for node in tree.body
    )
    return defined and not called


def _free(table: symtable.SymbolTable) -> Iterator[str]:
    """Names that are read somewhere and bound nowhere in the tests."""
    own = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_assigned() or symbol.is_imported()}
    for scope in _scopes(table):
        for symbol in scope.get_symbols():
            loose = symbol.is_global() or scope.get_type() == "module"
            if loose and symbol.is_referenced() and symbol.get_name() not in own:
                yield symbol.get_name()


def _scopes(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    yield table
    for child in table.get_children():
        yield from _scopes(child)


def _imports_all(node: ast.AST) -> TypeGuard[ast.ImportFrom]:
    return isinstance(node, ast.ImportFrom) and node.names[0].name == "*"


def _only_a_module(tree: ast.Module, name: str) -> bool:
    """Whether this is a standard module that the tests look at nothing but attributes of."""
    if name not in sys.stdlib_module_names:
        return False
    uses = sum(_name(node) == name for node in ast.walk(tree))
    return uses == sum(isinstance(node, ast.Attribute) and _name(node.value) == name for node in ast.walk(tree))


def _first_called(tree: ast.Module) -> list[str]:
    """The innermost builtin that the first assertion calls."""
    called = [_name(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [name for name in called if name and hasattr(builtins, name)][-1:]


def _name(node: ast.AST) -> str | None:
    return node.id if isinstance(node, ast.Name) else None
