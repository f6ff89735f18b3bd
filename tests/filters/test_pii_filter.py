"""Addresses, numbers and keys are found and masked; what only has their shape is not. None of them is anybody's."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tracegen.filters.pii import KINDS, pii
from tracegen.records import Problem, Trace, UsageError
from tracegen.registry import bind

pytest.importorskip("phonenumbers")

BENCHMARKS = Path(__file__).parents[2].parent / "shared" / "benchmarks"
LETTERS = "Q7wE2rT9yU4iO1pA6sD3fG8hJ5kL0zX7cV2bN9mQ4wE1rT6yU3iO8pA5sD0fG7hJ2kL9zX4cV1bN6m"


def judged(said: str, thought: str = "", statement: str = "How many?", **options: Any) -> tuple[str | None, list[Any]]:
    noted: list[Any] = []
    trace = Trace("k", "p", "t", 0, (), thought, said, "complete", "stop", 9)
    problems = {"p": Problem("p", statement)}
    [(_, reason)] = pii([trace], problems=problems, note=lambda _, evidence: noted.append(evidence), **options)
    return reason, noted


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("email", "Write to anna.k+maths@post.firma.de today."),
        ("email", "<bob@uni-xyz.ac.uk>"),
        ("phone", "Call +1 (212) 736-5000."),
        ("phone", "Ring +44 20 7946 0958, please"),
        ("phone", "my number (+91 98765 43210) is"),
        ("card", "Pay with 4539 1488 0343 6467 today"),
        ("card", "my card is 4539148803436467."),
        ("card", "amex 3782 822463 10005"),
        ("iban", "to DE89 3704 0044 0532 0130 00 by Friday"),
        ("iban", "GB82WEST12345698765432"),
        ("private_key", "-----BEGIN RSA PRIVATE KEY-----\nMIIE"),
        ("private_key", "-----BEGIN OPENSSH PRIVATE KEY-----"),
        ("token", "AKIAQ7WER2T4YUI3OPAS"),
        ("token", f"ghp_{LETTERS[:36]}"),
        ("token", f"github_pat_{LETTERS[:70]}"),
        ("token", f"glpat-{LETTERS[:20]}"),
        ("token", "hf_AbCdEfGhIjKlMnOpQrStUvWxYzAbCdEfGh"),
        ("token", f"OPENAI_API_KEY=sk-proj-{LETTERS[:40]}"),
        ("token", f"sk-ant-api03-{LETTERS[:40]}"),
        ("token", f"xoxb-1234567890-{LETTERS[:24]}"),
        ("token", f"sk_live_{LETTERS[:24]}"),
        ("token", f"AIza{LETTERS[:35]}"),
        ("token", f"npm_{LETTERS[:36]}"),
        ("token", f"pypi-AgEIcHlwaS5vcmc{LETTERS[:50]}"),
        ("token", f"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.{LETTERS[:43]}"),
    ],
)
def test_each_kind_in_each_part(kind: str, text: str) -> None:
    for part, given in {
        "response": {"said": text},
        "reasoning": {"said": "", "thought": text},
        "statement": {"said": "", "statement": text},
    }.items():
        reason, [noted] = judged(**given)
        assert (reason, noted["kind"], noted["part"]) == (kind, kind, part)
        assert noted["masked"] not in text
        assert noted["masked"].count("*") >= 4
    assert judged(text, kinds=[other for other in KINDS if other != kind]) == (None, [])


@pytest.mark.parametrize(
    "text",
    [
        "user@example.com, root@localhost, me@mail.example.org, a@b.test, a@b",
        "@property\ndef x(self): return self@other.T",
        "12+49 30 1234567 = 5, and x = +12125550100",
        "we get 4 + 4915112345678 apples, n +4915112345678, and (a) +4915112345678",
        "$+12127365000$ and +12127365000 - 4 = ...",
        "+1 +2 +3 +4 +5 +6 +7 and +20 100 200 300 400",
        "The sum is +100000000000.",
        "1111 2222 3333 4444 and 4444444444444444 and 4111 1111 1111 1111",
        "4539148803436467 is odd, 4539148803436467 + 1 is even",
        "4539 1488 0343 6468",
        "4539 1488 0343 6467 = n",
        "DE89 3704 0044 0532 0130 01 and AB12 3456 7890 1234",
        "sk-your-api-key-goes-here-please, hf_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx, AKIAIOSFODNN7EXAMPLE",
        "-----BEGIN PUBLIC KEY-----",
        "pi is 3.14159265358979323846264338327950288419716939937510",
        "e4539 1488 0343 6467, 0.4539 1488 0343 6467",
        "risk-averse-investors-and-their-preferences-in-2024",
        "",
    ],
)
def test_what_only_has_the_shape(text: str) -> None:
    assert judged(text, text, text) == (None, [])


def test_national_numbers_where_the_recipe_names_the_country() -> None:
    assert judged("Call (212) 736-5000.")[0] is None
    assert judged("Call (212) 736-5000.", regions=["US"])[0] == "phone"
    assert judged("Ruf 030 22736555 an.", regions=["DE"])[0] == "phone"


def test_options_that_do_not_exist() -> None:
    with pytest.raises(UsageError, match=r"regions has 'XX'; it takes a list of two-letter country codes"):
        list(pii([], problems={}, regions=["XX"]))
    with pytest.raises(UsageError, match="kinds is"):
        bind("filter", "pii", {"kinds": ["name"]})


def test_texts_of_benchmarks_hold_none() -> None:
    if not BENCHMARKS.is_dir():
        pytest.skip("the benchmarks' files are not beside the source tree")
    for file in sorted(BENCHMARKS.glob("*/test*.jsonl")):
        for line in file.read_text(encoding="utf-8").splitlines()[:500]:
            text = "\n".join(value for value in json.loads(line).values() if isinstance(value, str))
            assert judged(text) == (None, [])


@pytest.mark.parametrize(
    "text", ["a" * 100_000 + "@", "a.b-" * 30_000, "+1 " * 40_000, "4539 " * 30_000, "sk-" * 40_000]
)
def test_hostile_texts_take_no_time(text: str) -> None:
    began = time.process_time()
    judged(text)
    assert time.process_time() - began < 2
