"""reasoning-gym's own scorers, for problems that its generators made.

The problem's `extra` holds `gym_task` (the data set's name), `gym_entry` (the generated entry, as JSON) and, where the
task had any, its own options (`gym_config`). A problem with many right answers has no gold answer, and needs none.
The answer is the last box, else the last `<answer>` tag, else the whole response. Some scorers give partial credit;
only a full score of 1.0 is right here. An answer that scores less gets a second chance without its LaTeX dress, and one
that a scorer stumbles over is wrong.
Scorers that evaluate the answer are kept from it: those that call `eval` get a parser of literals in its place, and
those that hand it to sympy see arithmetic only. Two are stricter here: `game_of_life_halting`, whose scorer takes any
text for `True`, and `puzzle24`, whose scorer takes any four numbers for those of the puzzle.
Reasons: equal, different, unscorable, no_answer, truncated; of the problem no_gold.
"""

import json
import re
import sys
from ast import literal_eval
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from functools import cache
from io import StringIO
from typing import Any

from tracegen.records import MissingExtra, Problem, Trace, Verdict
from tracegen.verifiers._answer import marked

VERSION = "2"
PACKAGES = ("reasoning-gym",)

TUPLES = {"arc_agi": "output", "rearc": "output"}
"""What of an entry's metadata its scorer compares with tuples of tuples, which JSON has no word for."""
STUMBLES = (ArithmeticError, AssertionError, AttributeError, LookupError, NameError, SyntaxError, TypeError, ValueError)
"""What scorers raise at answers that they did not expect."""

LITERALS = ("string_insertion", "spiral_matrix", "binary_matrix", "n_queens", "number_sorting")
"""Their scorers call `eval` on the answer."""
ARITHMETIC = ("simple_integration", "intermediate_integration", "polynomial_multiplication", "puzzle24", "countdown")
"""Their scorers hand the answer to sympy's `parse_expr`, which evaluates it."""

_HARMLESS = re.compile(
    r"(?:\s|\d+(?:\.\d+)?|[-+*/^(),]|(?:sinh?|cosh?|tanh?|asin|acos|atan|exp|log|ln|sqrt|Abs|pi|[A-Za-z])(?![\w.]))*+"
)
_MACRO = re.compile(r"\\(?:text|mbox|mathrm|textbf|mathbf)\s*\{([^{}]*)\}")
_FRACTION = re.compile(r"\\[dt]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}")


def gym(problem: Problem, response: str, *, trace: Trace | None = None) -> Verdict:
    """Scored by the reasoning-gym task that made the problem; right at 1.0. MissingExtra without reasoning-gym."""
    task, entry = problem.extra.get("gym_task"), _entry(problem.extra)
    if entry is None:
        return Verdict("unverifiable", None, "no_gold")
    score = _scorer(str(task), json.dumps(problem.extra.get("gym_config") or {}))
    if trace is not None and trace.status == "truncated":
        return Verdict("wrong", None, "truncated")
    inside = marked(response)
    answer = (response if inside is None else inside).strip()
    if not answer:
        return Verdict("wrong", None, "no_answer")
    reason = "different"
    for form in dict.fromkeys([answer, _plain(answer)]):
        try:
            # Some scorers print, and a worker shares its standard output with the command that asks.
            with redirect_stdout(StringIO()):
                full = float(score(form, entry) or 0) >= 1.0
            if full:
                return Verdict("right", answer, "equal")
        except STUMBLES:
            reason = "unscorable"
    return Verdict("wrong", answer, reason)


def gold_is_answer(problem: Problem, **_: object) -> bool:
    """The scorer judges what has many right answers; a gold that leaves an integral as it is answers nothing."""
    left_open = problem.extra.get("gym_task") in ARITHMETIC and not _HARMLESS.fullmatch(problem.answer or "")
    return _entry(problem.extra) is None or not (problem.answer is None or left_open)


def warm() -> None:
    """Pays for the import before any deadline runs."""
    _scorer("basic_arithmetic", "{}")


def _entry(extra: Mapping[str, Any]) -> dict[str, Any] | None:
    """The entry as its generator made it; None where the problem has none."""
    entry = extra.get("gym_entry")
    if isinstance(entry, str):
        entry = json.loads(entry)
    if not extra.get("gym_task") or not isinstance(entry, Mapping):
        return None
    metadata = dict(entry.get("metadata") or {})
    if (name := TUPLES.get(str(extra["gym_task"]))) in metadata:
        metadata[name] = tuple(tuple(row) for row in metadata[name])
    return {**entry, "metadata": metadata}


@cache
def _scorer(task: str, config: str) -> Callable[[str, dict[str, Any]], Any]:
    """The task's scorer, kept from evaluating what a model wrote."""
    try:
        from reasoning_gym import create_dataset
    except ImportError as error:
        raise MissingExtra("reasoning-gym", "gym") from error
    dataset = create_dataset(task, **json.loads(config))
    if task in LITERALS:
        vars(sys.modules[type(dataset).__module__])["eval"] = literal_eval
    score: Callable[[str, dict[str, Any]], float] = dataset.score_answer
    if task == "game_of_life_halting":
        return lambda answer, entry: answer.casefold() == str(entry["answer"]).casefold()
    if task == "puzzle24":
        return lambda answer, entry: _HARMLESS.fullmatch(answer) and _makes_24(answer, entry) and score(answer, entry)
    if task in ARITHMETIC:
        return lambda answer, entry: _HARMLESS.fullmatch(answer) and score(answer, entry)
    return score


def _makes_24(answer: str, entry: Mapping[str, Any]) -> bool:
    """From the puzzle's own numbers, and 24 exactly; the task's scorer cuts fractions off."""
    from sympy import parse_expr

    used = sorted(map(int, re.findall(r"\d+", answer)))
    return used == sorted(entry["metadata"]["numbers"]) and parse_expr(answer) == 24


def _plain(answer: str) -> str:
    """`$\\text{heads}$` as `heads`, `\\frac{1}{2}` as `1/2`: what a box around a plain answer tends to add."""
    answer = _MACRO.sub(r"\1", _FRACTION.sub(r"\1/\2", answer.strip().strip("$")))
    answer = re.sub(r"\\[,;! ]", " ", answer).replace(r"\times", "*").replace(r"\cdot", "*").replace("\\%", "%")
    return re.sub(r"\\([{}_$#&])", r"\1", answer).strip().strip("$").strip()
