"""The faults that the measurement of the code verifier puts into programs."""

import ast
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[1] / "scripts"
PROGRAM = "def f(x):\n    'Doc 1.'\n    if x > 1 and x != 7:\n        return x * 2 + 1\n    return True\n"


@pytest.fixture(autouse=True)
def _scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    if not SCRIPTS.is_dir():
        pytest.skip("the source tree's scripts are not here")
    monkeypatch.setattr(sys, "path", [str(SCRIPTS), *sys.path])


def test_every_mutant_has_one_fault_and_their_order_is_fixed() -> None:
    from mutants import mutants

    found = list(mutants(PROGRAM, "seed"))
    same = ast.unparse(ast.parse(PROGRAM))
    assert len(found) == len(set(found)) == 13
    for mutant in found:
        differing = [(a, b) for a, b in zip(mutant.split("\n"), same.split("\n"), strict=True) if a != b]
        assert len(differing) == 1
        assert "Doc 1." in mutant
    assert found == list(mutants(PROGRAM, "seed")) != list(mutants(PROGRAM, "other seed"))
    assert set(found) == set(mutants(PROGRAM, "other seed"))


@pytest.mark.parametrize(
    ("program", "fails"),
    [
        ("def f(x): return x * 2", False),
        ("def f(x): return x + 2", True),
        ("def f(x): return x / 0", True),
        ("def f(x):\n    while True: pass", False),
        ("import os\ndef f(x): os._exit(3)", False),
    ],
)
def test_plain_python_says_whether_one_fails(program: str, fails: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    import mutants

    monkeypatch.setattr(mutants, "SECONDS", 1.0)
    assert mutants.fails(program, "assert f(3) == 6") is fails
