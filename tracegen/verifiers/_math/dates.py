"""Dates and times of day: `4 July 1776`, `July 4th, 1776` and `1776-07-04` are one date, `3 PM` is `15:00`.

Dates of digits alone are read only in the order of ISO 8601, the one that is not ambiguous.
"""

import re

from tracegen.verifiers._math.nodes import Op

_MONTHS = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
]
_MONTH = r"(?P<month>" + "|".join(f"{month}|{month[:3]}|{month[:4]}" for month in _MONTHS) + r")\.?"
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_WEEKDAY = r"(?:(?:mon|tues|wednes|thurs|fri|satur|sun)day,?\s+)?"
_FORMS = [
    re.compile(rf"{_WEEKDAY}{_MONTH}\s+{_DAY}(?:,?\s+(?P<year>\d{{4}}))?", re.IGNORECASE),
    re.compile(rf"{_WEEKDAY}(?:the\s+)?{_DAY}\s+(?:of\s+)?{_MONTH}(?:,?\s+(?P<year>\d{{4}}))?", re.IGNORECASE),
    re.compile(r"(?P<year>\d{4})[-/](?P<month>\d{1,2})[-/](?P<day>\d{1,2})"),
]
_TIME = re.compile(
    r"(?P<hour>\d{1,2})(?::(?P<minute>\d{2}))?(?::(?P<second>\d{2}))?\s*(?P<half>[ap])\.?\s?m\.?"
    r"|(?P<hour24>\d{1,2}):(?P<minute24>\d{2})(?::(?P<second24>\d{2}))?(?:\s*o'clock)?",
    re.IGNORECASE,
)


def date(text: str) -> Op | None:
    """The date that a text is, or None; data: year (None if it is not named), month, day."""
    for form in _FORMS:
        if found := form.fullmatch(text):
            name, year = found["month"].casefold(), found["year"]
            month = int(name) if name.isdigit() else [m[:3] for m in _MONTHS].index(name[:3]) + 1
            return Op("date", (), (year and int(year), month, int(found["day"])))
    return None


def time(text: str) -> Op | None:
    """The time of day that a text is, or None; data: hour, minute, second of a day of 24 hours."""
    if not (found := _TIME.fullmatch(text)):
        return None
    hour = int(found["hour"] or found["hour24"])
    minute, second = (int(found[name] or found[f"{name}24"] or 0) for name in ("minute", "second"))
    if found["half"]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if found["half"].casefold() == "p" else 0)
    return Op("time", (), (hour, minute, second)) if hour < 24 and minute < 60 and second < 60 else None
