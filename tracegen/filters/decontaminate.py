"""Keep traces that hold no question of a benchmark: not as it stands, nor re-spaced, renamed or with other numbers.

The rules and what their thresholds rest on stand in `tracegen/leaks.py`: a whole question, a run of 13 words in common
(GPT-3, arXiv:2005.14165, appendix C), or most of a question's words in its order. Looked through are the statement, the
reasoning and the response. With `semantic`, a statement that means what a question does is a leak as well, as Yang et
al. 2023 (arXiv:2311.04850) find paraphrases; of a question of few words its numbers have to be there too. With
all-MiniLM-L6-v2 four of seven questions told in other words have a cosine of 0.85 or more with themselves, and none of
150 training problems of GSM8K and 50 of the quickstart have it with one of 460 others; without the numbers, 17 would.
Noted: benchmark, problem, rule, how much of the question is there, and the words of both sides with their place in the
trace; of a benchmark problem whose `extra` says `confidential`, the place only.
Memory: some integers for each word of the benchmarks, made once; nothing grows with the traces.
Reason: the benchmark's name.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import Field

from tracegen import embeddings, registry
from tracegen.filters import Note, unnoted
from tracegen.leaks import NGRAM, OWN_BELOW, Leak, Questions, needed
from tracegen.overlap import numbers, words
from tracegen.records import Problem, Trace, UsageError

DECIDES = "trace"
SHOWN = 600
"""Characters of one side that are noted."""
BATCH = 64
"""Questions that an embedding model reads at once."""

Find = Callable[[str], Leak | None]


def decontaminate(
    traces: Iterable[Trace],
    *,
    ngram: int = NGRAM,
    against: Literal["all", "recipe"] | list[str] = "all",
    semantic: str | None = None,
    semantic_near: Annotated[float, Field(gt=0, le=1)] = 0.85,
    problems: Mapping[str, Problem],
    benchmarks: Mapping[str, Sequence[Problem]],
    note: Note = unnoted,
) -> Iterator[tuple[Trace, str | None]]:
    """Drop a trace that holds a question of a benchmark, whatever its spacing, names and numbers.

    `ngram` words in a row are a leak by themselves. `against` says which benchmarks are looked for beside those of the
    recipe: `all` that can be had, none (`recipe`), or those of a list of names. `semantic` is an embedding model, a
    folder or a name on the Hub, and `semantic_near` the least cosine of a statement that means the same.
    """
    _check(ngram, against)
    if semantic:
        embeddings.check(semantic)
    questions = Questions(benchmarks, ngram)
    means = _meaning(semantic, semantic_near, benchmarks) if semantic and benchmarks else lambda statement: None
    kept_back = {(name, p.id) for name, those in benchmarks.items() for p in those if p.extra.get("confidential")}

    # The traces of one problem stand together and share its statement.
    @lru_cache(maxsize=1)
    def asked(statement: str) -> Leak | None:
        return questions.in_statement(statement) or means(statement)

    for trace in traces:
        looks: dict[str, tuple[str, Find]] = {
            "statement": (problems[trace.problem_id].statement, asked),
            "reasoning": (trace.reasoning, questions.inside),
            "response": (trace.response, questions.inside),
        }
        leak = None
        for part, (text, find) in looks.items():
            if leak := find(text):
                note(trace, _evidence(leak, part, text, (leak.benchmark, leak.problem) in kept_back))
                break
        yield trace, leak.benchmark if leak else None


def _evidence(leak: Leak, part: str, text: str, confidential: bool) -> dict[str, Any]:
    start, end = leak.ours
    where = {"benchmark": leak.benchmark, "problem": leak.problem, "rule": leak.rule, "share": leak.share, "part": part}
    said = {} if confidential else {"theirs": leak.theirs[:SHOWN], "ours": text[start:end][:SHOWN]}
    return where | {"start": start, "end": end} | said


def _meaning(model: str, near: float, benchmarks: Mapping[str, Sequence[Problem]]) -> Find:
    import numpy

    embed = embeddings.embedder(model)
    asked = [
        (name, problem, needed(words(problem.statement))) for name, those in benchmarks.items() for problem in those
    ]
    texts = [problem.statement for _, problem, _ in asked]
    vectors = numpy.concatenate([embed(texts[start : start + BATCH]) for start in range(0, len(texts), BATCH)])

    def find(statement: str) -> Leak | None:
        cosines = vectors @ embed([statement])[0]
        there = Counter(numbers(words(statement)))
        for place in sorted(numpy.flatnonzero(cosines >= near), key=lambda place: -cosines[place]):
            name, problem, needs = asked[place]
            if needs <= there:
                share = round(float(cosines[place]), 2)
                return Leak(name, problem.id, "semantic", share, problem.statement, (0, len(statement)))
        return None

    return find


def _check(ngram: int, against: str | list[str]) -> None:
    if ngram < OWN_BELOW:
        raise UsageError(f"filter 'decontaminate': ngram is {ngram}; it takes a number of words from {OWN_BELOW} up.")
    known = registry.names("benchmark")
    for name in against if isinstance(against, list) else ():
        if name not in known:
            raise UsageError(
                f"filter 'decontaminate': against names {name!r}; it takes all, recipe, or a list of these: "
                f"{', '.join(known)}. Held-out problems of your own stand in evaluate.benchmarks."
            )
        registry.bind("benchmark", name)  # one that is none before it is told which is refused
