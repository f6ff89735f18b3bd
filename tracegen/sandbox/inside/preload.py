"""What programs import most, imported once before any of them is forked."""

import contextlib
import importlib
import sys
from collections.abc import Sequence

MODULES = (
    "abc argparse array ast base64 bisect calendar cmath collections concurrent.futures contextlib copy csv ctypes "
    "dataclasses datetime decimal difflib enum fractions functools hashlib heapq html inspect io itertools json "
    "keyword linecache locale logging math numbers operator os pathlib pprint queue random re secrets shutil signal "
    "socket statistics string struct subprocess sys tempfile textwrap threading time timeit token traceback types "
    "typing unicodedata unittest uuid warnings weakref zlib"
).split()


def modules(packages: Sequence[str]) -> None:
    """Imports them, and lets programs import from the folders `packages` too."""
    sys.path.extend(packages)
    for name in MODULES:
        with contextlib.suppress(ImportError):  # an interpreter may have been built without one
            importlib.import_module(name)
