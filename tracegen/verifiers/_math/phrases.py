"""Units among the tokens: `5 cm^2`, `60 miles per hour`, `$\\$3$`, `28 percent`."""

from tracegen.verifiers._math.cursor import Cursor
from tracegen.verifiers._math.names import CONSTANTS, FUNCTIONS, GREEK, JOINS, PERCENT
from tracegen.verifiers._math.nodes import Node, Num, Op, symbols
from tracegen.verifiers._math.tokens import Token
from tracegen.verifiers._math.units import is_unit

SCALES = {"C": "celsius", "F": "fahrenheit", "Celsius": "celsius", "Fahrenheit": "fahrenheit"}
"""What follows a degree sign in a temperature."""
CURRENCIES = {"\\$": "dollar", "€": "euro", "£": "pound sterling", "¥": "yen", "₹": "rupee"}


def phrase_at(cursor: Cursor, left: Node) -> str | None:
    """The unit that begins here, as a phrase; empty if the words are to be passed over; None without one."""
    kind, value, spaced = cursor.token
    if kind == "text":
        if value.strip() in ("i", "e", "d", "pi") or value.strip() in FUNCTIONS.keys() - {"min"}:
            return None
        phrase = value
    elif value in ("min", "mins", "ft", "in") and isinstance(left, Num) and cursor.peek().value not in ("(", "{"):
        phrase = value
    elif kind == "word" and value not in FUNCTIONS and value not in GREEK and value not in CONSTANTS:
        single = len(value) == 1 and value.isascii()
        if single and not (not symbols(left) and is_unit(value) and _ends_a_unit(cursor, spaced)):
            return None
        if not single and value.isascii() and len(value) <= 3 and not is_unit(value):
            return None
        phrase = value
    else:
        return None
    if phrase.strip().casefold().strip(",; ") in JOINS:
        return None
    if isinstance(left, Op) and left.name in ("chain", "list"):
        return None
    cursor.at += 1
    while True:
        kind, value, _ = cursor.token
        if kind in ("word", "text") and value.strip().casefold().strip(",; ") not in JOINS:
            phrase += " " + value
        elif value in ("^", "**") and cursor.peek().kind == "number":
            phrase += "^" + cursor.peek().value
            cursor.at += 1
        elif value in ("^", "**") and cursor.peek().value == "{":
            power = ""
            cursor.at += 2
            while cursor.token.value != "}" and cursor.token.kind != "stop":
                power += cursor.take().value
            phrase += "^" + power
        elif value in ("/", "\\cdot", "*", "-") and cursor.peek().kind in ("word", "text") and kind != "stop":
            phrase += "/" if value == "/" else " "
        elif value == "." and kind == "symbol":
            pass
        else:
            break
        cursor.at += 1
    plain = phrase.strip().casefold()
    if plain in PERCENT or plain == "per cent":
        cursor.tokens.insert(cursor.at, Token("symbol", "%", False))
        return ""
    return phrase


def _ends_a_unit(cursor: Cursor, spaced: bool) -> bool:
    """Whether a single letter is a unit where it stands: `5 m`, `3 m/s`, `2 h 30 min`; `5m` may be a product."""
    follows = cursor.peek()
    return follows.kind == "number" or (spaced and (follows.kind == "stop" or follows.value in ("^", "/")))
