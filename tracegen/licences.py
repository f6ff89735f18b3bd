"""Which licence a whole may carry whose parts have licences of their own; what cannot be shared together is named.

Shape: `derive([("source 'gsm8k'", "mit"), ...]) -> Licence(name, why, conflicts, unknown)`. The whole carries the
licence of that part under which all others may be shared too. A part without a licence makes the whole `unknown`: said,
not refused.

The rule follows Creative Commons' answers on adapter's licences and their chart of licences that may be remixed
(https://creativecommons.org/faq, https://wiki.creativecommons.org/wiki/License_Compatibility): attribution and public
domain go into anything; share-alike goes into itself, its later versions and what Creative Commons has declared
compatible; non-commercial stays non-commercial; no-derivatives goes into nothing that is changed. A licence that is not
in these tables goes into itself alone.
Limits: names, not law. Nobody here reads your contract; ask somebody who does before much depends on it.
"""

import re
from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import NamedTuple

__all__ = ["Licence", "derive", "goes_into", "named"]

_FROM_THE_FREEST = """
wtfpl unlicense pddl cc0-1.0 zlib isc bsl-1.0 postgresql ncsa mit bsd-2-clause bsd-3-clause bsd afl-3.0 ecl-2.0
apache-2.0 cdla-permissive-1.0 cdla-permissive-2.0 etalab-2.0 odc-by cc-by-2.0 cc-by-2.5 cc-by-3.0 cc-by-4.0
"""
FREE = _FROM_THE_FREEST.split()
"""Free to be shared under other terms, notices kept; from those that ask nothing to those that ask for attribution."""
NONCOMMERCIAL = ["cc-by-nc-2.0", "cc-by-nc-3.0", "cc-by-nc-4.0"]
NONCOMMERCIAL_ALIKE = ["cc-by-nc-sa-2.0", "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0"]
ALIKE = {
    "cc-by-sa-3.0": ("cc-by-sa-4.0",),
    # One way, declared in October 2015: https://creativecommons.org/share-your-work/licensing-considerations/compatible-licenses
    "cc-by-sa-4.0": ("gpl-3.0",),
    "gpl-3.0": ("agpl-3.0",),
    **{name: tuple(NONCOMMERCIAL_ALIKE[place + 1 :]) for place, name in enumerate(NONCOMMERCIAL_ALIKE)},
}
"""Share-alike, and the other licences that it may go on under."""
UNSAID = {"", "unknown", "other", "none", "null", "n-a"}
_SPELT_OUT = [
    (re.compile(long), short)
    for long, short in {
        r"(?:gnu )?affero general public licen[sc]e": "agpl",
        r"(?:gnu )?lesser general public licen[sc]e": "lgpl",
        r"(?:gnu )?general public licen[sc]e": "gpl",
        "creative commons": "cc",
        "open data commons": "odc",
        r"\battribution\b": "by",
        r"share[\s-]?alike": "sa",
        r"non[\s-]?commercial": "nc",
        r"no[\s-]?deriv(?:ative)?s?(?: works)?\b": "nd",
        r"\b(?:the|(?:public )?licen[sc]e|public domain dedication)\b": " ",
        r"\b(?:international|universal|generic|unported|version)\b": " ",
        r"(?<=\d)(?:-or-later|-only|\+)$": "",
    }.items()
]
SHOWN = 5
"""Parts that one sentence names."""

Part = tuple[str, str | None]
"""Who, as words for the user, and under which licence."""


class Licence(NamedTuple):
    """What a whole may carry."""

    name: str
    """A licence, or `unknown`."""
    why: str
    """One sentence."""
    conflicts: tuple[str, ...] = ()
    """Sentences, each naming who and what to do; where there is one, nothing may be shared."""
    unknown: tuple[str, ...] = ()
    """Who has not said."""


def named(licence: str | None) -> str | None:
    """The licence as the Hub spells it: `Apache License 2.0` and `apache-2.0` are one; None where nothing is said."""
    words = re.sub(r"(?<=\w)\s*\([^)]*\)", "", (licence or "").lower())
    for long, short in _SPELT_OUT:
        words = long.sub(short, words)
    name = re.sub(r"[\s_/,-]+", "-", words).strip("-")
    name = re.sub(r"(?<=gpl)v(?=\d)|-v(?=\d)", "-", name)
    name = re.sub(r"^([al]?gpl|apache|mpl|cc-[a-z-]*[a-z])-(\d)$", r"\1-\2.0", name)
    same = {"cc0": "cc0-1.0", "apache": "apache-2.0", "odc-by-1.0": "odc-by", "odbl-1.0": "odbl"}
    return None if name in UNSAID else same.get(name, name)


def goes_into(part: str, whole: str) -> bool:
    """Whether something under `part` may be shared, changed, inside a whole under `whole`."""
    if _no_derivatives(part):
        return False
    if part in FREE:
        return whole not in FREE or FREE.index(part) <= FREE.index(whole)
    if part in NONCOMMERCIAL:
        return whole in NONCOMMERCIAL[NONCOMMERCIAL.index(part) :] or whole in NONCOMMERCIAL_ALIKE
    return whole == part or whole in ALIKE.get(part, ())


def derive(parts: Iterable[Part], *, declared: str | None = None, address: str = "corpus.licence") -> Licence:
    """The licence of the whole, or the one `declared` for it at `address`, checked against every part."""
    read = sorted({(who, named(licence)) for who, licence in parts}, key=lambda part: (part[0], part[1] or ""))
    unknown = tuple(who for who, licence in read if licence is None)
    stated = [(who, licence) for who, licence in read if licence is not None and not _no_derivatives(licence)]
    conflicts = [
        f"{who} is {licence}, under which nothing may be shared that was made from it; leave it out with the filter "
        "`licence`"
        for who, licence in read
        if licence is not None and _no_derivatives(licence)
    ]
    names = list(dict.fromkeys(licence for _, licence in stated))
    if declared := named(declared):
        conflicts += [
            f"{address} is {declared}, and {who} is {licence}, which may not be shared under it; set "
            f"{address}={licence}, or leave it out with the filter `licence`"
            for who, licence in stated
            if not goes_into(licence, declared)
        ]
        return Licence(declared, f"the recipe's {address}", tuple(conflicts), unknown)
    strictest = next((name for name in names if all(goes_into(other, name) for other in names)), None)
    if names and strictest is None:
        conflicts.append(
            f"{_apart(stated)} may not be shared together; leave one of them out with the filter `licence`"
        )
    if conflicts or strictest is None or unknown:
        nothing_said = f"no licence is known of {_listed(unknown)}" if unknown else "no part of it names a licence"
        return Licence("unknown", conflicts[0] if conflicts else nothing_said, tuple(conflicts), unknown)
    why = f"all parts are {strictest}" if len(names) == 1 else f"the strictest of {_listed(names)}"
    return Licence(strictest, why)


def _no_derivatives(licence: str) -> bool:
    return "nd" in licence.split("-")


def _apart(stated: Sequence[tuple[str, str]]) -> str:
    """The first two parts that cannot stand together; where any two can, all of them."""
    pairs = combinations(stated, 2)
    no_pair = next(((a, b) for a, b in pairs if not (goes_into(a[1], b[1]) or goes_into(b[1], a[1]))), stated)
    return " and ".join(f"{who} ({licence})" for who, licence in no_pair)


def _listed(words: Sequence[str]) -> str:
    shown = ", ".join(words[:SHOWN])
    return shown + (f" and {len(words) - SHOWN} more" if len(words) > SHOWN else "")
