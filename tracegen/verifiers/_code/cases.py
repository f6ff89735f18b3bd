"""Test cases of a program that reads stdin and prints: the forms that data sets hold them in, made one."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from tracegen.verifiers._code.suite import BadTests

_STDIN, _STDOUT = ("stdin", "input"), ("stdout", "output")


class Case(NamedTuple):
    """What is fed in, and what is to come out."""

    stdin: str
    stdout: str


def read(tests: Any) -> list[Case]:
    """The cases of `[{"stdin", "stdout"}]` or `[{"input", "output"}]`, also one level down, or of `{"inputs": [...],
    "outputs": [...]}`; empty where there are none. BadTests for anything else."""
    if not tests:
        return []
    if isinstance(tests, Mapping):
        inputs, outputs = tests.get("inputs"), tests.get("outputs")
        if not isinstance(inputs, Sequence) or not isinstance(outputs, Sequence) or len(inputs) != len(outputs):
            raise BadTests("tests in one object need 'inputs' and 'outputs', as many of the one as of the other")
        tests = [{"stdin": stdin, "stdout": stdout} for stdin, stdout in zip(inputs, outputs, strict=True)]
    if isinstance(tests, str) or not isinstance(tests, Sequence):
        raise BadTests("the tests of a program are a list of cases with 'stdin' and 'stdout'")
    return list(_cases(tests))


def _cases(tests: Sequence[Any]) -> Iterator[Case]:
    for number, test in enumerate(tests, start=1):
        if not isinstance(test, Mapping):
            raise BadTests(f"case {number} is no object with 'stdin' and 'stdout'")
        yield Case(_text(test, _STDIN, number), _text(test, _STDOUT, number))


def _text(test: Mapping[str, Any], names: tuple[str, str], number: int) -> str:
    value = next((test[name] for name in names if name in test), None)
    if isinstance(value, Mapping):
        value = next((value[name] for name in names if name in value), None)
    if isinstance(value, Sequence) and not isinstance(value, str) and all(isinstance(line, str) for line in value):
        value = "\n".join(value)
    if not isinstance(value, str):
        raise BadTests(f"case {number} has no {names[0]!r} that is text")
    return value
