"""Units: a phrase such as `cm^2`, `miles per hour` or `square feet` as a factor and a dimension.

SI values after the BIPM's SI brochure (2019), others after NIST SP 811. What the table does not know is a bare word:
it can be missing or added, and it contradicts nothing.
"""

import re
from fractions import Fraction
from functools import cache
from typing import NamedTuple


class Unit(NamedTuple):
    factor: Fraction
    dimension: tuple[tuple[str, int], ...]
    """Base units and their powers, sorted by name; empty if the phrase is not known."""
    known: bool


_NAMES: dict[str, tuple[str, str]] = {}
"""Spelling -> (factor, base unit)."""
for _named, _factor, _spellings in (
    ("m", "1", "m meter metre"),
    ("m", "1/1000", "mm millimeter millimetre"),
    ("m", "1/100", "cm centimeter centimetre"),
    ("m", "1/10", "dm decimeter decimetre"),
    ("m", "1000", "km kilometer kilometre"),
    ("m", "1/1000000", "um micrometer micron"),
    ("m", "1/1000000000", "nm nanometer"),
    ("m", "0.0254", "in inch inches"),
    ("m", "0.3048", "ft foot feet"),
    ("m", "0.9144", "yd yard"),
    ("m", "1609.344", "mi mile"),
    ("g", "1", "g gram gramme"),
    ("g", "1/1000", "mg milligram"),
    ("g", "1000", "kg kilogram kilo kgs"),
    ("g", "1000000", "tonne"),
    ("g", "453.59237", "lb lbs pound"),
    ("g", "28.349523125", "oz ounce"),
    ("s", "1", "s sec second secs"),
    ("s", "1/1000", "ms millisecond"),
    ("s", "60", "min minute mins"),
    ("s", "3600", "h hr hour hrs"),
    ("s", "86400", "day"),
    ("s", "604800", "week"),
    ("year", "1", "year yr"),
    ("year", "1/12", "month"),
    ("dollar", "1", "dollar usd buck"),
    ("dollar", "1/100", "cent"),
    ("euro", "1", "euro eur"),
    ("pound sterling", "1", "sterling gbp"),
    ("yen", "1", "yen"),
    ("yuan", "1", "yuan rmb"),
    ("rupee", "1", "rupee"),
    ("liter", "1", "l liter litre"),
    ("liter", "1/1000", "ml milliliter millilitre"),
    ("gallon", "1", "gallon"),
    ("quart", "1", "quart"),
    ("degree", "1", "deg degree"),
    ("radian", "1", "rad radian"),
    ("N", "1", "n newton"),
    ("J", "1", "j joule"),
    ("J", "1000", "kj kilojoule"),
    ("W", "1", "w watt"),
    ("W", "1000", "kw kilowatt"),
    ("V", "1", "v volt"),
    ("A", "1", "ampere amp"),
    ("Hz", "1", "hz hertz"),
    ("Pa", "1", "pa pascal"),
    ("K", "1", "k kelvin"),
    ("mol", "1", "mol mole"),
    ("mol", "1/1000", "mmol millimole"),
    ("Pa", "1000", "kpa kilopascal"),
    ("Hz", "1000", "khz kilohertz"),
    ("Hz", "1000000", "mhz megahertz"),
    ("Hz", "1000000000", "ghz gigahertz"),
    ("ohm", "1", "ohm"),
    ("V", "1/1000", "millivolt"),
    ("V", "1000", "kilovolt"),
    ("A", "1/1000", "milliampere"),
    ("eV", "1000", "kev"),
    ("eV", "1000000", "mev"),
    ("eV", "1000000000", "gev"),
    ("J", "4.184", "cal calorie"),
    ("J", "4184", "kcal kilocalorie"),
    ("Pa", "101325", "atm atmosphere"),
    ("eV", "1", "ev"),
    ("celsius", "1", "celsius"),
    ("fahrenheit", "1", "fahrenheit"),
    ("unit", "1", "unit"),
):
    for _spelling in _spellings.split():
        _NAMES[_spelling] = (_factor, _named)

_SHORT = {
    "mpg": "miles per gallon",
    "mph": "miles per hour",
    "kph": "km per hour",
    "kmh": "km per hour",
    "sqft": "square ft",
    "pound sterling": "gbp",
}
_TEMPERATURE = re.compile(r"degrees?\s+(celsius|fahrenheit)", re.IGNORECASE)
_WORD = re.compile(r"[^\W\d_]+|\^-?\d+|/")
_FILLER = {"of", "the", "us", "total", "each"}


_LETTERS = frozenset(["m", "g", "s", "h", "L", "l", "N", "J", "W", "V", "A", "K"])
_POWERS = frozenset(("sq", "cu", "square", "cubic"))


def is_unit(word: str) -> bool:
    """Whether this word alone is a unit that the table knows."""
    return word in _LETTERS or word in _POWERS or word in _SHORT or (len(word) > 1 and _base(word) is not None)


@cache
def unit(phrase: str) -> Unit:
    """The unit that a phrase names."""
    text = _TEMPERATURE.sub(r"\1", _SHORT.get(phrase.strip().casefold(), phrase))
    factor, powers, sign, power, last = Fraction(1), dict[str, int](), 1, 1, ("1", "")
    for word in _WORD.findall(text):
        lower = word.casefold()
        if lower in ("per", "/"):
            sign = -1
        elif lower in ("square", "sq", "cubic", "cu"):
            power = 3 if lower.startswith("cu") else 2
        elif (lower in ("squared", "cubed") or lower.startswith("^")) and last[1]:
            more = {"squared": 1, "cubed": 2}.get(lower) or int(lower[1:][:2]) - 1
            powers[last[1]] += sign * more
            factor *= Fraction(last[0]) ** (sign * more)
        elif (found := _base(word)) is not None:
            last = found
            powers[last[1]] = powers.get(last[1], 0) + sign * power
            factor *= Fraction(last[0]) ** (sign * power)
            power = 1
        elif lower not in _FILLER:
            return Unit(Fraction(1), (), False)
    dimension = tuple(
        sorted((name, power) for name, power in powers.items() if power and (name != "unit" or abs(power) > 1))
    )
    return Unit(factor, dimension, bool(dimension))


def _base(word: str) -> tuple[str, str] | None:
    lower = word.casefold()
    for form in (lower, lower.removesuffix("s"), lower.removesuffix("es")):
        if form in _NAMES:
            return _NAMES[form]
    return None
