"""Keep traces that are written in the languages that are wanted, and do not mix others into them.

Reasoning models change languages in mid-thought; DeepSeek-R1 (arXiv:2501.12948, section 2.3.2) therefore rewarded the
share of words in the wanted language. Here that share is measured on each part by itself, on its prose: formulas, code,
addresses and numbers are left out (`_prose`), and so is what the problem's statement says itself.
Words in scripts of their own are counted throughout. Words in Latin letters are looked at in up to `pieces` passages,
spread evenly, of words that do not repeat within a passage: with lingua's trigrams at 120 characters, which is as short
as its low-accuracy mode promises to tell, not one of 10,500 passages from benchmarks of mathematics and code (in
English) was taken for another language at a confidence of 0.98, and texts in 18 languages were all told right; with
repeated words, 46 of 21,700 passages were taken for another at 0.8. Of 10,615 whole texts this filter flags none.
Reasons: `reasoning_language`, `response_language` (more than half is in others), `reasoning_mixed`, `response_mixed`
(more than `max_other`). Noted: the languages with their shares, and a passage.
Limits: a part with fewer than 120 characters of prose is kept, as nobody can tell. A foreign passage in Latin letters
between two that are looked at is not seen. Speed: some 800 traces of 400 words a second on one core; 40 MB.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache, lru_cache
from typing import Annotated, Any, NamedTuple

from pydantic import Field

from tracegen.filters import Note, unnoted
from tracegen.filters._prose import script, width, words
from tracegen.records import MissingExtra, Problem, Trace, UsageError

DECIDES = "trace"

PASSAGE = 120
"""Characters from which lingua's low-accuracy mode is nearly as good as its other one (its own documentation)."""
KNOWN = "ar cs de en es fa fr hi id it ja ko nl pl pt ru sv th tr uk vi zh"
"""What a text may turn out to be, beside what is wanted: languages in which models of today are trained most."""
ENGLISH = """the and of to that this these with are from have which each how many what there would not they their then
by for it its be if when than she you first since because all more must"""
PLAINLY = 4
"""So many of these words make a passage English without a look at lingua's models, which takes 0.4 ms: 95 % of the
passages of the benchmarks have them, and no passage in the other 18 languages had more than one."""
MOST = 0.5
"""Of a part: more than that in other languages, and it is not mixed but written in them."""
QUOTED = 0.8
"""Of the words of a passage: so many stand in the statement where it is a quotation; in what is about it, fewer."""
SHOWN = 120
"""Characters of the passage that goes with a drop."""

_PLAIN = frozenset(ENGLISH.split())
Share = Annotated[float, Field(ge=0, le=1)]


class Found(NamedTuple):
    """What a part is written in."""

    shares: Mapping[str, float]
    """Of the languages that are not wanted."""
    passage: str

    @property
    def other(self) -> float:
        return sum(self.shares.values())


def language(
    traces: Iterable[Trace],
    *,
    problems: Mapping[str, Problem],
    note: Note = unnoted,
    languages: Sequence[str] = ("en",),
    reasoning: Sequence[str] | None = None,
    max_other: Share = 0.1,
    min_confidence: Share = 0.98,
    pieces: Annotated[int, Field(ge=1)] = 8,
) -> Iterator[tuple[Trace, str | None]]:
    """Drop a trace with more than `max_other` of its reasoning or response in a language that is not wanted.

    `languages` are ISO 639-1 codes; `reasoning` are those of the reasoning, where it may have others.
    """
    wanted = {"reasoning": _codes(reasoning or languages), "response": _codes(languages)}
    detector = _detector(tuple(sorted({*KNOWN.split(), *wanted["reasoning"], *wanted["response"]})))
    for trace in traces:
        statement = problems[trace.problem_id].statement
        reason = None
        for part, codes in wanted.items():
            found = _others(getattr(trace, part), codes, statement, detector, min_confidence, pieces)
            if found.other > max_other:
                reason = f"{part}_{'language' if found.other > MOST else 'mixed'}"
                shares = {code: round(share, 3) for code, share in found.shares.items()}
                note(trace, {"found": shares, "passage": found.passage})
                break
        yield trace, reason


def _others(text: str, wanted: frozenset[str], statement: str, detector: Any, confidence: float, pieces: int) -> Found:
    """The shares of a part that are in languages not wanted; what the statement says is nobody's choice."""
    by_script: dict[str, list[str]] = defaultdict(list)
    for word in words(text):
        by_script[script(word)].append(word)
    widths = {name: sum(map(width, found)) for name, found in by_script.items()}
    if (total := sum(widths.values())) < PASSAGE:
        return Found({}, "")
    shares: dict[str, float] = defaultdict(float)
    passage = ""
    for name, found in by_script.items():
        latin = name == "LATIN"
        for these, weight in _spread(list(_passages(found, distinct=latin)), widths[name] / total, pieces):
            shown = ("" if name == "CJK" else " ").join(these)
            if not (code := _other(shown, wanted, detector, confidence, latin)) or _quoted(these, statement):
                continue
            shares[code if len(code) == 2 else name.lower()] += weight
            passage = passage or shown[:SHOWN]
    return Found(dict(sorted(shares.items(), key=lambda item: -item[1])), passage)


def _other(passage: str, wanted: frozenset[str], detector: Any, confidence: float, latin: bool) -> str:
    """The code of the language of a passage, `?` if that is none that is known, and "" if it may be a wanted one."""
    if latin and len(_PLAIN.intersection(passage.casefold().split())) >= PLAINLY:
        return "" if "en" in wanted else "en"
    values = [
        (value.language.iso_code_639_1.name.lower(), value.value)
        for value in detector.compute_language_confidence_values(passage)
    ]
    if latin:  # Names, labels and code are in Latin letters too: only a language that is recognized counts.
        return values[0][0] if values[0][0] not in wanted and values[0][1] >= confidence else ""
    if sum(value for code, value in values if code in wanted) > 1 - confidence:
        return ""
    return values[0][0] if values[0][1] >= confidence else "?"


def _passages(found: Sequence[str], *, distinct: bool) -> Iterator[list[str]]:
    """PASSAGE characters at a time, of words that do not repeat where `distinct`: what is said over and over is noise.

    What is left over at the end is a passage only if there is no other.
    """
    these: dict[str, str] = {}
    size = given = 0
    for n, word in enumerate(found):
        if (key := word.casefold() if distinct else str(n)) not in these:
            these[key] = word
            size += width(word)
        if size >= PASSAGE:
            yield list(these.values())
            these, size, given = {}, 0, given + 1
    if these and not given and not distinct:
        yield list(these.values())


def _spread(found: Sequence[list[str]], weight: float, most: int) -> list[tuple[list[str], float]]:
    """At most so many of the passages, from the first to the last, each with its part of the weight."""
    count = min(len(found), most)
    return [(found[n * (len(found) - 1) // max(1, count - 1)], weight / count) for n in range(count)]


def _quoted(these: Sequence[str], statement: str) -> bool:
    said = _folded(statement)
    return sum(word.casefold() in said for word in these) >= QUOTED * len(these)


@lru_cache(1)
def _folded(statement: str) -> frozenset[str]:
    return frozenset(word.casefold() for word in words(statement))


def _codes(given: Sequence[str]) -> frozenset[str]:
    known = _every()
    if isinstance(given, str) or not given or not set(given) <= set(known):
        raise UsageError(
            f"filter 'language': a list of languages is {given!r}; it takes ISO 639-1 codes out of "
            f"{' '.join(sorted(known))}."
        )
    return frozenset(given)


@cache
def _every() -> dict[str, Any]:
    """Every language that lingua knows, by its code."""
    try:
        from lingua import Language
    except ImportError:
        raise MissingExtra("lingua-language-detector, which the filter 'language' needs,", "curate") from None
    return {one.iso_code_639_1.name.lower(): one for one in Language.all()}


@cache
def _detector(codes: tuple[str, ...]) -> Any:
    """Made once a process: its models take half a second to load."""
    from lingua import LanguageDetectorBuilder

    every = _every()
    return LanguageDetectorBuilder.from_languages(*map(every.__getitem__, codes)).with_low_accuracy_mode().build()
