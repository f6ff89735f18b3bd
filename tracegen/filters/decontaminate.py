"""Keep traces that share no long run of words with a benchmark.

The rule of GPT-3 (arXiv 2005.14165, appendix C): a run of 13 words in common, without case and punctuation. Runs of 8
words, as open-r1 and s1 take them, also flag problems that merely ask in the same phrase.
Memory: an integer for each run of words in the benchmarks, made once; nothing grows with the traces.
Reason: the benchmark's name.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence

from tracegen.records import Problem, Trace, UsageError

_EXACT_BELOW = 5
"""A benchmark problem of fewer words, such as "What is 3 + 4?", stands inside others by chance."""
_LETTER = r"[^\W\d_]"
_DASH = re.compile(rf"-(?:-+|(?<={_LETTER}-)(?={_LETTER}))")
_THOUSANDS = re.compile(r",(?<=\d,)(?=\d{3}(?!\d))")
_OPERATORS = frozenset("-+*/=<>^%()|")
_TOKEN = re.compile(rf"{_LETTER}+|\d+(?:\.\d+)?|[-+*/=<>^%()|]")
_SPELLINGS = str.maketrans({"−": "-", "×": "*", "·": "*", "÷": "/", "⁄": "/"})


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
    if ngram < _EXACT_BELOW:
        raise UsageError(
            f"filter 'decontaminate': ngram is {ngram}; it takes a number of words from {_EXACT_BELOW} up."
        )
    anywhere: dict[int, str] = {}
    whole: dict[int, dict[int, str]] = {}
    equal: dict[tuple[str, ...], str] = {}
    for name, held_out in benchmarks.items():
        for problem in held_out:
            words = _words(problem.statement)
            if len(words) >= ngram:
                for run in _runs(words, ngram):
                    anywhere.setdefault(run, name)
            elif len(words) >= _EXACT_BELOW:
                whole.setdefault(len(words), {}).setdefault(hash(tuple(words)), name)
            elif words:
                equal.setdefault(tuple(words), name)
    for trace in traces:
        statement = _words(problems[trace.problem_id].statement)
        yield (
            trace,
            (
                equal.get(tuple(statement))
                or _find(anywhere, statement, ngram)
                or next(filter(None, (_find(runs, statement, size) for size, runs in whole.items())), None)
                or _find(anywhere, _words(trace.reasoning), ngram)
                or _find(anywhere, _words(trace.response), ngram)
            ),
        )


def _words(text: str) -> list[str]:
    """Words and numbers without case and punctuation, each with the operators in front of it: `3`, `+4`, `(x`."""
    text = unicodedata.normalize("NFKC", text).casefold()
    if not text.isascii():
        text = text.translate(_SPELLINGS)
    words, operators = [], ""
    for token in _TOKEN.findall(_THOUSANDS.sub("", _DASH.sub(" ", text))):
        if token in _OPERATORS:
            operators += token
        else:
            words.append(operators + token)
            operators = ""
    return words


def _runs(words: Sequence[str], size: int) -> Iterator[int]:
    return map(hash, zip(*(words[start:] for start in range(size)), strict=False))


def _find(runs: Mapping[int, str], words: Sequence[str], size: int) -> str | None:
    found = next(filter(runs.__contains__, _runs(words, size)), None)
    return None if found is None else runs[found]
