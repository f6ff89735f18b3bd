"""Several teachers: who is followed how far, on what evidence, and that it is told."""

import json
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

pytest.importorskip("trl")

import small
import torch
from training import column, fit, killed, same

from sft.places import Places
from sft.reliability import reliabilities
from sft.several import Several, divergence, events, right
from sft.views import Top, View
from tracegen.records import UsageError

N, V = 6, 11
LABELS = torch.tensor([0, 3, 3, 10, 5, 1])


def scores(seed: int, wide: int = V) -> torch.Tensor:
    return torch.randn(N, wide, generator=torch.Generator().manual_seed(seed)) * 2


def places(documents: list[int]) -> Places:
    where = torch.arange(N)
    return Places(torch.zeros_like(where), where, LABELS, torch.tensor(documents), torch.zeros_like(where))


def test_shares_and_trust_are_their_formulas() -> None:
    one, other = scores(1), scores(2)
    mix = Several(["a", "b"], {"algebra": [0.8, 0.2], "logic": [0.5, 0.5]}, ["algebra", "logic"], tau=2.0, strength=0.5)
    share, trust = mix([View(one), View(other)], places([0, 0, 0, 1, 1, 1]), slice(None))
    p = torch.stack([torch.softmax(z.double(), -1) for z in (one, other)])
    reliable = torch.tensor([[0.8] * 3 + [0.5] * 3, [0.2] * 3 + [0.5] * 3], dtype=torch.float64)
    due = reliable * p[:, range(N), LABELS] ** (1 / 2.0)
    due = due / due.sum(0)
    torch.testing.assert_close(share.double(), due, rtol=1e-5, atol=1e-6)
    m = (due[..., None] * p).sum(0)
    js = (due[..., None] * p * (p.log() - m.log())).sum((0, 2))
    torch.testing.assert_close(
        trust.double(), 1 - 0.5 * js / torch.log(torch.tensor(2.0)).double(), rtol=1e-5, atol=1e-6
    )


def test_teachers_that_agree_are_trusted_and_those_that_exclude_each_other_are_not() -> None:
    mix = Several(["a", "b"], {"x": [0.5, 0.5]}, ["x"], tau=None)
    z = scores(1)
    _, trust = mix([View(z), View(z.clone())], places([0] * N), slice(None))
    torch.testing.assert_close(trust, torch.ones(N), atol=1e-5, rtol=0)
    left, apart = torch.full((N, V), -100.0), torch.full((N, V), -100.0)
    left[:, 2], apart[:, 7] = 100.0, 100.0
    share, trust = mix([View(left), View(apart)], places([0] * N), slice(None))
    torch.testing.assert_close(share, torch.full((2, N), 0.5))
    torch.testing.assert_close(trust, torch.zeros(N), atol=1e-5, rtol=0)
    sure = Several(["a", "b"], {"x": [1.0, 0.0]}, ["x"], tau=None)
    share, trust = sure([View(left), View(apart)], places([0] * N), slice(None))
    torch.testing.assert_close(share[0], torch.ones(N), atol=1e-5, rtol=0)
    assert (trust > 0.99).all(), "nobody is asked whom nobody believes"


def test_a_teacher_that_is_silent_has_no_share() -> None:
    known = torch.tensor([True, False, True, False, True, True])
    top = torch.log_softmax(scores(2), -1).topk(3, -1)
    silent = View(top=Top(top.indices, top.values), known=known)
    mix = Several(["a", "b"], {"x": [0.5, 0.5]}, ["x"])
    share, _ = mix([View(scores(1)), silent], places([0] * N), slice(None))
    assert (share[1] > 0).tolist() == known.tolist()
    torch.testing.assert_close(share.sum(0), torch.ones(N))
    share, trust = mix([silent, silent], places([0] * N), slice(None))
    assert (trust > 0).tolist() == known.tolist()
    assert torch.isfinite(share).all()


def test_events_are_those_that_all_teachers_know() -> None:
    one, other = scores(1), torch.log_softmax(scores(2), -1).topk(4, -1)
    found = events([View(one), View(top=Top(other.indices, other.values))]).exp()
    torch.testing.assert_close(found.sum(-1), torch.ones(2, N))
    assert ((found > 0).sum(-1) == 5).all(), "four tokens, and all the rest as one"
    for n, ids in enumerate(other.indices):
        torch.testing.assert_close(found[0, n, ids], torch.softmax(one[n], -1)[ids])
    same_columns = torch.tensor([0, 3, 5])
    short = events([View(scores(1, 3), columns=same_columns), View(scores(2, 3), columns=same_columns)])
    assert short.shape == (2, N, 3)
    assert (divergence(short, torch.full((2, N), 0.5)) >= 0).all()


def test_what_a_teacher_gives_to_the_right_token() -> None:
    z = scores(1)
    logs = torch.log_softmax(z, -1)
    torch.testing.assert_close(right(View(z), LABELS), logs[range(N), LABELS])
    columns = torch.tensor([1, 3, 5, 10])
    some = right(View(z[:, columns], columns=columns), LABELS)
    due = torch.log_softmax(z[:, columns], -1)
    torch.testing.assert_close(some[1:], torch.stack([due[1, 1], due[2, 1], due[3, 3], due[4, 2], due[5, 0]]))
    assert some[0] < -10, "a token that it does not know"
    top = logs.topk(4, -1)
    stored = right(View(top=Top(top.indices, top.values)), LABELS)
    for n in range(N):
        inside = LABELS[n] in top.indices[n]
        assert stored[n] == logs[n, LABELS[n]] if inside else stored[n] <= top.values[n, -1]


VERDICTS = [("a", "algebra", "right")] * 7 + [
    ("a", "algebra", "wrong"),
    ("a", "algebra", "error"),
    ("b", "algebra", "wrong"),
]


def verdicts(corpus: Path) -> str:
    (corpus / "data" / "all").mkdir(parents=True)
    rows = [{"teacher": teacher, "domain": domain, "verdict": said} for teacher, domain, said in VERDICTS]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), corpus / "data" / "all" / "train-00000.parquet")
    return str(corpus)


def test_reliability_is_the_share_of_right_traces(tmp_path: Path) -> None:
    corpus = verdicts(tmp_path)
    found = reliabilities(["a", "b", "c"], ["algebra", "logic"], "verified", corpus=corpus, by="domain")
    everybody = pytest.approx(8 / 11)
    assert found == {
        "algebra": [pytest.approx(8 / 10), pytest.approx(1 / 3), everybody],
        "logic": [pytest.approx(8 / 10), pytest.approx(1 / 3), everybody],
    }
    own = {"a": 0.9, "b": {"algebra": 0.4, "other": 0.7}}
    assert reliabilities(["a", "b"], ["algebra", "logic"], own, corpus="", by="domain") == {
        "algebra": [0.9, 0.4],
        "logic": [0.9, 0.7],
    }


def test_reliability_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="a figure for each of a, b"):
        reliabilities(["a", "b"], ["x"], {"a": 0.5}, corpus="", by="domain")
    with pytest.raises(UsageError, match="has no figure for 'x'"):
        reliabilities(["a"], ["x"], {"a": {"y": 0.5}}, corpus="", by="domain")
    with pytest.raises(UsageError, match="has no column 'topic'"):
        reliabilities(["a"], ["x"], "verified", corpus=verdicts(tmp_path), by="topic")


def test_what_happened_is_told_and_survives_a_kill(tmp_path: Path) -> None:
    corpus = Path(small.corpus(tmp_path / "corpus.jsonl"))
    rows = [
        json.loads(line) | {"domain": ("even", "odd")[n % 2]} for n, line in enumerate(corpus.read_text().splitlines())
    ]
    corpus.write_text("".join(json.dumps(row) + "\n" for row in rows))
    base = small.model(tmp_path / "base")
    teachers = {name: small.model(tmp_path / name, seed=seed) for seed, name in enumerate(("first", "second"), start=1)}
    given: Any = (str(corpus), base, teachers)
    reliability = {"first": {"even": 0.9, "odd": 0.1}, "second": 0.5}
    distill = {"several": {"reliability": reliability, "confidence": None}}
    whole = fit(tmp_path / "whole", *given, distill=distill, trainer={"max_steps": 3})
    assert column(whole, "share_first") != column(whole, "share_second")
    assert all(
        first + second == pytest.approx(1)
        for first, second in zip(column(whole, "share_first"), column(whole, "share_second"), strict=True)
    )
    assert all(0 < trust < 1 for trust in column(whole, "trust"))
    card = (tmp_path / "whole" / "README.md").read_text()
    table = {cells[1].strip(" `"): cells[2:-1] for line in card.splitlines() if len(cells := line.split("|")) == 7}
    assert [float(cell) for cell in table["even"][:2]] == pytest.approx([0.9 / 1.4, 0.5 / 1.4], abs=1e-3)
    assert [float(cell) for cell in table["odd"][:2]] == pytest.approx([0.1 / 0.6, 0.5 / 0.6], abs=1e-3)
    killed(tmp_path / "broken", *given, at=2, distill=distill, trainer={"max_steps": 3})
    same(tmp_path / "whole", tmp_path / "broken", tolerance=0)
    assert table["even"] == next(
        line.split("|")[2:-1]
        for line in (tmp_path / "broken" / "README.md").read_text().splitlines()
        if "`even`" in line
    )
