"""reasoning-gym's own scorers, for problems that its generators made.

The problem's `extra` holds `gym_task` (the data set's name) and `gym_entry` (the generated entry, as JSON).
The answer is the last box, else the last `<answer>` tag, else the whole response. Some scorers give partial credit;
only a full score of 1.0 is right here. An answer that scores less gets a second chance without its LaTeX dress.
Some of those scorers evaluate the answer as Python or through sympy (`spiral_matrix`, `countdown`): the judge's worker
process bounds their time and memory, it is no sandbox.
"""

import json
import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from tracegen.records import MissingExtra, Problem, Verdict
from tracegen.verifiers._answer import marked

VERSION = "1"
PACKAGES = ("reasoning-gym",)

_MACRO = re.compile(r"\\(?:text|mbox|mathrm|textbf|mathbf)\s*\{([^{}]*)\}")
_FRACTION = re.compile(r"\\[dt]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}")


def gym(problem: Problem, response: str) -> Verdict:
    """Scored by the reasoning-gym task that made the problem; right at 1.0. MissingExtra without reasoning-gym."""
    entry = _entry(problem.extra)
    if entry is None:
        return Verdict("unverifiable", None, "no_gold")
    score = _scorer(str(problem.extra["gym_task"]))
    inside = marked(response)
    answer = (response if inside is None else inside).strip()
    if not answer:
        return Verdict("wrong", None, "no_answer")
    right = any(float(score(form, entry)) >= 1.0 for form in dict.fromkeys([answer, _plain(answer)]))
    return Verdict("right", answer, "equal") if right else Verdict("wrong", answer, "different")


def warm() -> None:
    """Pays for the import before any deadline runs."""
    _scorer("basic_arithmetic")


def _entry(extra: Mapping[str, Any]) -> dict[str, Any] | None:
    entry = extra.get("gym_entry")
    if isinstance(entry, str):
        entry = json.loads(entry)
    return dict(entry) if extra.get("gym_task") and isinstance(entry, Mapping) else None


@cache
def _scorer(task: str) -> Callable[[str, dict[str, Any]], float]:
    try:
        from reasoning_gym import get_score_answer_fn
    except ImportError as error:
        raise MissingExtra("reasoning-gym", "gym") from error
    return get_score_answer_fn(task)  # type: ignore[no-any-return]


def _plain(answer: str) -> str:
    """`$\\text{heads}$` as `heads`, `\\frac{1}{2}` as `1/2`: what a box around a plain answer tends to add."""
    answer = _MACRO.sub(r"\1", _FRACTION.sub(r"\1/\2", answer.strip().strip("$")))
    answer = re.sub(r"\\[,;! ]", " ", answer).replace(r"\times", "*").replace(r"\cdot", "*").replace("\\%", "%")
    return re.sub(r"\\([{}_$#&])", r"\1", answer).strip().strip("$").strip()
