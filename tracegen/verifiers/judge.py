"""A model's verdict: is the final answer of the response the gold answer?

Rule: LLM-as-a-judge with a reference (Zheng et al. 2023, arXiv:2306.05685). The rubric is a prompt file; its answer
must end in one line, `VERDICT <mark>: RIGHT`, `WRONG` or `UNSURE`. The mark is a hash of all that is judged, and also
stands around each text: a response that holds a verdict line, or that closes the quotation, cannot know it. The
question is put with the gold before the response and (`swap`) behind it, `repeats` times each, because judges lean on
the order; what does not agree (`agreement`: unanimous, or majority) is `unverifiable`.
The house fills in `ask`: answers are on disk before they are read, counted in the budget, and never asked twice. What
a reasoning judge thinks is taken off first. The `answer` is where every verifier looks for it; the model is not told.
Reasons: agreed, truncated, no_answer; split, unreadable; unanswered (the model failed; asked again by the next launch);
of the gold no_gold.
Limits: the mark keeps a verdict from being forged, not a judge from being talked round. Only the last LONGEST
characters of a response are shown. Measure a judge against a rule before you trust it (`second_opinion`).
"""

import hashlib
import re
from collections import Counter
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from tracegen import prompts
from tracegen.format import split
from tracegen.records import Completion, Problem, Trace, Verdict
from tracegen.verifiers import _answer

VERSION = "2"

LONGEST = 20_000
"""Characters of a response that are shown: its end, where the answer stands."""
OUTCOMES = {"RIGHT": "right", "WRONG": "wrong", "UNSURE": "unsure"}

Ask = Callable[..., list[Completion]]


def _there(prompt: str) -> str:
    prompts.load(prompt)
    return prompt


def judge(
    problem: Problem,
    response: str,
    *,
    ask: Ask,
    trace: Trace | None = None,
    prompt: Annotated[str, AfterValidator(_there)] = "judge",
    repeats: Annotated[int, Field(ge=1)] = 1,
    swap: bool = True,
    agreement: Literal["unanimous", "majority"] = "unanimous",
    needs_gold: bool = True,
) -> Verdict:
    """A model says whether the response comes to the gold answer, asked in both orders; it must agree with itself."""
    gold = (problem.answer or "").strip()
    if needs_gold and not gold:
        return Verdict("unverifiable", reason="no_gold")
    if trace is not None and trace.status == "truncated":
        return Verdict("wrong", reason="truncated")
    if not response.strip():
        return Verdict("wrong", reason="no_answer")
    mark = hashlib.sha256(repr((problem.statement, gold, response)).encode("utf-8", "replace")).hexdigest()[:10]
    shown = response.strip()[-LONGEST:]
    rubric = prompts.load(prompt)
    orders = (True, False) if swap and gold else (True,)
    asked = [rubric.messages(problem, response=shown, gold=gold, gold_first=order, mark=mark) for order in orders]
    completions = ask(*asked, repeats=repeats)
    if failed := [completion.error for completion in completions if completion.error is not None]:
        return Verdict("error", reason="unanswered", detail=failed[0][:300])
    votes = Counter(_vote(completion, mark) for completion in completions)
    detail = ", ".join(f"{count} {vote}" for vote, count in votes.most_common())
    (first, count), total = votes.most_common(1)[0], votes.total()
    said: dict[str, Any] = {"share": count / total, "detail": detail}
    if found := _answer.find(response):
        said |= {"answer": found.text, "place": found.place, "span": (found.start, found.end)}
    if votes["unreadable"] == total:
        return Verdict("unverifiable", reason="unreadable", **said)
    enough = count == total if agreement == "unanimous" else count > total / 2
    if not enough or first not in ("right", "wrong"):
        return Verdict("unverifiable", reason="split", **said)
    return Verdict("right" if first == "right" else "wrong", reason="agreed", **said)


def inputs(*, prompt: str = "judge", **_: object) -> dict[str, Any]:
    """The rubric, word for word: another one judges anew."""
    return prompts.load(prompt).as_dict()


def gold_is_answer(problem: Problem, *, needs_gold: bool = True, **_: object) -> bool:
    """Without `needs_gold`, the model works the problem out for itself."""
    return needs_gold


def _vote(completion: Completion, mark: str) -> str:
    """What the last line says: `right`, `wrong` or `unsure`; `unreadable` where it is no verdict line."""
    parts = split(completion.text, reasoning=completion.reasoning, finish_reason=completion.finish_reason)
    lines = parts.response.split("\n")
    said = re.fullmatch(rf"[\s*_`#>]*VERDICT\s+{mark}\s*:[\s*_]*(RIGHT|WRONG|UNSURE)[\s*_`.]*", lines[-1])
    return OUTCOMES[said.group(1)] if said else "unreadable"
