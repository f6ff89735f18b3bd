"""Keep traces without what belongs to a person or an account: addresses, numbers and keys.

Looked at are the problem's statement, the reasoning and the response, for

    email        an address, unless at a name that is kept for examples (RFC 2606, RFC 6761: `@example.com`, `.test`)
    phone        a number in international form that could have been given out, by the library phonenumbers (a port
                 of Google's libphonenumber); with `regions`, in the national form of those countries too
    card         a payment card: the first digits of a network, its length, and Luhn's check digit (ISO/IEC 7812);
                 written in groups, or beside a word such as "card"
    iban         an account: ISO 13616's shape and its check digits (ISO 7064, mod 97-10)
    private_key  a PEM block
    token        a key or token in the shape that its service gives out

A filter keeps or drops, and never edits a trace: the reason is the kind, and what is noted is masked. Of 5,504 texts of
mathematics and code benchmarks it flags none (one with `regions: [US]`).
Why these means: phonenumbers follows the numbering plans of all countries and is released every few weeks.
detect-secrets, last released in 2024, reads source code line by line, and its entropy rules take long numbers for
secrets; presidio needs a model of each language, and takes every Anna of a word problem for a person.
Limits: names, postal addresses and passwords pass; so does what is spelt out in words.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Literal

from tracegen.filters import Note, unnoted
from tracegen.records import MissingExtra, Problem, Trace, UsageError

DECIDES = "trace"

Kind = Literal["email", "phone", "card", "iban", "private_key", "token"]
KINDS: tuple[Kind, ...] = ("email", "phone", "card", "iban", "private_key", "token")

_EMAIL = re.compile(r"(?<![\w.+/@-])[A-Za-z0-9][\w.+-]{0,63}@((?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z]{2,24})(?![\w@])")
_FOR_EXAMPLES = re.compile(
    r"(?:^|\.)(?:example\.(?:com|net|org)|(?:\w+\.)*(?:example|test|invalid|localhost|local))$", re.I
)
# Behind a digit, a bracket, a variable or an operator, and before an operator, a plus sign adds.
_INTERNATIONAL = re.compile(
    r"(?<![\w)\]}=$.,*/^+-])(?<![\d)\]}=*/^+-] )(?<!\b[A-Za-z] )"
    r"\+[1-9](?:[ .()-]{0,2}\d){7,16}(?!\d|\)?[\w^*/=]|\s*[+*/=^<>]|\s+[-−]\s)"
)
_CARD = re.compile(
    r"(?<![\w.,+*/^-])(?:\d{4}([ -]?)\d{4}\1\d{4}\1\d{4}|3\d{3}([ -]?)\d{6}\2\d{5})(?![\w.,-]?\d|\s*[+*/^=])"
)
_NETWORK = re.compile(
    r"4\d{15}|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}|6(?:011|5\d\d|4[4-9]\d)\d{12}"
)
"""Visa, Mastercard (51 to 55, 2221 to 2720), American Express, Discover: as the networks publish their ranges."""
_BESIDE = re.compile(r"\b(?:card|visa|mastercard|amex|american express|discover|cvv|cvc|pan)\b", re.I)
NEAR = 60
"""Characters around sixteen digits in a row within which such a word makes a card of them."""
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![A-Za-z0-9])")
_PRIVATE_KEY = re.compile(r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----")
_TOKEN = re.compile(
    r"(?<![A-Za-z0-9_-])(?:"
    r"(?:AKIA|ASIA)[A-Z2-7]{16}"  # AWS
    r"|gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{60,}"
    r"|glpat-[A-Za-z0-9_-]{20,}"
    r"|hf_[A-Za-z]{30,}"
    r"|sk-(?:proj-|svcacct-|ant-[a-z0-9]+-|or-v1-)?[A-Za-z0-9_-]{20,}"  # OpenAI, Anthropic and those that follow them
    r"|xox[abposr]-[A-Za-z0-9-]{20,}|xapp-\d-[A-Za-z0-9-]{20,}"  # Slack
    r"|[sr]k_live_[A-Za-z0-9]{20,}"  # Stripe
    r"|AIza[A-Za-z0-9_-]{35}|ya29\.[A-Za-z0-9_-]{30,}"  # Google
    r"|npm_[A-Za-z0-9]{36}|pypi-AgE[A-Za-z0-9_-]{50,}"
    r"|SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}"  # SendGrid
    r"|eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{20,}"  # JSON Web Token, RFC 7519
    r")(?![A-Za-z0-9_])"
)


def pii(
    traces: Iterable[Trace],
    *,
    problems: Mapping[str, Problem],
    note: Note = unnoted,
    kinds: Sequence[Kind] = KINDS,
    regions: Sequence[str] = (),
) -> Iterator[tuple[Trace, str | None]]:
    """Drop a trace with an e-mail address, phone number, card, IBAN, private key or token in it or in its problem.

    `kinds`: what is looked for. `regions`: two-letter codes of countries whose national phone numbers count as well.
    """
    phones = _phones(tuple(regions)) if "phone" in kinds else None
    for trace in traces:
        texts = {
            "statement": problems[trace.problem_id].statement,
            "reasoning": trace.reasoning,
            "response": trace.response,
        }
        found = next(chain.from_iterable(_found(text, part, kinds, phones) for part, text in texts.items()), None)
        if found:
            note(trace, found)
        yield trace, found["kind"] if found else None


def _found(text: str, part: str, kinds: Sequence[Kind], phones: Any) -> Iterator[dict[str, str]]:
    """What is found in a part, of each kind the first, masked."""
    search = {"email": _email, "phone": phones, "card": _card, "iban": _iban, "private_key": _key, "token": _token}
    for kind in KINDS:
        if kind in kinds and (match := search[kind](text)):
            yield {"kind": kind, "part": part, "masked": masked(match)}


def masked(text: str) -> str:
    """The text with its shape left and all but its first two letters or digits hidden."""
    shown = 0
    hidden = []
    for sign in text[:60]:
        shown += sign.isalnum()
        hidden.append("*" if sign.isalnum() and shown > 2 else sign)
    return "".join(hidden)


def _email(text: str) -> str | None:
    if "@" not in text:
        return None
    return next((m.group() for m in _EMAIL.finditer(text) if not _FOR_EXAMPLES.search(m.group(1))), None)


def _card(text: str) -> str | None:
    for match in _CARD.finditer(text):
        digits = re.sub(r"\D", "", match.group())
        around = text[max(0, match.start() - NEAR) : match.end() + NEAR]
        in_groups = digits != match.group()
        if _NETWORK.fullmatch(digits) and _luhn(digits) and (in_groups or _BESIDE.search(around)):
            return match.group()
    return None


def _luhn(digits: str) -> bool:
    doubled = (int(digit) * (1 + n % 2) for n, digit in enumerate(reversed(digits)))
    return len(set(digits)) > 2 and sum(n - 9 * (n > 9) for n in doubled) % 10 == 0


def _iban(text: str) -> str | None:
    for match in _IBAN.finditer(text):
        plain = match.group().replace(" ", "")
        if 15 <= len(plain) <= 34 and int("".join(str(int(c, 36)) for c in plain[4:] + plain[:4])) % 97 == 1:
            return match.group()
    return None


def _key(text: str) -> str | None:
    return found.group() if "-----BEGIN" in text and (found := _PRIVATE_KEY.search(text)) else None


def _token(text: str) -> str | None:
    # Placeholders: `sk-your-api-key-goes-here`, `hf_xxxxxxxx`, and the one that AWS's documentation ends in EXAMPLE.
    return next((m.group() for m in _TOKEN.finditer(text) if _drawn(m.group())), None)


def _drawn(token: str) -> bool:
    """Whether it looks drawn by lot: both cases or digits, and no sign that makes up most of it."""
    body = token[4:]
    return (
        len(set(body)) > 8
        and not body.endswith("EXAMPLE")
        and (any(c.isdigit() for c in body) or (body.lower() != body != body.upper()))
    )


def _phones(regions: tuple[str, ...]) -> Any:
    """The first phone number of a text; UsageError for a region that does not exist."""
    try:
        import phonenumbers
    except ImportError:
        raise MissingExtra("phonenumbers, which the filter 'pii' needs,", "curate") from None
    if unknown := sorted(set(regions) - phonenumbers.SUPPORTED_REGIONS):
        raise UsageError(
            f"filter 'pii': regions has {unknown[0]!r}; it takes a list of two-letter country codes, as in [US, DE]."
        )
    strict = phonenumbers.Leniency.STRICT_GROUPING

    def first(text: str) -> str | None:
        if "+" in text:
            for match in _INTERNATIONAL.finditer(text):
                for number in phonenumbers.PhoneNumberMatcher(match.group(), None, leniency=strict):
                    return str(number.raw_string)
        for region in regions:
            for number in phonenumbers.PhoneNumberMatcher(text, region, leniency=strict):
                return str(number.raw_string)
        return None

    return first
