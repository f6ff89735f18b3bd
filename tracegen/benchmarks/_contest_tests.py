"""A row of LiveCodeBench becomes a problem, and its tests are unpacked.

Private tests come as JSON, or as base64 of a zlib-compressed pickle of JSON. Such a pickle is read by an unpickler that
can name no class and no function, so that it makes texts, lists and dictionaries only, and up to `UNPACKED` bytes.
"""

import base64
import io
import json
import pickle
import re
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from tracegen import rows
from tracegen.records import Problem, UsageError

UNPACKED = 2**30
"""Bytes; the largest tests of the sixth release take some hundred million."""

IMPORTS = """\
import collections, functools, heapq, itertools, math, re, string
from bisect import *
from collections import *
from functools import *
from heapq import *
from itertools import *
from math import ceil, comb, factorial, floor, gcd, inf, isqrt, lcm, log, log2, perm, pi, sqrt
from typing import *
"""
"""What the contest site imports for its starter codes, which name `List` and `Optional` without importing them."""


def problem(row: Mapping[str, Any], where: str) -> Problem:
    """A row of `code_generation_lite`."""
    tests = [*_tests(row, "public_test_cases", where), *_tests(row, "private_test_cases", where)]
    function = json.loads(row.get("metadata") or "{}").get("func_name")
    inputs, outputs = ([str(test[key]) for test in tests] for key in ("input", "output"))
    return _problem(
        f"livecodebench-{rows.require(row, 'question_id', where)}",
        rows.require(row, "question_content", where),
        row.get("starter_code") or "",
        _judged(inputs, outputs, function, where),
        {name: row[name] for name in ("question_title", "platform", "difficulty", "contest_date") if name in row},
    )


def sampled(row: Mapping[str, Any], where: str) -> Problem:
    """A row in which statement and instructions stand together in `content`, and `test` holds all tests, packed."""
    content = rows.require(row, "content", where)
    statement, _, instructions = content.partition("\n### Format:")
    starter = re.search(r"```python\n(.*?)```", instructions, re.DOTALL)
    packed = unpacked(rows.require(row, "test", where), where)
    tests = _json(packed.get("input_output"), where) if isinstance(packed, dict) else None
    if not isinstance(tests, dict) or not {"inputs", "outputs"} <= set(tests):
        raise UsageError(f"{where}: `test` must hold `input_output` with `inputs` and `outputs`.")
    return _problem(
        f"livecodebench-{rows.require(row, 'id', where)}",
        statement.partition("### Question:\n")[2] or statement,
        starter[1] if starter and tests.get("fn_name") else "",
        _judged(tests["inputs"], tests["outputs"], tests.get("fn_name"), where),
        {name: value for name, value in _json(row.get("labels") or "{}", where).items() if name == "difficulty"},
    )


def _problem(key: str, statement: str, starter: str, judged: dict[str, Any], extra: dict[str, Any]) -> Problem:
    if starter:
        statement = f"{statement.strip()}\n\nComplete this code:\n\n```python\n{starter.strip()}\n```"
        extra = extra | {"prompt": IMPORTS}
    return Problem(
        id=key,
        statement=statement.strip(),
        source="livecodebench/code_generation_lite",
        domain="code",
        extra=extra,
        **judged,
    )


def _judged(inputs: Sequence[str], outputs: Sequence[str], function: str | None, where: str) -> dict[str, Any]:
    """Verifier, conventions and tests: programs that read stdin, or the method `function` of the class `Solution`."""
    if not inputs or len(inputs) != len(outputs):
        raise UsageError(f"{where} has {len(inputs)} inputs and {len(outputs)} outputs; each test needs both.")
    by_value = {"compare": "float", "tolerance": 0.0}
    kind = {"verifier": "code", "entry_point": function} if function else {"verifier": "stdio", "conventions": by_value}
    names = ("input", "output") if function else ("stdin", "stdout")
    return {**kind, "tests": [dict(zip(names, pair, strict=True)) for pair in zip(inputs, outputs, strict=True)]}


def _tests(row: Mapping[str, Any], name: str, where: str) -> list[dict[str, Any]]:
    text = rows.require(row, name, where)
    found = _json(text, where) if text.lstrip().startswith("[") else unpacked(text, where)
    tests = _json(found, where) if isinstance(found, str) else found
    if not isinstance(tests, list) or not all(
        isinstance(test, dict) and {"input", "output"} <= set(test) for test in tests
    ):
        raise UsageError(f"{where}: `{name}` must hold a list of tests with `input` and `output`.")
    return tests


def unpacked(text: str, where: str) -> Any:
    """What was pickled, compressed and written as base64."""
    try:
        unpacker = zlib.decompressobj()
        data = unpacker.decompress(base64.b64decode(text), UNPACKED)
        if unpacker.unconsumed_tail:
            raise ValueError(f"it unpacks to more than {UNPACKED:,} bytes")
        return _Plain(io.BytesIO(data)).load()
    except (ValueError, zlib.error, pickle.UnpicklingError, EOFError, TypeError, IndexError, KeyError) as error:
        raise UsageError(f"{where}: the packed tests cannot be read ({rows.one_line(error)}).") from None


class _Plain(pickle.Unpickler):
    """Makes plain values: whatever names a class or a function is refused before it is looked up."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"it names {module}.{name}, and only plain values are read")


def _json(text: Any, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, TypeError, RecursionError) as error:
        raise UsageError(f"{where}: a test is not JSON ({rows.one_line(error)}).") from None
