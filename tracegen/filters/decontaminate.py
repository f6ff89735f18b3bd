"""Keep traces that share no long run of words with a benchmark.

The rule of GPT-3 (arXiv 2005.14165, appendix C): a run of 13 words in common, without case and punctuation. Runs of 8
words, as open-r1 and s1 take them, also flag problems that merely ask in the same phrase.
Memory: an integer for each run of words in the benchmarks, made once; nothing grows with the traces.
Reason: the benchmark's name.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from tracegen.overlap import EXACT_BELOW, Runs, words
from tracegen.records import Problem, Trace, UsageError


def decontaminate(
    traces: Iterable[Trace],
    *,
    ngram: int = 13,
    problems: Mapping[str, Problem],
    benchmarks: Mapping[str, Sequence[Problem]],
) -> Iterator[tuple[Trace, str | None]]:
    """Drop a trace that has `ngram` words in a row in common with the statement of a benchmark problem.

    Searched are problem statement, reasoning and response. A benchmark problem shorter than `ngram` words has to occur
    as a whole in the statement, one shorter than 5 words has to be the statement.
    """
    if ngram < EXACT_BELOW:
        raise UsageError(f"filter 'decontaminate': ngram is {ngram}; it takes a number of words from {EXACT_BELOW} up.")
    held_out = Runs(ngram)
    for name, those in benchmarks.items():
        for problem in those:
            held_out.add(words(problem.statement), name)
    for trace in traces:
        yield (
            trace,
            held_out.statement(words(problems[trace.problem_id].statement))
            or held_out.inside(words(trace.reasoning))
            or held_out.inside(words(trace.response)),
        )
