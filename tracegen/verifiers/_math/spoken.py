"""Numbers and fractions in English words: `forty-two`, `minus three`, `two thirds`, `a quarter`."""

from fractions import Fraction

_SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
    " eighteen nineteen"
)
_ONES = _SMALL.split()
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_PARTS = ("half", "third", "quarter", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
_VALUES = {name: value for value, name in enumerate(_ONES)} | {name: 10 * n for n, name in enumerate(_TENS, start=2)}
_SCALES = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9}
_DIVIDES = {name: n for n, name in enumerate(_PARTS, start=2)} | {"fourth": 4, "halve": 2}


def number(words: str) -> Fraction | None:
    """The number that words in lower case name, or None."""
    parts = words.replace("-", " ").split()
    sign = -1 if parts[:1] in (["minus"], ["negative"]) else 1
    parts = parts[sign < 0 :]
    if not parts or len(parts) > 12:
        return None
    if parts[-2:] == ["and", "half"] and (whole := _whole(parts[:-2])) is not None:
        return sign * (whole + Fraction(1, 2))
    last = parts[-1].removesuffix("s")
    if last in _DIVIDES:
        top = _whole(parts[:-1]) if parts[:-1] else 1
        return None if top is None else sign * Fraction(top, _DIVIDES[last])
    whole = _whole(parts)
    return None if whole is None else Fraction(sign * whole)


def _whole(parts: list[str]) -> int | None:
    total = group = 0
    for part in parts:
        if part in _VALUES:
            group += _VALUES[part]
        elif part == "hundred":
            group = max(group, 1) * 100
        elif part in _SCALES:
            total, group = total + max(group, 1) * _SCALES[part], 0
        elif part != "and":
            return None
    return total + group if parts and parts != ["and"] else None
