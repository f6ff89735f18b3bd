"""Where the final answer of a response stands: the one place that every text verifier asks.

The order is fixed: the last box or answer tag (whichever comes last), the last announcement (`The answer is 42.`,
`#### 42`, `答案是 42`), the last **bold** span, a response that is nothing but short math, and the value at the end of
a concluding sentence. The first of them that is present wins, even where it is empty.
Only the response counts; what stands inside `<think>` never reaches this module.
"""

import re

from tracegen.verifiers._cues import (
    ANNOUNCED,
    BOLD,
    CLAUSE_END,
    CODE,
    COMPARES,
    CONCLUDES,
    END_OF_SENTENCE,
    FOREIGN,
    MATH,
    MEASURES,
    POLITE,
    PROSE,
    REFUSES,
    RELATION,
    SMALL,
    SPEAKS,
    SUBORDINATE,
    TURN,
    UNITS,
    VALUE,
    VERB,
)
from tracegen.verifiers._marks import Found, box, tag
from tracegen.verifiers._math.dates import date, time
from tracegen.verifiers._math.text import stripped

BARE = 200
"""Characters up to which a whole response may itself be the answer; the longest gold answer of MATH-500 has 53."""
LONGEST = 200_000
"""Characters at the end of a response that are searched."""


def find(response: str) -> Found | None:
    """The final answer of a response and its place; None where there is none."""
    cut = max(0, len(response) - LONGEST)
    for opening in SPEAKS.finditer(response, cut):
        cut = opening.end()
    text = response[cut:]
    if turn := TURN.search(text):
        text = text[: turn.start()]
    if "\\\\boxed" in text:
        # Backslashes that were escaped twice; the length stays.
        text = re.sub(r"\\\\(?=[A-Za-z{}])", lambda _: " \\", text)
    found = _marked(text) or _announced(text) or _bold(text) or _bare(text) or _last_line(text)
    if found is None or ("\\boxed" in found.text and found.place not in ("box", "tag")):
        return None
    return found._replace(start=found.start + cut, end=found.end + cut)


def marked(text: str) -> str | None:
    """The last box or answer tag: the two marks that leave no doubt."""
    return found.text if (found := _marked(text)) else None


def _marked(text: str) -> Found | None:
    inside, tagged = box(text), tag(text)
    if tagged and len(PROSE.findall(_mathematics(tagged.text))) > 1 and (found := _announced(tagged.text)):
        tagged = found._replace(place="tag", start=found.start + tagged.start, end=found.end + tagged.start)
    if inside and tagged:
        return inside if inside.start > tagged.start else tagged
    return inside or tagged


def _announced(text: str) -> Found | None:
    """What follows the last cue; a cue in a subordinate clause of another announces nothing."""
    text = POLITE.sub("", text)
    last = None
    for cue in ANNOUNCED.finditer(text):
        if not cue.group(1).strip(" *_#:$"):
            continue
        between = text[last.end() : cue.start()] if last else "\n"
        if "\n" not in between and SUBORDINATE.search(between) and not END_OF_SENTENCE.search(between):
            continue
        last = cue
    return _clause(text, *last.span(1), "sentence") if last else None


def _bold(text: str) -> Found | None:
    spans = [
        m for m in BOLD.finditer(text) if not m.group(1).rstrip().endswith((":", "?")) and "Step" not in m.group(1)
    ]
    return _clause(text, *spans[-1].span(1), "bold") if spans else None


def _bare(text: str) -> Found | None:
    start = len(text) - len(text.lstrip())
    whole = text.strip()
    # A box that was opened and never closed is an answer that was cut off.
    if not whole or "\\boxed" in whole or len(whole) > 2 * BARE or "\n\n" in whole:
        return None
    worded = PROSE.search(_mathematics(whole)) or SMALL.search(whole) or FOREIGN.search(whole)
    if not worded and not CODE.search(whole) and not MATH.search(whole):
        return Found(whole, "whole", start, start + len(whole))
    if len(whole) > BARE:
        return None
    spans, values = [*MATH.finditer(text)], [*VALUE.finditer(text)]
    if len(spans) == 1 and not text[spans[0].end() :].strip(" .\n") and _only_words(text[: spans[0].start()]):
        return Found(_inside(spans[0]).strip(), "whole", *_span(spans[0]))
    if date(stripped(whole)) or time(stripped(whole)):
        return Found(whole, "whole", start, start + len(whole))
    if found := _value_among_words(text, start, start + len(whole), "whole"):
        return found
    prose = len(PROSE.findall(_mathematics(whole)))
    if values and values[0].start() == start and prose <= 4 and UNITS.fullmatch(text[values[0].end() :]):
        return Found(whole, "whole", start, start + len(whole))
    if (prose <= 1 and not re.match(r"[^\W\d_]{3,}\s*:", whole)) or (prose <= 3 and not values):
        return Found(whole, "whole", start, start + len(whole))
    return None


def _value_among_words(text: str, start: int, end: int, place: str) -> Found | None:
    """The one number of a clause of words (`an increase of 15%`, `Il y a 42 pommes`), with what follows it."""
    clause = text[start:end]
    values = [*VALUE.finditer(clause)]
    if len(values) != 1 or COMPARES.search(clause) or REFUSES.search(clause) or CODE.search(clause):
        return None
    before, after = clause[: values[0].start()], clause[values[0].end() :]
    if FOREIGN.search(before + after) and not re.search(r"[=<>\\^{}$]", clause):
        return Found(values[0].group().strip(), place, start + values[0].start(), start + values[0].end())
    if (
        not before.strip()
        or not _only_words(before)
        or not (PROSE.search(before) or SMALL.search(before))
        or not UNITS.fullmatch(after)
    ):
        return None
    shown = clause[values[0].start() :].rstrip(" .\n")
    at = start + values[0].start() + len(shown) - len(shown.lstrip())
    return Found(shown.strip(), place, at, at + len(shown.strip()))


def _only_words(text: str) -> bool:
    return re.fullmatch(r"[\w\s:,'’-]*", text) is not None and not re.search(r"\d|_", text)


def _inside(span: "re.Match[str]") -> str:
    return next(group for group in span.groups() if group is not None)


def _span(span: "re.Match[str]") -> tuple[int, int]:
    return span.span(next(index for index, group in enumerate(span.groups(), 1) if group is not None))


def _last_line(text: str) -> Found | None:
    """The value at the end of a last sentence that concludes, or of a response that is one short sentence."""
    body = POLITE.sub("", text).rstrip()
    if "\\boxed" in body[-400:] and box(body[-400:]) is None:
        return None
    start = body.rfind("\n") + 1
    bare = body[start:].strip(" .*")
    if start and 0 < len(bare) <= BARE and not PROSE.search(_mathematics(bare)) and re.search(r"\d|[=\\]", bare):
        at = body.index(bare, start)
        return Found(bare, "last_line", at, at + len(bare))
    for end in END_OF_SENTENCE.finditer(body, start):
        if body[end.end() :].strip():
            start = end.end()
    line = body[start:]
    short = len(body.strip()) <= BARE and start == len(body) - len(body.lstrip())
    spans = [*MATH.finditer(line)]
    stated = bool(spans) and VERB.search(line[: spans[-1].start()] + " ") and not line[spans[-1].end() :].strip(" .")
    if not (short or stated or CONCLUDES.search(line)) or REFUSES.search(line) or len(line) > 2_000:
        return None
    if spans:
        if PROSE.search(_mathematics(_inside(spans[-1]))):
            return None
        at, to = (start + edge for edge in _span(spans[-1]))
        return Found(body[at:to].strip(), "last_line", at, to)
    values = [*VALUE.finditer(line)]
    if not (CONCLUDES.search(line) or VERB.search(line) or len(values) == 1) or CODE.search(line):
        return None
    if relation := RELATION.search(line):
        return Found(relation.group(), "last_line", start + relation.start(), start + relation.end())
    return _clause(body, start, len(body), "last_line", strict=True)


def _clause(text: str, start: int, end: int, place: str, strict: bool = False) -> Found | None:
    """The answer in a clause: all of it if it is mathematics or few words, else what stands after the verb, or last."""
    clause = text[start:end]
    while (opening := re.match(r"[\s*_#:\"]+", clause)) and opening.end() < len(clause):
        start += opening.end()
        clause = text[start:end]
    if not strict and (stop := next((m for m in CLAUSE_END.finditer(clause) if m.start() > 0), None)):
        clause = clause[: stop.start()]
    if (spans := [*MATH.finditer(clause)]) and FOREIGN.search(MATH.sub("", clause)):
        at, to = _span(spans[-1])
        return Found(clause[at:to].strip(), place, start + at, start + to)
    if found := _value_among_words(text, start, start + len(clause), place):
        return found
    if (opening := VALUE.match(clause)) and MEASURES.fullmatch(clause[opening.end() :]) and not strict:
        return Found(clause.strip().rstrip("."), place, start, start + len(clause.rstrip().rstrip(".")))
    if strict or len(PROSE.findall(_mathematics(MATH.sub(" ", clause)))) > 1:
        if verb := [*VERB.finditer(clause)]:
            start += verb[-1].end()
            clause = clause[verb[-1].end() :]
        if COMPARES.search(clause):
            return None if strict else Found(clause.strip(), place, start, start + len(clause))
        if len(PROSE.findall(_mathematics(MATH.sub(" ", clause)))) > 1 or (strict and not verb):
            if spans := [*MATH.finditer(clause)]:
                start, clause = start + spans[-1].start(), spans[-1].group()
            elif values := [*VALUE.finditer(clause)]:
                start, clause = start + values[-1].start(), values[-1].group()
            elif strict:
                return None
    if strict and not clause.strip():
        return None
    start += len(clause) - len(clause.lstrip(' "'))
    if clause.count("}") > clause.count("{"):
        clause = clause.rstrip(' }"')
    text_ = clause.strip(' "').rstrip(".").rstrip(' "') if not clause.rstrip().endswith("...") else clause.strip()
    return Found(text_, place, start, start + len(text_))


def _mathematics(text: str) -> str:
    return re.sub(r"\\(?:text|mbox|mathrm|operatorname|begin|end)\s*\{[^{}]*\}", "", text)
