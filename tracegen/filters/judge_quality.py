"""Keep traces whose reasoning a model finds good enough.

Rule: a score from 0 to 5 to which each of five properties adds a point, and a threshold of 3: the additive scale of
FineWeb-Edu (arXiv:2406.17557, section 4), which kept what had 3 or more. AlpaGasus (arXiv:2307.08701) kept 4.5 and more
of a scale of the same length. The rubric is a prompt file; the model's answer must end in `SCORE <mark>: 4`. The mark
is a hash of all that is rated and stands around each text, so that no trace can write its own score. With `repeats`
the scores' mean counts.
The house fills in `ask`: answers are on disk before they are read, counted in the budget, and never asked for twice.
Reasons: `low_quality`; `unreadable` (no score in the last line); `unanswered` (the model failed: asked again by the
next launch). Noted: the scores, and what the model said.
Limits: a model leans to long and to its own answers (Zheng et al. 2023, arXiv:2306.05685), and a trace can talk it
round. Of a longer part only its first and last LONGEST / 2 characters are shown. Look at what it drops before you
believe it.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from statistics import fmean
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from tracegen import prompts
from tracegen.filters import Note, unnoted
from tracegen.filters._ahead import ahead
from tracegen.format import split
from tracegen.records import Completion, Problem, Trace

LONGEST = 24_000
"""Characters of reasoning or response that are shown: about 8,000 tokens, which leaves room in a context of 32,000."""
SAID = 300
"""Characters of the model's grounds that go with a drop."""


def _there(prompt: str) -> str:
    prompts.load(prompt)
    return prompt


def judge_quality(
    traces: Iterable[Trace],
    *,
    problems: Mapping[str, Problem],
    ask: Callable[..., list[Completion]],
    note: Note = unnoted,
    min_score: Annotated[float, Field(ge=0, le=5)] = 3.0,
    prompt: Annotated[str, AfterValidator(_there)] = "judge_quality",
    repeats: Annotated[int, Field(ge=1)] = 1,
    at_once: Annotated[int, Field(ge=1)] = 32,
) -> Iterator[tuple[Trace, str | None]]:
    """Drop a trace to which a model gives fewer than `min_score` of 5 points; `at_once` traces are rated together."""
    rubric = prompts.load(prompt)

    def rate(trace: Trace) -> list[Completion]:
        texts = {"reasoning": _shown(trace.reasoning), "response": _shown(trace.response)}
        problem = problems[trace.problem_id]
        return ask(rubric.messages(problem, **texts, mark=_mark(problem, trace)), repeats=repeats)

    for trace, completions in ahead(traces, rate, at_once):
        mark = _mark(problems[trace.problem_id], trace)
        evidence: dict[str, Any]
        found = [_score(completion, mark) for completion in completions if completion.error is None]
        scores = [score for score, _ in found if score is not None]
        if len(found) < len(completions):
            reason, evidence = "unanswered", {"error": next(c.error for c in completions if c.error is not None)[:SAID]}
        elif not scores:
            reason, evidence = "unreadable", {"said": found[0][1]}
        elif fmean(scores) < min_score:
            reason, evidence = "low_quality", {"score": fmean(scores), "scores": scores, "said": found[0][1]}
        else:
            yield trace, None
            continue
        note(trace, evidence)
        yield trace, reason


def inputs(*, prompt: str = "judge_quality", **_: object) -> dict[str, Any]:
    """The rubric, word for word: with another one the traces are rated anew."""
    return prompts.load(prompt).as_dict()


def _shown(text: str) -> str:
    half = LONGEST // 2
    return text if len(text) <= LONGEST else f"{text[:half]}\n[... left out ...]\n{text[-half:]}"


def _mark(problem: Problem, trace: Trace) -> str:
    rated = repr((problem.statement, trace.reasoning, trace.response))
    return hashlib.sha256(rated.encode("utf-8", "replace")).hexdigest()[:10]


def _score(completion: Completion, mark: str) -> tuple[float | None, str]:
    """The score in the last line, if one stands there, and the grounds before it."""
    said = split(completion.text, reasoning=completion.reasoning, finish_reason=completion.finish_reason).response
    grounds, _, last = said.rstrip().rpartition("\n")
    found = re.fullmatch(
        rf"[\s*_`#>]*SCORE\s+{mark}\s*:[\s*_]*(5(?:\.0+)?|[0-4](?:\.\d+)?)(?:\s*/\s*5)?[\s*_`.]*", last
    )
    return (float(found.group(1)) if found else None), (grounds if found else said).strip()[:SAID]
