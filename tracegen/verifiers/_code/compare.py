"""Two outputs compared: `exact`, `whitespace`, `float`. A whole output against a whole output, never line against line
for as long as both last: a prefix of what is expected is wrong."""

from collections.abc import Callable
from math import isclose, isfinite


def exact(expected: str, actual: str, tolerance: float) -> bool:
    """Letter for letter, but for a newline at the very end."""
    return expected.removesuffix("\n") == actual.removesuffix("\n")


def whitespace(expected: str, actual: str, tolerance: float) -> bool:
    """The same words on the same lines; blank lines and the width of gaps do not count."""
    return _lines(expected) == _lines(actual)


def float_(expected: str, actual: str, tolerance: float) -> bool:
    """As `whitespace`, and two numbers may differ by `tolerance`, absolutely or relatively. Two whole numbers may
    not, and from a whole number that is expected another may differ only absolutely."""
    left, right = _lines(expected), _lines(actual)
    return [len(line) for line in left] == [len(line) for line in right] and all(
        _close(one, other, tolerance)
        for line, other_line in zip(left, right, strict=True)
        for one, other in zip(line, other_line, strict=True)
    )


COMPARISONS: dict[str, Callable[[str, str, float], bool]] = {"whitespace": whitespace, "exact": exact, "float": float_}


def first_difference(expected: str, actual: str) -> str:
    """The first line that differs, for a person."""
    left, right = expected.split("\n"), actual.split("\n")
    at = next((i for i, (a, b) in enumerate(zip(left, right, strict=False)) if a.split() != b.split()), None)
    if at is None:
        at = min(len(left), len(right)) - (len(left) == len(right))
    return f"line {at + 1}: expected {_shown(left, at)}, got {_shown(right, at)}"


def _shown(lines: list[str], at: int) -> str:
    return repr(lines[at][:60]) if at < len(lines) else "the end"


def _lines(text: str) -> list[list[str]]:
    return [words for line in text.split("\n") if (words := line.split())]


def _close(expected: str, actual: str, tolerance: float) -> bool:
    if expected == actual:
        return True
    left, right = _number(expected), _number(actual)
    if left is None or right is None or (_whole(expected) and _whole(actual)):
        return False
    return isclose(left, right, rel_tol=0.0 if _whole(expected) else tolerance, abs_tol=tolerance)


def _whole(word: str) -> bool:
    return word.lstrip("+-").isdigit()


def _number(word: str) -> float | None:
    try:
        value = float(word)
    except ValueError:
        return None
    return value if isfinite(value) and "_" not in word else None
