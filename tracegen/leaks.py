"""The questions of benchmarks, found again in other texts: as they stand, re-spaced, renamed or with other numbers.

Questions(benchmarks, ngram)   the questions, ready to be looked for
    .in_statement(text)        the first Leak in the statement of a problem, or None
    .inside(text)              the same of any other text
needed(words)                  the numbers without which a text does not ask what a question of these words asks

A text is gone through twice, by short runs of words that stand in some question: as they are, and without operators and
numbers. What these point at is looked at closely; they decide nothing. The rules, in the order in which they are tried:

whole   the question stands in the text, word for word and number for number
run     `ngram` words in a row are the question's; what different questions have in common, as contests end in the same
        sentence, does not count
alike   most of its words stand there in its order, whatever the names and numbers

Memory: some integers for each word of the benchmarks; nothing grows with the texts.
Limits: words are compared, so a question in other words or another language passes; see docs/decontamination.md.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from functools import cached_property
from typing import NamedTuple

from tracegen.overlap import bare, numbers, place, words
from tracegen.records import Problem

NGRAM = 13
"""Words in a row that are a leak: GPT-3, arXiv:2005.14165, appendix C."""
EQUAL_BELOW = 5
"""A question of fewer words, such as "What is 3 + 4?", stands inside others by chance: it has to be the statement."""
OWN_BELOW = 8
"""A question of fewer words has to stand in a statement. Eight in a row are what open-r1 and s1 take for a leak; here
they only point at a question, for by themselves they flag 24 of 2,000 training problems of GSM8K."""
SAYING = 5
"""Different words that a run must have beside numbers, symbols and letters: a count from 1 to 13 is no leak."""
NOMINATE = 5
"""Words in a row, whatever their numbers, that point at a question; of renamed questions fewer are left in a row."""
TELLING = 3
"""Different words, beside numbers, symbols and letters, that such a run must have."""
HELD = 8
"""A run that more questions hold points at none of them: "where m and n are relatively prime positive integers"."""
ALIKE = 0.6
"""Share of a question's words, in blocks of at least two, whatever its numbers. Of 2,000 training problems of GSM8K,
two share so much with one of 3,245 questions, and both are a test problem with other things and numbers; of these
questions, looked for in other benchmarks, one does. At 0.5, 29 do, most of them merely of the same kind."""
ENOUGH = 12
"""A question of fewer different words, "What is the remainder when 55 is divided by 9?", is without its numbers a kind
of question and no question: its numbers have to stand there too, all of them, and ALIKE_SHORT of its words."""
ALIKE_SHORT = 0.75
_FENCED = re.compile(r"^```.*$", re.MULTILINE)
_FRAME = re.compile(r"\n\s*\n")


class Leak(NamedTuple):
    """A question of a benchmark that a text holds."""

    benchmark: str
    problem: str
    rule: str
    share: float
    """How much of the question stands there."""
    theirs: str
    """What of the question matches, as the benchmark has it."""
    ours: tuple[int, int]
    """Where it stands in the text, in characters."""


class Questions:
    """What benchmarks ask, looked for in texts; a benchmark that comes first is found first."""

    def __init__(self, benchmarks: Mapping[str, Sequence[Problem]], ngram: int) -> None:
        self._ngram = ngram
        self._short: dict[int, dict[tuple[str, ...], _Question]] = defaultdict(dict)
        self._long: list[_Question] = []
        known: set[tuple[str, ...]] = set()
        for name, problems in benchmarks.items():
            for question in _questions(name, problems):
                key = tuple(question.words)
                if key in known:
                    continue
                known.add(key)
                if len(key) < OWN_BELOW:
                    self._short[len(key)][key] = question
                else:
                    self._long.append(question)
        held = _held([question.words for question in self._long], OWN_BELOW)
        self._common = {run for run, places in held.items() if len(places) > 1 and self._differ(places)}
        # A question all of whose runs are common, one of many of a kind, is found by the least common of them.
        rarest = {min(question.runs, key=lambda run: len(held[run])) for question in self._long}
        self._exact = {run: places for run, places in held.items() if len(places) <= HELD or run in rarest}
        told = [question.bare if len(question.says) >= OWN_BELOW else [] for question in self._long]
        self._bare = {run: places for run, places in _held(told, NOMINATE, TELLING).items() if len(places) <= HELD}

    def in_statement(self, text: str) -> Leak | None:
        """The first question that a statement holds, or is."""
        found = words(text)
        for size, questions in self._short.items():
            if size >= EQUAL_BELOW or size == len(found):
                for start, run in enumerate(zip(*(found[skip:] for skip in range(size)), strict=False)):
                    if question := questions.get(run):
                        return question.leak("whole", 1.0, text, (0, size), (start, start + size))
        return self._find(text, found)

    def inside(self, text: str) -> Leak | None:
        """The first question that any other text holds."""
        return self._find(text, words(text))

    def _find(self, text: str, found: list[str]) -> Leak | None:
        return self._verbatim(text, found) or self._alike(text, found)

    def _verbatim(self, text: str, found: list[str]) -> Leak | None:
        tried: dict[tuple[_Question, int], int] = {}
        run = None
        for at, question, there in self._nominated(found, OWN_BELOW, self._exact):
            shift = at - there
            if there < tried.get((question, shift), 0):
                continue
            start, end = _longest(question.words, there, found, at)
            tried[question, shift] = end
            ours, share = (start + shift, end + shift), (end - start) / len(question.words)
            if share == 1:
                return question.leak("whole", share, text, (start, end), ours)
            if run is None and end - start >= self._ngram and self._particular(question, start, end):
                run = question.leak("run", share, text, (start, end), ours)
        return run

    def _particular(self, question: "_Question", start: int, end: int) -> bool:
        """Whether these words of a question are more than numbers, and more than what other questions say as well."""
        common = {
            word
            for at, run in enumerate(question.runs[start : end - OWN_BELOW + 1], start)
            if run in self._common
            for word in range(at, at + OWN_BELOW)
        }
        own = end - start - len(common)
        return own >= self._ngram - OWN_BELOW and len(_says(question.bare[start:end])) >= SAYING

    def _alike(self, text: str, found: list[str]) -> Leak | None:
        plain = bare(found)
        tried: dict[_Question, int] = {}
        for at, question, there in self._nominated(plain, NOMINATE, self._bare):
            if at < tried.get(question, 0):
                continue
            size = len(question.words)
            first, behind = max(0, at - there - size // 4), at - there + size + size // 4
            tried[question] = behind
            brief = len(question.says) < ENOUGH
            least, theirs, ours = (ALIKE_SHORT, question.words, found) if brief else (ALIKE, question.bare, plain)
            if len(question.says.intersection(plain[first:behind])) < least * len(question.says):
                continue
            if brief and not Counter(numbers(theirs)) <= Counter(numbers(ours[first:behind])):
                continue
            matcher = SequenceMatcher(None, theirs, ours[first:behind], autojunk=False)
            blocks = [block for block in matcher.get_matching_blocks() if block.size > 1]
            same = sum(word != "#" for block in blocks for word in theirs[block.a : block.a + block.size])
            if (share := same / (size - theirs.count("#"))) >= least:
                return question.leak(
                    "alike",
                    share,
                    text,
                    (blocks[0].a, blocks[-1].a + blocks[-1].size),
                    (first + blocks[0].b, first + blocks[-1].b + blocks[-1].size),
                )
        return None

    def _nominated(
        self, found: list[str], size: int, index: Mapping[int, Sequence[tuple[int, int]]]
    ) -> Iterator[tuple[int, "_Question", int]]:
        """Where a run stands in the text, in which question, and where there."""
        for at, run in [(at, run) for at, run in enumerate(_runs(found, size)) if run in index]:
            for number, there in index[run]:
                yield at, self._long[number], there

    def _differ(self, places: Sequence[tuple[int, int]]) -> bool:
        """Whether any of these questions is another than the first, and not the same in another benchmark's words."""
        if len(places) > HELD:
            return True
        first, *others = (self._long[number].says for number, _ in places)
        return any(len(first & other) < ALIKE * len(first | other) for other in others)


def needed(question: Sequence[str]) -> Counter[str]:
    """The numbers without which a text does not ask the same: all of a question of few words, none of a longer one."""
    return Counter(numbers(question) if len(_says(bare(question))) < ENOUGH else ())


class _Question:
    """A text that a benchmark asks, or a part of it that stands for itself."""

    def __init__(self, benchmark: str, problem: str, text: str) -> None:
        self.benchmark, self.problem, self.text = benchmark, problem, text
        self.words = words(text)
        self.bare = bare(self.words)
        self.says = _says(self.bare)

    @cached_property
    def runs(self) -> list[int]:
        return list(_runs(self.words, OWN_BELOW))

    def leak(self, rule: str, share: float, text: str, theirs: tuple[int, int], ours: tuple[int, int]) -> Leak:
        start, end = place(self.text, *theirs)
        return Leak(self.benchmark, self.problem, rule, round(share, 2), self.text[start:end], place(text, *ours))


def _questions(benchmark: str, problems: Sequence[Problem]) -> Iterator[_Question]:
    """Each statement, and where it holds a program, its prose and its program as well.

    What a benchmark puts around all of its questions, such as "It must pass these tests:", belongs to none of them.
    """
    frames = Counter(part for problem in problems for part in set(_FRAME.split(problem.statement)))
    for problem in problems:
        yield _Question(benchmark, problem.id, problem.statement)
        prose, *programs = _FENCED.split(problem.statement)
        if programs:
            own = [part for part in _FRAME.split(prose) if frames[part] == 1]
            for part in ("\n\n".join(own), *programs):
                question = _Question(benchmark, problem.id, part)
                if len(question.words) >= OWN_BELOW:
                    yield question


def _held(texts: Sequence[Sequence[str]], size: int, saying: int = 0) -> dict[int, list[tuple[int, int]]]:
    """Every run of `size` words, by its hash: the numbers of the texts that hold it, and where each has it first."""
    held: dict[int, list[tuple[int, int]]] = {}
    for number, text in enumerate(texts):
        for at, run in enumerate(_runs(text, size)):
            places = held.setdefault(run, [])
            if (not places or places[-1][0] != number) and len(_says(text[at : at + size])) >= saying:
                places.append((number, at))
    return {run: places for run, places in held.items() if places}


def _runs(found: Sequence[str], size: int) -> Iterator[int]:
    return map(hash, zip(*(found[start:] for start in range(size)), strict=False))


def _longest(theirs: Sequence[str], there: int, ours: Sequence[str], here: int) -> tuple[int, int]:
    """How far two texts agree around a word of each: from and to where in the first."""
    start = end = there
    while start and start + here - there and theirs[start - 1] == ours[start - 1 + here - there]:
        start -= 1
    while end < len(theirs) and end + here - there < len(ours) and theirs[end] == ours[end + here - there]:
        end += 1
    return start, end


def _says(found: Sequence[str]) -> frozenset[str]:
    """The words beside numbers, symbols and letters."""
    return frozenset(word for word in found if len(word) > 1 and word.isalpha())
