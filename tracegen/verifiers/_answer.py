"""Where the final answer of a response stands: the one place that every text verifier asks.

The order is fixed: the last complete `\\boxed{...}`, the last `<answer>...</answer>`, the last line of the form
`#### 42` or `The answer is 42.`, the last **bold** span, a response that is nothing but short math, and the math of a
concluding last line. The first of them that is present wins, even where it is empty.
Only the response counts; what stands inside `<think>` never reaches this module.
"""

import re

BARE = 200
"""Characters up to which a whole response may itself be the answer; the longest gold answer of MATH-500 has 53."""

_TOKEN = re.compile(r"\\(?:boxed|fbox)\s*\{|\\.|[{}]", re.DOTALL)
_BARE_BOX = re.compile(r"\\boxed\s+([^\s{]\S*)")
_BETWEEN = re.compile(r"(?:\\q?quad|\\text\s*\{\s*(?:and|or)\s*\}|\\[,; ()\[\]]|\band\b|\bor\b|[\s$,;&])+")
_APPROXIMATELY = re.compile(r"[\s$(\\]*(?:\\approx|≈)[\s$)\\]*")
_ANNOUNCED = re.compile(
    r"(?:####|\b(?:answer|result|solution)\b[*_]{0,2}(?:[ \t]+(?:to|for|of)\b[^\n:=]{0,80}?)?[ \t]*"
    r"(?::|=|\bis\b:?|\bare\b:?)|^[#* \t]*(?:final[ \t]+)?answer[*: \t]*\n)[*_]{0,2}[ \t]*\n?[ \t]*([^\n]+)",
    re.IGNORECASE | re.MULTILINE,
)
_BOLD = re.compile(r"(?<![*\w])\*\*(?!\s)([^*\n]{1,200}?)(?<!\s)\*\*(?![*\w])")
_MATH = re.compile(r"\$\$(.+?)\$\$|\$([^$\n]+?)\$|\\\((.+?)\\\)|\\\[(.+?)\\\]", re.DOTALL)
_CONCLUDES = re.compile(r"\b(?:therefore|thus|hence|so|solution|find|get|obtain)\b", re.IGNORECASE)
_STATES = re.compile(r"(?:\bis|\bare|:|=)\s*$")
_SENTENCE_END = re.compile(r"[.;!](?=\s|$)|,?\s+(?:because|since|as|which|where|so)\b|\*\*")
_PROSE = re.compile(r"(?<![\\A-Za-z])(?!sqrt|arc|sinh|cosh|tanh)[A-Za-z]{4,}")


def boxed(text: str) -> str | None:
    """What stands in the last complete `\\boxed{...}` (or `\\fbox`), braces balanced; None without one.

    Boxes that only `and`, `or` or a comma parts are one answer (`2, 3`); of a box and its approximation (`\\approx`)
    the exact one counts.
    """
    if not (boxes := _boxes(text)):
        bare = _BARE_BOX.findall(text)
        return bare[-1].strip("$.,") if bare else None
    start, end = boxes.pop()
    answers = [text[start:end]]
    while boxes:
        before = text[boxes[-1][1] + 1 : start].removesuffix("{").rstrip()
        before = before.removesuffix("\\boxed").removesuffix("\\fbox")
        if _APPROXIMATELY.fullmatch(before):
            answers.pop()
        elif not (_BETWEEN.fullmatch(before) and re.search(r"and|or|[,;]", before)):
            break
        start, end = boxes.pop()
        answers.append(text[start:end])
    return ", ".join(answer.strip() for answer in reversed(answers))


def _boxes(text: str) -> list[tuple[int, int]]:
    """Start and end of the inside of every complete box that holds no other, in one pass over the text."""
    opened: list[int | None] = []
    found: list[tuple[int, int]] = []
    for token in _TOKEN.finditer(text):
        if token.group().startswith("\\") and token.group().endswith("{") and len(token.group()) > 2:
            opened.append(token.end())
        elif token.group() == "{":
            opened.append(None)
        elif token.group() == "}" and opened:
            start = opened.pop()
            if start is not None and not (found and found[-1][0] > start):
                found.append((start, token.start()))
    return found


def tagged(text: str) -> str | None:
    """What stands in the last `<answer>...</answer>`."""
    lower = text.lower()
    end = lower.rfind("</answer>")
    start = lower.rfind("<answer>", 0, max(end, 0))
    return text[start + len("<answer>") : end].strip() if start >= 0 else None


def marked(text: str) -> str | None:
    """The last box, else the last answer tag: the two marks that leave no doubt."""
    return inside if (inside := boxed(text)) is not None else tagged(text)


def final(text: str) -> str | None:
    """The final answer of a response, as text; None where there is none."""
    if (inside := marked(text)) is not None:
        return inside
    if announced := _ANNOUNCED.findall(text):
        return _clause(announced[-1])
    if bold := _BOLD.findall(text):
        return str(bold[-1]).strip()
    text = text.strip()
    return _concluded(text) or (text if text and _is_short(text) else None)


def _clause(line: str) -> str:
    """The answer at the start of a line: its delimited math, or the sentence, from its last `is` on if it has one."""
    line = line.strip().removeprefix("**").strip()
    if math := _MATH.match(line):
        return next(group for group in math.groups() if group is not None).strip()
    sentence = _SENTENCE_END.split(line, maxsplit=1)[0].strip()
    return re.split(r"\s(?:is|are)\s", sentence)[-1].strip() if re.match(r"[A-Za-z]{2}", sentence) else sentence


def _concluded(text: str) -> str | None:
    """The last math of the last line, if the line concludes or ends in it (`Thus $x > 5$ holds.`, `It is $7$.`)."""
    line = text.rsplit("\n", 1)[-1]
    if not (spans := [*_MATH.finditer(line)]):
        return None
    inside = next(group for group in spans[-1].groups() if group is not None)
    ends_in_it = _STATES.search(line[: spans[-1].start()]) and not line[spans[-1].end() :].strip(" .")
    return (
        inside.strip() if (_CONCLUDES.search(line) or ends_in_it) and not _PROSE.search(_mathematics(inside)) else None
    )


def _is_short(text: str) -> bool:
    # A box that was opened and never closed is an answer that was cut off.
    return (
        r"\boxed" not in text
        and len(text) <= BARE
        and "\n\n" not in text
        and len(_PROSE.findall(_mathematics(text))) <= 3
    )


def _mathematics(text: str) -> str:
    return re.sub(r"\\(?:text|mbox|mathrm|operatorname|begin|end)\s*\{[^{}]*\}", "", text)
