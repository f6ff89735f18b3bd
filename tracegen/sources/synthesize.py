"""New problems, written by a model: from seed problems, topics, personas or documents, with answers by majority vote.

    draft      a prompt (`synthesize_<method>`) and a piece of material: a statement between <problem> and </problem>
    refuse     what is malformed, or near to a benchmark, a seed or an earlier statement (`_near`)
    solve      `solutions` independent solutions of what is left, and a vote on their answers (`_vote`)

The methods come from MetaMath's rephrasing (Yu et al. 2023, arXiv:2309.12284), Evol-Instruct (Xu et al. 2023,
arXiv:2304.12244) and Persona Hub (Ge et al. 2024, arXiv:2406.20094). The house fills in `ask` (what was asked once is
on disk and never asked again), `hear` (verifiers), `drop` (keeps what is refused, with the reason) and `benchmarks`.
The same options and seed give the same problems with the same ids in the same order, whatever finishes first: many
drafts and solutions are under way (`_tally`), and looked at in the order of the plan (`_plan`).
Limits: problems with a final answer that the math verifier can read; a vote is as right as the model. Material, and the
words of every statement, are held in memory.
"""

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Annotated, Any, TypeVar

from pydantic import Field

from tracegen import prompts
from tracegen.format import split
from tracegen.overlap import words
from tracegen.progress import Bar
from tracegen.recipe import Terms
from tracegen.records import Completion, Problem
from tracegen.sources._material import fingerprint, gather, identity
from tracegen.sources._near import Near
from tracegen.sources._plan import Attempt, plan
from tracegen.sources._tally import ABREAST, Tally
from tracegen.sources._vote import Hear, Vote, keeps_answer, vote

VERSION = "1"
VERIFIERS = ("math", "majority")
"""Heard on answers; their workers are warmed."""

LONGEST, SHORTEST = 4_000, 4
"""Characters and words of a statement."""
_DRAFT = re.compile(r"<problem>(.*?)</problem>", re.DOTALL)
_SOLVED = re.compile(r"</?problem>|\\boxed|^\W*(?:solution|answer)\W*:", re.IGNORECASE | re.MULTILINE)

Ask = Callable[..., list[Completion]]
Drop = Callable[[Problem, str], None]
Item = TypeVar("Item")
Made = TypeVar("Made")


def synthesize(
    *,
    ask: Ask,
    hear: Hear,
    drop: Drop,
    benchmarks: Mapping[str, Sequence[Problem]],
    benchmarks_dir: str | None = None,
    seeds: dict[str, Any] | None = None,
    topics: str | None = None,
    personas: str | None = None,
    documents: str | None = None,
    how: dict[str, Annotated[int, Field(ge=1)]] | None = None,
    solve: str = "boxed",
    solutions: Annotated[int, Field(ge=2)] = 8,
    min_agreement: Annotated[float, Field(gt=0, le=1)] = 0.5,
    limit: Annotated[int, Field(ge=1)] | None = None,
    give_up_after: Annotated[int, Field(ge=1)] = 100,
    domain: str | None = None,
    licence: str | None = None,
    terms: Terms | None = None,
    seed: int = 1,
) -> Iterator[Problem]:
    """New problems that a model writes and solves, by majority vote: from seeds, topics, personas or documents.

    `seeds` is a source with its options; `topics` a YAML tree, `personas` a file with one a line, `documents` a file or
    a folder. `how` says how often each method is tried on each piece of its material: `rephrase`, `harder`, `numbers`
    (on seeds), `topic`, `persona`, `document`, or a prompt file of your own; by default each once. `solve` is the
    prompt that solves. `domain` and `licence` hold where the material has none of its own, `terms` are the model's.
    No more is tried after `give_up_after` attempts in a row that gave nothing; TracegenError where none ever did.
    """
    material = gather(seeds, topics, personas, documents, benchmarks_dir)
    attempts, solver = plan(material, how, seed), prompts.load(solve)
    near, tally = Near(benchmarks, material.get("seeds", ())), Tally(limit, len(attempts))

    def refuse(problem: Problem, reason: str, **about: Any) -> None:
        tally.refused[reason] += 1
        tally.barren += 1
        drop(replace(problem, extra={**problem.extra, **about}), reason)

    def planned() -> Iterator[Attempt]:
        for attempt in attempts:
            if tally.barren >= give_up_after:
                return
            yield attempt

    def drafted(attempt: Attempt) -> Completion:
        return ask(attempt.messages, repeats=attempt.sample + 1)[-1]

    def fresh(drafts: Iterable[tuple[Attempt, Completion]]) -> Iterator[tuple[Attempt, Problem]]:
        for attempt, draft in drafts:
            tally.tried[attempt.method] += 1
            statement, reason = _read(draft)
            problem = _problem(attempt, statement, domain, licence, terms)
            if reason:
                refuse(problem, reason, **({"error": draft.error} if draft.error else {}))
            elif known := near.find(statement):
                refuse(problem, known.reason, like=known.like, share=known.share)
            else:
                near.add(problem)
                yield attempt, problem

    def voted(new: tuple[Attempt, Problem]) -> Vote:
        attempt, problem = new
        answers = ask(solver.messages(problem), repeats=solutions)
        found = vote(problem, answers, hear=hear, min_agreement=min_agreement)
        if found.answer and attempt.method == "rephrase" and not keeps_answer(attempt.material, found.answer, hear):
            return Vote(None, "answer_changed", found.about | {"answer": found.answer})
        return found

    pool = ThreadPoolExecutor(2 * ABREAST, "synthesis")
    try:
        with Bar("synthesize", limit or len(attempts), "problems") as bar:
            new = fresh(_ahead(pool, drafted, planned(), tally.drafts))
            for (attempt, problem), found in _ahead(pool, voted, new, tally.votes):
                tally.voted += 1
                if found.answer is None:
                    refuse(problem, found.reason, **found.about)
                    continue
                tally.barren = 0
                tally.kept[attempt.method] += 1
                bar.advance(note=tally.by_method())
                yield replace(problem, answer=found.answer, extra={**problem.extra, **found.about})
                if tally.full:
                    break
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    tally.conclude()


def inputs(
    *,
    seeds: dict[str, Any] | None = None,
    topics: str | None = None,
    personas: str | None = None,
    documents: str | None = None,
    how: dict[str, int] | None = None,
    solve: str = "boxed",
    benchmarks_dir: str | None = None,
    **_: object,
) -> dict[str, Any]:
    """What shapes the problems beside the options: the text of files and of prompts. JSON-able."""
    material = gather(seeds, topics, personas, documents, benchmarks_dir)
    used = {attempt.method: attempt.prompt for attempt in plan(material, how, 0)}
    return {
        "material": fingerprint(material),
        "prompts": {method: prompt.as_dict() for method, prompt in used.items()},
        "solve": prompts.load(solve).as_dict(),
    }


def _read(draft: Completion) -> tuple[str, str]:
    """The statement that was written, and the reason to refuse it, if there is one."""
    if draft.error is not None:
        return "", "unanswered"
    parts = split(draft.text, reasoning=draft.reasoning, finish_reason=draft.finish_reason)
    found = _DRAFT.findall(parts.response)
    statement = found[-1].strip() if found else parts.response
    sound = found and len(statement) <= LONGEST and len(words(statement)) >= SHORTEST and not _SOLVED.search(statement)
    return statement, "" if sound else "malformed"


def _problem(attempt: Attempt, statement: str, domain: str | None, licence: str | None, terms: Terms | None) -> Problem:
    """The problem, as far as it is known before its answer is."""
    material = attempt.material
    of_seed = {"seed": material.id} if attempt.of_seed else material.extra
    of_terms = {"terms": terms.model_dump(exclude_none=True)} if terms else {}
    return Problem(
        id=f"{attempt.method}-{identity(statement)}",
        statement=statement,
        verifier="math",
        source=f"synthesized from {material.source or ('seeds' if attempt.of_seed else next(iter(material.extra)))}",
        domain=material.domain or domain,
        licence=material.licence or licence,
        extra={"method": attempt.method, **of_seed, **of_terms},
    )


def _ahead(
    pool: ThreadPoolExecutor, call: Callable[[Item], Made], items: Iterable[Item], room: Callable[[], int]
) -> Iterator[tuple[Item, Made]]:
    """Each item with what `call` makes of it, in order, while as many calls as there is room for are under way."""
    waiting, ahead = iter(items), deque[tuple[Item, Future[Made]]]()
    while True:
        while len(ahead) < room() and (more := next(((item,) for item in waiting), None)):
            ahead.append((more[0], pool.submit(call, more[0])))
        if not ahead:
            return
        item, future = ahead.popleft()
        yield item, future.result()
