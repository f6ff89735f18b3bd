"""Small faults put into a program, one at a time: comparisons flipped, constants off by one, operators swapped, returns
dropped, conditions negated. `mutants(program, seed)` yields every program with one fault, in an order that the seed
fixes; whether one fails its tests is for plain Python to say (`fails`)."""

import ast
import copy
import os
import random
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence

SECONDS = 5.0
"""For a mutant and its tests in plain Python; the slowest canonical solution takes about one."""
MEMORY = 2**30

_COMPARED = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
_SWAPPED = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitAnd,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.And: ast.Or,
    ast.Or: ast.And,
}
Fault = Callable[[ast.AST], None]


def mutants(program: str, seed: str, function: str | None = None) -> Iterator[str]:
    """The program with one fault, for every fault that fits somewhere, or somewhere in this function of its."""
    tree = ast.parse(program)
    named = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == function]
    inside = {id(node) for root in named or [tree] for node in ast.walk(root)}
    nodes = [(place, node) for place, node in enumerate(ast.walk(tree)) if id(node) in inside]
    sites = [(place, fault) for place, node in nodes for fault in _faults(node)]
    random.Random(seed).shuffle(sites)
    for place, fault in sites:
        faulty = copy.deepcopy(tree)
        fault(next(node for at, node in enumerate(ast.walk(faulty)) if at == place))
        yield ast.unparse(ast.fix_missing_locations(faulty))


def fails(program: str, check: str) -> bool:
    """Whether plain Python, in a process of its own, ends `program` and its `check` in an exception, and in time."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))

    command = [sys.executable, "-s", "-P", "-B", "-c", f"{program}\n{check}"]
    try:
        ended = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=SECONDS,
            preexec_fn=limit,
            env={**os.environ, "PYTHONHASHSEED": "0"},
        )
    except subprocess.TimeoutExpired:
        return False
    return ended.returncode == 1 and b"MemoryError" not in ended.stderr


def _faults(node: ast.AST) -> Sequence[Fault]:
    match node:
        case ast.Compare(ops=[op, *_]) if type(op) in _COMPARED:
            return [_flip]
        case ast.BinOp(op=op) | ast.AugAssign(op=op) | ast.BoolOp(op=op) if type(op) in _SWAPPED:
            return [_swap]
        case ast.Constant(value=bool()):
            return [_negate_constant]
        case ast.Constant(value=int() | float()):
            return [_off_by_one]
        case ast.Return(value=ast.AST()):
            return [_drop]
        case ast.If() | ast.IfExp() | ast.While():
            return [_negate]
    return []


def _flip(node: ast.AST) -> None:
    assert isinstance(node, ast.Compare)
    node.ops[0] = _COMPARED[type(node.ops[0])]()


def _swap(node: ast.AST) -> None:
    assert isinstance(node, ast.BinOp | ast.AugAssign | ast.BoolOp)
    node.op = _SWAPPED[type(node.op)]()


def _negate_constant(node: ast.AST) -> None:
    assert isinstance(node, ast.Constant)
    node.value = not node.value


def _off_by_one(node: ast.AST) -> None:
    assert isinstance(node, ast.Constant)
    node.value = node.value + 1


def _drop(node: ast.AST) -> None:
    assert isinstance(node, ast.Return)
    node.value = None


def _negate(node: ast.AST) -> None:
    assert isinstance(node, ast.If | ast.IfExp | ast.While)
    node.test = ast.UnaryOp(ast.Not(), node.test)
