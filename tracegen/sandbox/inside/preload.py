"""What programs import most, imported once before any of them is forked."""

import contextlib
import importlib
import os
import site
import sys
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

MODULES = """
    abc argparse array ast base64 bisect calendar cmath collections concurrent.futures contextlib copy csv
    ctypes dataclasses datetime decimal difflib enum fractions functools hashlib heapq html inspect io itertools
    json keyword linecache locale logging math numbers operator os pathlib pprint queue random re secrets shutil
    signal socket statistics string struct subprocess sys tempfile textwrap threading time timeit token
    traceback types typing unicodedata unittest uuid warnings weakref zlib
"""
SEED = 0
"""Of `random`: a program that draws is judged alike every time, as with the seed of hashes."""


def modules(packages: Sequence[str], own: Mapping[str, str]) -> Callable[[], None]:
    """Imports them, and those of ours, and lets programs import from the folders `packages` too.

    Returns what a program's process calls before it runs the program: some modules ask to be told of every fork, and
    obeying them in processes that run no program would cost a third of a start.
    """
    asked: list[dict[str, Any]] = []
    register, os.register_at_fork = os.register_at_fork, lambda **hooks: asked.append(hooks)
    folders(packages)
    for name in MODULES.split():
        with contextlib.suppress(ImportError):  # an interpreter may have been built without one
            importlib.import_module(name)
    ours(own)
    os.register_at_fork = register
    sys.modules["random"].seed(SEED)

    def obey() -> None:
        for hooks in asked:
            register(**hooks)

    return obey


def folders(packages: Sequence[str]) -> None:
    """Lets programs import from these folders, and gives them `exit` and `help`, which come with installed packages."""
    site.setquit()
    site.setcopyright()
    site.sethelper()
    sys.path.extend(packages)


def ours(own: Mapping[str, str]) -> None:
    """Makes modules of these sources."""
    for name, source in own.items():
        module = sys.modules[name] = ModuleType(name)
        exec(compile(source, f"<{name}>", "exec", dont_inherit=True), module.__dict__)
