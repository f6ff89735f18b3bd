"""Is the answer a JSON value: one that fits a schema, or the gold's own, or both?

Rule: JSON as RFC 8259 has it (no NaN, no key twice), from the last fenced block, else the last box or answer tag, else
the whole response. The schema (https://json-schema.org, through `jsonschema`) stands in the problem's `extra["schema"]`
or in the option `schema`; references to other documents are not followed. Values are equal as JSON has them: numbers by
value (`1`, `1.0` and `1e0` are one), keys in any order, lists in theirs unless `ordered` is false.
Reasons: equal, valid, different, invalid, not_json, too_long, no_answer, truncated; of the gold no_gold, bad_gold,
bad_schema.
"""

import json as notation
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any

from tracegen.records import MissingExtra, Problem, Trace, Verdict
from tracegen.verifiers._answer import marked

VERSION = "1"
PACKAGES = ("jsonschema",)

LONGEST = 1_000_000
"""Characters of an answer that are parsed."""
UNREADABLE = (ValueError, ArithmeticError, RecursionError)
"""What parsing raises: no JSON, a number beyond all bounds, nesting without end."""
_FENCE = re.compile(r"^[ \t]*(?:`{3,}|~{3,})[ \t]*(\w*)[^\n`]*$", re.MULTILINE)


def json(
    problem: Problem,
    response: str,
    *,
    trace: Trace | None = None,
    schema: Mapping[str, Any] | None = None,
    ordered: bool = True,
) -> Verdict:
    """A JSON value that fits the schema and equals the gold answer, whichever of the two there is."""
    rules = problem.extra.get("schema", schema)
    if rules is None and not (problem.answer or "").strip():
        return Verdict("unverifiable", reason="no_gold")
    try:
        fits = None if rules is None else _validator(rules if isinstance(rules, str) else notation.dumps(rules))
    except ValueError as error:
        return Verdict("unverifiable", reason="bad_schema", detail=str(error)[:300])
    try:
        gold = None if problem.answer is None else _canonical(_parsed(problem.answer), ordered)
    except UNREADABLE as error:
        return Verdict("unverifiable", reason="bad_gold", detail=str(error)[:300])
    if trace is not None and trace.status == "truncated":
        return Verdict("wrong", reason="truncated")
    answer = _answer(response)
    if not answer:
        return Verdict("wrong", reason="no_answer")
    if len(answer) > LONGEST:
        return Verdict("wrong", reason="too_long")
    try:
        value = _canonical(_parsed(answer), ordered)
        complaint = fits(notation.loads(answer)) if fits else None
    except UNREADABLE as error:
        return Verdict("wrong", answer, "not_json", detail=str(error)[:300])
    except LookupError as error:
        return Verdict("unverifiable", answer, "bad_schema", detail=str(error)[:300])
    if complaint:
        return Verdict("wrong", answer, "invalid", detail=complaint[:300])
    if gold is None:
        return Verdict("right", answer, "valid")
    return Verdict("right", answer, "equal") if value == gold else Verdict("wrong", answer, "different")


def gold_is_answer(problem: Problem, *, schema: Mapping[str, Any] | None = None, **_: object) -> bool:
    """A schema alone is a rule of its own."""
    return problem.answer is not None or problem.extra.get("schema", schema) is None


def _answer(response: str) -> str:
    """The text of the last fenced block that is closed and not in another language, else what is marked, else all."""
    fences = [*_FENCE.finditer(response)]
    blocks = [
        response[opening.end() : closing.start()]
        for opening, closing in zip(fences[::2], fences[1::2], strict=False)
        if opening.group(1).lower() in ("", "json", "json5", "jsonc")
    ]
    inside = blocks[-1] if blocks else marked(response)
    return (response if inside is None else inside).strip()


def _parsed(text: str) -> Any:
    """The value with its numbers exact; ValueError for what is not JSON."""
    return notation.loads(text, parse_float=Decimal, parse_constant=_refused, object_pairs_hook=_unique)


def _refused(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _canonical(value: Any, ordered: bool) -> str:
    """One text for all spellings of a value."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return notation.dumps(value)
    if isinstance(value, int | Decimal):
        sign, digits, exponent = Decimal(value).as_tuple()
        kept = "".join(map(str, digits)).rstrip("0")
        return f"{'-' * sign}{kept.lstrip('0')}e{int(exponent) + len(digits) - len(kept)}" if kept else "0"
    if isinstance(value, dict):
        return "{" + ",".join(f"{notation.dumps(k)}:{_canonical(value[k], ordered)}" for k in sorted(value)) + "}"
    items = [_canonical(item, ordered) for item in value]
    return "[" + ",".join(items if ordered else sorted(items)) + "]"


@lru_cache(maxsize=64)
def _validator(schema: str) -> Callable[[Any], str | None]:
    """Says of a value where it breaks the schema, or None; ValueError, or LookupError later, for a bad schema."""
    try:
        from jsonschema import SchemaError
        from jsonschema.validators import validator_for
        from referencing import Registry
        from referencing.exceptions import Unresolvable
    except ImportError:
        raise MissingExtra("jsonschema", "json") from None
    rules = notation.loads(schema)
    kind = validator_for(rules)
    try:
        kind.check_schema(rules)
    except SchemaError as error:
        raise ValueError(error.message) from None
    validator = kind(rules, registry=Registry())  # type: ignore[call-arg]

    def complaint(value: Any) -> str | None:
        try:
            error = next(validator.iter_errors(value), None)
        except Unresolvable as missing:
            raise LookupError(f"the schema refers to {missing.ref}, which is not in it") from None
        return error and f"{error.json_path}: {error.message}"

    return complaint
