"""What a problem's own prompt defines and its tests use: such helpers are the prompt's, whatever the program makes of
them.

HumanEval/38 decodes what the prompt's `encode_cyclic` has encoded: a program that rebinds it would choose what it is
measured by. So the guest that runs the tests runs the prompt itself. What stays the program's are the entry point,
functions that the prompt only announces, and classes, whose objects have to cross to the program and back.
"""

import ast
from collections.abc import Sequence
from typing import Any, NamedTuple


class Given(NamedTuple):
    """A prompt to run beside the tests."""

    source: str = ""
    theirs: Sequence[str] = ()
    """Names that it defines and that are the program's all the same."""

    @property
    def told(self) -> dict[str, Any]:
        """What the guest that runs the tests is told."""
        return {"given": self.source, "theirs": list(self.theirs)}


def given(prompt: str, names: Sequence[str], entry_point: str | None) -> Given:
    """The prompt, a program that parses or nothing, where the tests use a name that it may define."""
    if not prompt or not set(names) - {entry_point}:
        return Given()
    return Given(prompt, [name for node in ast.parse(prompt).body if (name := _theirs(node))])


def _theirs(node: ast.stmt) -> str | None:
    match node:
        case ast.ClassDef(name=name):
            return name
        case ast.FunctionDef(name=name, body=body) | ast.AsyncFunctionDef(name=name, body=body):
            return name if all(isinstance(step, ast.Expr | ast.Pass | ast.Raise) for step in body) else None
    return None
