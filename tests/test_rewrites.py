"""The rewriter of gold answers: unique pairs, half of them wrong, checked by numbers, the same every time."""

import importlib
import json
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tracegen.format import split
from tracegen.records import Problem, Trace
from tracegen.verifiers.math import math

SCRIPTS = Path(__file__).parents[1] / "scripts"
GOLDS = [
    *("7", "-13", "58", "1,450", "0.35", ".0042", "2.5", r"\frac{3}{8}", r"-\frac{7}{5}", r"\frac29", r"3\frac{1}{4}"),
    *(r"4\sqrt{3}", r"\sqrt{31}", r"\frac{\sqrt{5}}{4}", r"6\pi", r"\frac{\pi}{8}", "5-2i", "3k+6", "x^2-7x+10"),
    *("(4,-9)", r"\left( 5, \frac{\pi}{3} \right)", r"(-\infty, 4]", "[1,6)", r"(0,3) \cup (3,8)", "4,-1", r"\{2,9\}"),
    *(
        r"2 \pm \sqrt{7}",
        "31_4",
        r"40^\circ",
        r"\$27.50",
        r"12\mbox{ cm}^2",
        r"\text{odd}",
        r"\text{(D)}",
        "y = 3x - 4",
    ),
    *(r"\begin{pmatrix} 2 \\ -5 \end{pmatrix}", r"\begin{pmatrix} 1 & 2 \\ 0 & 3 \end{pmatrix}"),
]


@pytest.fixture
def rewrite(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    return importlib.import_module("rewrite_math500")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "math500").mkdir()
    lines = "".join(json.dumps({"answer": gold}) + "\n" for gold in GOLDS)
    (tmp_path / "math500" / "test.jsonl").write_text(lines, encoding="utf-8")
    return tmp_path


def test_pairs_are_unique_and_half_of_them_wrong(rewrite: ModuleType, folder: Path) -> None:
    pairs = rewrite.pairs(folder, count=600)
    assert len(pairs) == len({(pair.gold, pair.pred) for pair in pairs}) == 600
    assert Counter(pair.expected for pair in pairs) == {True: 300, False: 300}
    assert len({pair.family for pair in pairs if pair.expected}) >= 20
    assert len({pair.family for pair in pairs if not pair.expected}) >= 20
    assert {pair.gold for pair in pairs} == set(GOLDS)


def test_a_seed_gives_the_same_pairs(rewrite: ModuleType, folder: Path) -> None:
    assert rewrite.pairs(folder, count=200, seed=5) == rewrite.pairs(folder, count=200, seed=5)
    assert rewrite.pairs(folder, count=200, seed=5) != rewrite.pairs(folder, count=200, seed=6)


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (r"\frac{6}{8}", "0.75", True),
        (r"\frac{6}{8}", r"\frac{8}{6}", False),
        (r"2(k+1)", "2k+2", True),
        ("2k+2", "2n+2", False),
        (r"3\frac{1}{4}", "3.25", True),
        (r"\sqrt{8}", r"2\sqrt2", True),
        ("(1,2)", "(2,1)", False),
        ("1,2", "2,1", True),
        (r"1 \pm i", "1-i, 1+i", True),
        ("[1,2)", "[1,2]", False),
        ("y = 2x", "4x - 2y = 0", True),
        ("y = 2x", "4x + 2y = 0", False),
        ("31_4", "31_5", False),
    ],
)
def test_the_reader_knows_equal_from_different(rewrite: ModuleType, one: str, other: str, equal: bool) -> None:
    reader: Any = importlib.import_module("rewrites.reader")
    assert reader.same(reader.read(one), reader.read(other)) is equal


@pytest.mark.parametrize("text", ["", "{", r"\frac{1}{", r"\unknown{1}", "1 +", "2 = 3 = 4", r"\frac{1}{0} +"])
def test_the_reader_reads_nothing_else(rewrite: ModuleType, text: str) -> None:
    assert importlib.import_module("rewrites.reader").read(text) is None


def test_the_verifier_is_right_about_them(rewrite: ModuleType, folder: Path) -> None:
    pairs = rewrite.pairs(folder, count=1000)
    missed = []
    for pair in pairs:
        parts = split(pair.pred)
        trace = Trace("k", "k", "", 0, (), parts.reasoning, parts.response, parts.status, "stop", 0)
        verdict = math(Problem("p", "?", answer=pair.gold), parts.response, trace=trace)
        if (verdict.outcome == "right") != pair.expected:
            missed.append((pair, verdict.outcome, verdict.reason))
    assert len(missed) <= 0.001 * len(pairs), missed
