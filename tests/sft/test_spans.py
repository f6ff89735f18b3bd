"""Teachers that cut text into other tokens: alignment, the loss over two vocabularies, and trainings."""

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trl")

import small
import tiny
import torch
from hypothesis import given as over
from hypothesis import strategies as some
from training import column, fit, same
from transformers import AutoModelForCausalLM

from sft.again import Source, again
from sft.collate import Flat
from sft.losses.forward_kl import forward_kl
from sft.losses.uld import uld
from sft.mixture import rows as rendered
from sft.objective import pieces
from sft.places import Places
from sft.spans import END, Alphabet, Spanned, align
from sft.views import Spans, View
from tracegen.records import UsageError

OTHER: dict[str, Any] = {"seed": 1, "hidden_size": 48}


@over(some.lists(some.binary(min_size=1, max_size=4), min_size=1, max_size=8), some.data())
def test_spans_are_the_same_bytes_and_cannot_be_finer(own: list[bytes], data: Any) -> None:
    text = b"".join(own)
    cuts = sorted(data.draw(some.sets(some.integers(1, max(1, len(text) - 1)))) & set(range(1, len(text))))
    theirs = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    found = align([*own, END], [*theirs, END])
    assert sum(span.own_end - span.own for span in found) == len(own) + 1
    for span in found:
        left, right = [*own, END][span.own : span.own_end], [*theirs, END][span.theirs : span.theirs_end]
        assert b"".join(left) == b"".join(right)
        inner = [len(b"".join(side[:n])) for side in (left, right) for n in range(1, len(side))]
        assert len(set(inner)) == len(inner), "no boundary inside of a span is common"


def test_what_only_one_side_has_at_the_front_is_left_out() -> None:
    found = align([b"<think>", b"ab", b"c", END], [b"a", b"bc", END])
    assert found == [(1, 3, 0, 2), (3, 4, 2, 3)]
    assert align([b"xyz", END], [b"qz", END]) == [(1, 2, 1, 2)], "a common end inside of a token is no boundary"


@pytest.mark.parametrize("metaspace", [False, True])
def test_pieces_are_the_bytes_of_the_text(metaspace: bool) -> None:
    tokenizer = small.words(metaspace)
    alphabet = Alphabet(tokenizer)
    for text in (*small.TEXTS[:3], "10 é 中 at all  x"):
        ids = [*tokenizer.encode(text, add_special_tokens=False), tokenizer.eos_token_id]
        assert b"".join(alphabet.pieces(ids)) == text.encode() + END
    number = alphabet.numbers[b" nothing"]
    assert tokenizer.decode([number]).strip() == "nothing"


def spans(n: int, vocabulary: int, logits: torch.Tensor, labels: torch.Tensor) -> Spans:
    every = torch.ones(n, dtype=torch.bool)
    both = torch.arange(vocabulary)
    return Spans(every, ~every, labels, torch.zeros(n), both, both, logits)


@pytest.mark.parametrize("temperature", [1.0, 2.0, torch.tensor([1.0, 2.0, 3.0, 1.5])])
def test_with_one_tokenizer_it_is_the_forward_kl(temperature: Any) -> None:
    generator = torch.Generator().manual_seed(0)
    own, theirs = (torch.randn(4, 9, generator=generator) for _ in range(2))
    labels = torch.tensor([3, 0, 8, 3])
    found = uld(View(own), View(spans=spans(4, 9, theirs, labels)), labels, temperature=temperature)
    due = forward_kl(View(own), View(theirs), labels, temperature=temperature)
    torch.testing.assert_close(found, due, rtol=1e-4, atol=1e-5)
    nothing = uld(View(own), View(spans=spans(4, 9, own.clone(), labels)), labels, temperature=temperature)
    torch.testing.assert_close(nothing, torch.zeros(4), atol=1e-5, rtol=0)


def test_the_sum_over_two_vocabularies_is_its_formula() -> None:
    """Student: a span of two tokens, then one of one. Teacher: of one, then of two."""
    generator = torch.Generator().manual_seed(0)
    own = (torch.randn(3, 5, generator=generator, dtype=torch.float64) * 2).requires_grad_()
    theirs = torch.randn(2, 7, generator=generator, dtype=torch.float64)
    labels, first, rest = torch.tensor([1, 4, 2]), torch.tensor([6, 3]), torch.tensor([0.0, -0.7], dtype=torch.float64)
    matched = [(0, 0), (1, 2), (2, 3), (3, 5)]
    student, teacher = (torch.tensor(side) for side in zip(*matched, strict=True))
    begins = torch.tensor([True, False, True])
    given = Spans(begins, ~begins, first, rest.float(), student, teacher, theirs.float())
    found = uld(View(own.float()), View(spans=given), labels, unmatched=0.5)
    p, q = torch.softmax(own, -1), torch.softmax(theirs, -1)

    def events(span: torch.Tensor, others: list[torch.Tensor]) -> torch.Tensor:
        stacked = torch.stack([span, *others])
        return torch.cat([stacked, 1 - stacked.sum()[None]])

    # The student's first token 1 and its match 2 stand for the span; the teacher's first token 6 has no match.
    left = events(p[0, 1] * p[1, 4], [p[0, 0], p[0, 2], p[0, 3]])
    right = events(q[0, 6], [q[0, 0], q[0, 3], q[0, 5]])
    ranks = (torch.tensor([float(p[0, 4]), 0, 0]) - q[0, [1, 4, 6]].sort(descending=True).values).abs().sum()
    due = (right * (right / left).log()).sum() + 0.5 * ranks
    assert found[0].item() == pytest.approx(due.item(), rel=1e-4)
    left = events(p[2, 2], [p[2, 0], p[2, 1], p[2, 3]])
    right = events(q[1, 3] * rest[1].exp(), [q[1, 0], q[1, 2], q[1, 5]])
    ranks = (torch.tensor([float(p[2, 4]), 0, 0]) - q[1, [1, 4, 6]].sort(descending=True).values).abs().sum()
    due = (right * (right / left).log()).sum() + 0.5 * ranks
    assert found[2].item() == pytest.approx(due.item(), rel=1e-4)
    assert found[1] == 0
    found.sum().backward()
    assert own.grad is not None
    assert torch.isfinite(own.grad).all()
    assert (own.grad.abs().sum(-1) > 0).all()


def test_spans_are_not_cut_into_chunks() -> None:
    joined = torch.tensor([False, True, True, False, True, False, False])
    assert pieces(7, 4, [joined]) == [slice(0, 3), slice(3, 7)]
    assert pieces(7, 3, []) == [slice(0, 3), slice(3, 6), slice(6, 7)]
    chunk = Spans(~joined, joined, torch.arange(4), torch.arange(4.0), joined[:0], joined[:0]).at(slice(3, 7))
    assert chunk.first.tolist() == [1, 2, 3]


@pytest.mark.parametrize("metaspace", [False, True])
def test_a_teacher_of_another_tokenizer_says_what_its_model_says(tmp_path: Path, metaspace: bool) -> None:
    """Against the model's own logits of each document alone."""
    corpus, theirs, own = small.corpus(tmp_path / "corpus.jsonl"), small.words(metaspace), tiny.tokenizer()
    folder = small.model(tmp_path / "teacher", **OTHER, words=theirs)
    rows, _ = rendered(corpus, own, max_length=500)
    others = again(rows, [Source(corpus)], theirs)
    teacher = Spanned(
        AutoModelForCausalLM.from_pretrained(folder), rows, others, Alphabet(own), Alphabet(theirs), Flat()
    )
    assert 0.1 < teacher.aligned < 0.9
    picked = [4, 1, 4]
    ids = [token for n in picked for token in rows[n].input_ids]
    labels = [label for n in picked for label in rows[n].labels]
    inputs = Flat()(
        [{"rows": picked, "lengths": [len(rows[n].input_ids) for n in picked], "input_ids": ids, "labels": labels}]
    )
    look = teacher(inputs, Places.of(inputs))
    found = look(slice(0, None)).spans
    assert found is not None
    assert found.logits is not None
    assert (int(found.begins.sum()), len(found.first), len(found.logits)) == (
        sum(len(teacher.spans[n]) for n in picked),
    ) * 3
    plain = AutoModelForCausalLM.from_pretrained(folder)
    at = 0
    for n in picked:
        logs = torch.log_softmax(plain(torch.tensor([others[n].input_ids])).logits[0].float(), -1)
        for span in teacher.spans[n]:
            place = others[n].prompt + span.theirs
            torch.testing.assert_close(torch.log_softmax(found.logits[at], -1), logs[place - 1], atol=1e-4, rtol=1e-4)
            assert found.first[at] == others[n].input_ids[place]
            more = range(place + 1, others[n].prompt + span.theirs_end)
            due = sum(float(logs[k - 1, others[n].input_ids[k]]) for k in more)
            assert float(found.rest[at]) == pytest.approx(due, abs=1e-3)
            at += 1


@pytest.mark.parametrize(("kind", "metaspace"), [("Llama", False), ("Llama", True), ("Mamba", False)])
def test_students_learn_across_tokenizers(tmp_path: Path, kind: str, metaspace: bool, monkeypatch: Any) -> None:
    base = small.model(tmp_path / "base", kind)
    teachers = {"other": small.model(tmp_path / "teacher", **OTHER, words=small.words(metaspace))}
    given: Any = (small.corpus(tmp_path / "corpus.jsonl"), base, teachers)
    distill = {"align": "spans", "losses": {"uld": {}}, "alpha": 0.0}
    log = fit(tmp_path / "out", *given, distill=distill, trainer={"max_steps": 10})
    assert log[-1]["uld"] < 0.97 * log[0]["uld"]
    if kind == "Llama":
        split = {"max_steps": 2, "optim": "sgd", "train_sampling_strategy": "sequential", "learning_rate": 0.5}
        whole = fit(tmp_path / "whole", *given, distill=distill, trainer=split | {"per_device_train_batch_size": 6})
        monkeypatch.setattr(
            "sft.objective.Objective.__init__.__kwdefaults__", {"mix": None, "gaps": False, "chunk": 30 * 259}
        )
        parts = split | {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 3}
        assert column(fit(tmp_path / "parts", *given, distill=distill, trainer=parts), "uld") == pytest.approx(
            column(whole, "uld"), rel=1e-5
        )
        same(tmp_path / "whole", tmp_path / "parts", tolerance=1e-5)


@pytest.mark.parametrize(
    ("distill", "said"),
    [
        ({"align": "spans"}, "'forward_kl' compares token by token"),
        ({"losses": {"uld": {}}}, "'uld' takes `align: spans`"),
        ({"align": "spans", "losses": {"uld": {}}, "teachers": {"other": {"ema": 0.9}}}, "leave its other fields out"),
    ],
)
def test_what_cannot_be(tmp_path: Path, distill: Any, said: str) -> None:
    base = small.model(tmp_path / "base")
    with pytest.raises(UsageError, match=said):
        fit(tmp_path / "out", small.corpus(tmp_path / "corpus.jsonl"), base, {"other": base}, distill=distill)
