"""Held-out problems: none of their traces is trained on, the loss on them is exact, and they decide what is kept."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trl")

import small
import torch
from training import Killed, dying, same, trained
from transformers import AutoModelForCausalLM, AutoTokenizer

from sft.answers import Answer
from sft.data import Row
from sft.held_out import one_each, split
from sft.mixture import rows
from tracegen.records import UsageError
from tracegen.student import HeldOut


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Two traces for each of ten problems."""
    return small.corpus(tmp_path_factory.mktemp("corpus") / "corpus.jsonl", rows=20, problems=10)


def fit(
    folder: Path, corpus: str, base: str, held_out: Any, teacher: str | None = None, **given: Any
) -> dict[str, Any]:
    """The figures of a training, of a distillation where there is a teacher; `folder` / student holds the student."""
    given["trainer"] = {"max_steps": 6} | given.get("trainer", {})
    told = HeldOut.model_validate(held_out)
    return trained(folder / "student", corpus, base, teacher and {"big": teacher}, held_out=told, **given)


def test_a_problem_is_held_out_with_all_its_traces() -> None:
    made = [Row(str(i), [i % 10, 50, i], [-100, -100, i]) for i in range(40)]
    kept, held = split(made, 0.2, seed=1)
    assert len(held) == 8
    assert not {row.input_ids[0] for row in kept} & {row.input_ids[0] for row in held}
    assert sorted(int(row.sample_id) for row in kept + held) == list(range(40))
    assert split(made, 2, seed=1) == (kept, held)
    assert split(made, 2, seed=2) != (kept, held)
    assert len(one_each(held)) == 2
    # More problems: those that were held out still are, where the new ones do not come before them.
    grown = made + [Row(str(i), [i, 50, i], [-100, -100, i]) for i in range(60, 62)]
    assert {r.input_ids[0] for r in split(grown, 4, seed=1)[1]} >= {r.input_ids[0] for r in held}


@pytest.mark.parametrize("problems", [10, 11, 40])
def test_something_must_be_left_to_train_on(problems: int) -> None:
    with pytest.raises(UsageError, match="one be left to train on"):
        split([Row(str(i), [i, 50], [-100, 50]) for i in range(10)], problems, seed=1)


def test_the_loss_is_that_of_the_saved_student(tmp_path: Path, corpus: str, base: str) -> None:
    """A mean over tokens, whatever the batches; computed once more from the student's files, row by row."""
    figures = fit(
        tmp_path, corpus, base, {"problems": 4, "every": 3, "keep": "last"}, trainer={"per_device_eval_batch_size": 3}
    )
    assert [line["step"] for line in figures["held_out"]["lines"]] == [3, 6]
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "student", dtype=torch.float32)
    made, _ = rows(corpus, AutoTokenizer.from_pretrained(base), max_length=1024)
    total, right, places = 0.0, 0, 0
    for row in split(made, 4, seed=1)[1]:
        labels = torch.tensor(row.labels)
        with torch.no_grad():
            scores = model(torch.tensor([row.input_ids])).logits[0, :-1]
        each = torch.nn.functional.cross_entropy(scores.double(), labels[1:], reduction="none", ignore_index=-100)
        trained = labels[1:] != -100
        total += float(each.sum())
        right += int((scores.argmax(-1) == labels[1:])[trained].sum())
        places += int(trained.sum())
    line = figures["held_out"]["lines"][-1]
    assert line["loss"] == pytest.approx(total / places, rel=1e-5)
    assert line["accuracy"] == pytest.approx(right / places)


def test_every_term_of_an_objective_is_looked_at(tmp_path: Path, corpus: str, base: str, teacher: str) -> None:
    losses = {"forward_kl": {}, "attention": {"window": 16, "weight": 0.1}}
    figures = fit(
        tmp_path,
        corpus,
        base,
        {"problems": 3, "every": 3, "max_tokens": 5},
        teacher,
        distill={"losses": losses, "alpha": 0.0},
        verify=lambda said: [False for _ in said],
    )
    first, last = figures["held_out"]["lines"]
    assert {"loss", "accuracy", "forward_kl", "attention", "solved"} <= first.keys()
    assert last["attention"] < first["attention"]
    assert first["solved"] == 0


class Verifier:
    """Finds more and less right as told; keeps what it was asked."""

    def __init__(self, *solved: int) -> None:
        self.solved = list(solved)
        self.asked: list[Sequence[Answer]] = []

    def __call__(self, said: Sequence[Answer]) -> list[bool]:
        self.asked.append(said)
        count = self.solved[min(len(self.asked), len(self.solved)) - 1]
        return [number < count for number in range(len(said))]


@pytest.mark.parametrize("lora", [None, {"r": 4}])
def test_the_student_that_solves_most_is_kept(tmp_path: Path, corpus: str, base: str, lora: Any) -> None:
    verifier = Verifier(1, 3, 2)
    told = {"problems": 4, "every": 2, "max_tokens": 5}
    figures = fit(tmp_path / "best", corpus, base, told, verify=verifier, lora=lora)
    assert figures["held_out"]["kept"]["step"] == 4
    assert [line["solved"] for line in figures["held_out"]["lines"]] == [1, 3, 2]
    card = (tmp_path / "best" / "student" / "README.md").read_text()
    assert "| kept: the student of step | 4 |" in card
    assert "| held-out problems that it solved | 3 of 4 |" in card
    written = (tmp_path / "best" / "student" / "held_out.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in written] == figures["held_out"]["lines"]
    shorter = fit(tmp_path / "until", corpus, base, told | {"keep": "last"}, lora=lora, trainer={"max_steps": 4})
    assert shorter["steps"] == 4
    same(tmp_path / "best" / "student", tmp_path / "until" / "student", tolerance=0)


def test_what_the_student_writes_is_verified(tmp_path: Path, corpus: str, base: str) -> None:
    """Greedy, as transformers generates for one prompt after the other, with what the batches have to pad."""
    verifier = Verifier(1)
    fit(tmp_path, corpus, base, {"problems": 4, "every": 6, "max_tokens": 7}, verify=verifier)
    (said,) = verifier.asked
    tokenizer = AutoTokenizer.from_pretrained(base)
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "student", dtype=torch.float32)
    made, _ = rows(corpus, tokenizer, max_length=1024)
    problems = one_each(split(made, 4, seed=1)[1])
    assert [answer.problem_id for answer in said] == [row.facts["problem_id"] for row in problems]
    for answer, row in zip(said, problems, strict=True):
        prompt = torch.tensor([row.input_ids[: row.prompt]])
        whole = model.generate(prompt, max_new_tokens=7, do_sample=False)[0, row.prompt :]
        assert answer.text == tokenizer.decode(whole, skip_special_tokens=True)
        assert (answer.finish_reason == "stop") == (int(whole[-1]) == row.input_ids[-1])


def test_a_training_that_gets_no_better_ends(tmp_path: Path, corpus: str, base: str) -> None:
    """A learning rate at which the loss goes up."""
    trainer = {"learning_rate": 1.0, "max_steps": 40, "warmup_steps": 0}
    figures = fit(tmp_path, corpus, base, {"problems": 2, "every": 1}, stop_after=3, trainer=trainer)
    losses = [line["loss"] for line in figures["held_out"]["lines"]]
    assert figures["steps"] == len(losses) < 40
    assert losses.index(min(losses)) == len(losses) - 4
    assert figures["held_out"]["kept"]["loss"] == min(losses)


def test_problems_of_another_corpus(tmp_path: Path, corpus: str, base: str) -> None:
    other = small.corpus(tmp_path / "other.jsonl", rows=3)
    figures = fit(tmp_path, corpus, base, {"corpus": other, "every": 0.5})
    assert [line["step"] for line in figures["held_out"]["lines"]] == [3, 6]
    assert figures["hygiene"]["kept"] == 20


def test_a_resumed_training_decides_the_same(tmp_path: Path, corpus: str, base: str) -> None:
    """Killed behind the best, before and after another checkpoint."""
    told = {"problems": 4, "every": 2, "max_tokens": 5}
    trainer = {"max_steps": 8, "save_strategy": "steps", "save_steps": 5}
    whole = fit(tmp_path / "whole", corpus, base, told, verify=Verifier(1, 3, 3, 2), trainer=trainer)

    def kill(step: int, *solved: int) -> None:
        verifier = Verifier(*solved)
        with pytest.raises(Killed):
            fit(tmp_path / "broken", corpus, base, told, verify=verifier, trainer=trainer, progress=dying(step))

    kill(5, 1, 3)  # the checkpoints of 2 and 4, the best ones so far, are there
    kill(7, 3)
    broken = fit(tmp_path / "broken", corpus, base, told, verify=Verifier(2), trainer=trainer)
    assert broken["resumed_from"] in (5, 6)
    lines = [[{**line, "seconds": 0} for line in figures["held_out"]["lines"]] for figures in (whole, broken)]
    assert lines[0] == lines[1]
    same(tmp_path / "whole" / "student", tmp_path / "broken" / "student", tolerance=0)
