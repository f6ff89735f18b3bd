"""Keep traces in which the teacher answers: it neither declines nor speaks of itself as an AI.

Rule: phrases in the first person, as collections of chats have long been cleaned with (the list of refusals of Zou et
al. 2023, arXiv:2307.15043, and what assistants of today write). Declining is looked for where it stands:
in the first OPENING characters of the response, and as a decision ("I must refuse") anywhere in the reasoning. What
cannot be done in mathematics ("we cannot divide by zero", "I can't simplify this", "it cannot be determined") is
no refusal: the verb must be one of helping. Quotations are left out. Read as reasoning and as response, it flags none
of 5,504 texts of mathematics and code benchmarks.
Reasons: `declines`, `as_an_ai`. Noted: the words.
Limits: English and Chinese; `also` takes regular expressions of your own for the response. A polite answer that solves
another problem than the one that was put is no phrase, and passes.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated

from pydantic import AfterValidator

from tracegen.filters import Note, unnoted
from tracegen.records import Trace

DECIDES = "trace"

OPENING = 400
"""Characters of a response in which a refusal begins: two or three sentences of apology and praise may come first."""

_UNABLE = (
    r"\bI(?: am|'m)? (?:can(?:no|')t|can not|could(?: not|n't)|(?:not able|unable|not in a position|not allowed) to"
    r"|won't(?: be able to)?|will not(?: be able to)?|(?:must|have to|need to)(?: \w+ly)? (?:refuse|decline) to"
    r"|(?:do not|don't) feel comfortable)(?: \w+ly)?"
)
_HELP = (
    r"(?:assist|comply|fulfill?|engage|help(?! (?:notic|but|think|feel|wonder|see)))"
    r"|(?:answer|discuss|continue|complete|proceed|respond to)(?: with)? (?:that|this|your|such)(?: \w+)?"
    r" (?:request|question|topic|task|prompt|conversation|discussion)s?\b(?! (?:without|until|before|unless))"
    r"|(?:provide|offer|give|share|generate|create|write|produce|supply)(?: you)?(?: with)?"
    r"(?: (?:an?|any|the|that|this|such|of|specific|detailed|further))*"
    r" (?:information|assistance|advice|guidance|instructions|content|help|support|answer to (?:that|this|your))"
    r"|(?:answering|assisting|helping|providing|discussing|engaging)"
)
_DECLINES = re.compile(
    rf"{_UNABLE} (?:{_HELP})\b"
    r"|\bsorry,? (?:but )?I (?:can't|cannot|can not|won't)(?: (?:do|continue with) (?:that|this))?\s*(?:[.!]|$)"
    r"|\bI (?:must|have to|will|shall|should)(?: \w+ly)? (?:decline|refuse)\b"
    r"|\b(?:your|this|that) request (?:violates|goes against|is against)\b"
    r"|(?:抱歉|对不起|很遗憾)[，,。]?但?我(?:无法|不能|还没有学会)(?:回答|提供|协助|帮助|满足|讨论)"
    r"|我(?:无法|不能)(?:回答|协助|满足|讨论)(?:您|你|这个|该|此)",
    re.IGNORECASE,
)
_DECIDES_TO = re.compile(
    r"\b(?:I|we) (?:must|have to|should|need to|will)(?: \w+ly)? (?:refuse|decline)"
    r"(?: to (?:answer|help|assist|comply)| this request| the request|[.,;]|$)"
    r"|\bdisallowed content\b|\bagainst (?:the )?(?:OpenAI(?:'s)?|usage|content|my)(?: usage| content)?"
    r" (?:policy|policies|guidelines)\b",
    re.IGNORECASE,
)
_MODEL = r"(?:AI|artificial intelligence|(?:large )?language model)(?! (?:researcher|engineer|developer|expert))"
_AS_AN_AI = re.compile(
    rf"\bas an? {_MODEL}(?: (?:language )?(?:model|assistant|system))*[, ]+(?:\w+ ){{0,6}}?(?:I|my)\b"
    rf"|\bI(?: am|'m) (?:just |only |merely )?an? (?:{_MODEL}|virtual assistant)\b"
    r"|\bI(?: am|'m) (?:ChatGPT|Claude|DeepSeek|Qwen|Gemini|Bard|Copilot|Llama)\b"
    r"|\bI (?:was|am|have been) (?:trained|developed|created|made|built) by"
    r" (?:OpenAI|Anthropic|Google|DeepSeek|Alibaba|Meta|Microsoft)\b"
    r"|\bmy (?:training data|training cut-?off|knowledge cut-?off)\b"
    r"|(?:作为|我只?是)(?:一个|一名)?(?:人工智能|AI|大?语言模型)",
    re.IGNORECASE,
)
_QUOTED = re.compile(r"\"[^\"\n]{0,300}\"|“[^”\n]{0,300}”|«[^»\n]{0,300}»|「[^」\n]{0,300}」|```.*?```", re.DOTALL)


def _patterns(given: Sequence[str]) -> Sequence[str]:
    for pattern in given:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"{pattern!r} is no regular expression: {error}") from None
    return given


def refusal(
    traces: Iterable[Trace], *, note: Note = unnoted, also: Annotated[Sequence[str], AfterValidator(_patterns)] = ()
) -> Iterator[tuple[Trace, str | None]]:
    """Drop a trace whose teacher declines to answer or speaks of itself as an AI.

    `also`: regular expressions of your own that make a response a refusal.
    """
    own = [re.compile(pattern, re.IGNORECASE) for pattern in also]
    for trace in traces:
        reasoning, response = (_plain(part) for part in (trace.reasoning, trace.response))
        opening = response[:OPENING]
        declines = _DECLINES.search(opening) or _DECIDES_TO.search(reasoning) or _first(own, response)
        found = declines or _AS_AN_AI.search(response) or _AS_AN_AI.search(reasoning)
        if found:
            note(trace, {"words": found.group()[:120]})
        yield trace, "declines" if declines else "as_an_ai" if found else None


def _first(patterns: Iterable[re.Pattern[str]], text: str) -> re.Match[str] | None:
    return next((found for pattern in patterns if (found := pattern.search(text))), None)


def _plain(text: str) -> str:
    """The text with straight apostrophes, and without what it quotes."""
    return _QUOTED.sub('""', text.replace("’", "'"))
