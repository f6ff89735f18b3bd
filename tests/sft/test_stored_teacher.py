"""Training from what was captured: as from the live teacher, refused where it is of something else."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trl")

import small
import torch
import training
import transformers
import yaml
from training import Log, column

from sft.assemble import check
from sft.capture import capture
from sft.collate import Flat, Padded
from sft.data import Row
from sft.losses.forward_kl import forward_kl
from sft.origin import origin
from sft.places import Places
from sft.stored import Stored
from sft.views import View
from tracegen.models import resolve
from tracegen.records import UsageError
from tracegen.student import Distill

K = 8


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One that is sure of something: a random one has a flat distribution, of which the top is nothing."""
    folder = small.model(tmp_path_factory.mktemp("teacher"), seed=1, num_hidden_layers=3)
    model: Any = transformers.AutoModelForCausalLM.from_pretrained(folder)
    model.lm_head.weight.data *= 10
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def signals(tmp_path_factory: pytest.TempPathFactory, teacher: str, read: list[Row], tokenizer: Any) -> Path:
    """A folder with the signals of a teacher called big, of its top K, and of one called whole, of all its tokens."""
    folder = tmp_path_factory.mktemp("signals")
    for name, k in (("big", K), ("whole", 10_000)):
        capture(folder / name, read, teacher=resolve(teacher), tokenizer=tokenizer, k=k, by="hf")
    return folder


def fit(tmp_path: Path, name: str, corpus: str, base: str, teacher: str, **given: Any) -> Log:
    """The log of a distillation whose every teacher is this one."""
    return training.fit(tmp_path / name, corpus, base, dict.fromkeys(given["distill"]["teachers"], teacher), **given)


@pytest.mark.parametrize("loss", ["forward_kl", "jsd", "total_variation"])
def test_all_of_the_vocabulary_trains_as_the_live_teacher_does(
    tmp_path: Path, corpus: str, base: str, teacher: str, signals: Path, loss: str
) -> None:
    common: dict[str, Any] = {"losses": {loss: {}}, "alpha": 0.3, "temperature": 2.0}
    live = fit(tmp_path, "live", corpus, base, teacher, distill={"teachers": {"whole": {}}, **common})
    guide = {"whole": {"store": 10_000, "by": "hf"}}
    stored = fit(tmp_path, "stored", corpus, base, teacher, distill={"teachers": guide, **common}, signals=signals)
    assert live[0][loss] == pytest.approx(stored[0][loss], rel=1e-3)
    # From then on the rounding of what is stored has turned some steps.
    assert column(live, "loss") == pytest.approx(column(stored, "loss"), rel=1e-2)


def test_a_student_comes_closer_to_a_stored_teacher(
    tmp_path: Path, corpus: str, base: str, teacher: str, signals: Path
) -> None:
    distill = {"teachers": {"big": {"store": K, "by": "hf"}}, "alpha": 0.0}
    log = fit(tmp_path, "out", corpus, base, teacher, distill=distill, trainer={"max_steps": 12}, signals=signals)
    assert all(line["forward_kl"] >= 0 for line in log)
    assert log[-1]["forward_kl"] < 0.9 * log[0]["forward_kl"]


@pytest.mark.parametrize("collate", [Flat(), Padded(0)])
def test_each_place_gets_its_own(read: list[Row], teacher: str, tokenizer: Any, signals: Path, collate: Any) -> None:
    chosen = [7, 2, 11]
    examples = [
        {"input_ids": read[n].input_ids, "labels": read[n].labels, "rows": [n], "lengths": [len(read[n].input_ids)]}
        for n in chosen
    ]
    inputs = collate(examples)
    places = Places.of(inputs)
    said = Stored(signals / "big", read, origin(tokenizer))(inputs, places)(slice(None)).top
    model: Any = transformers.AutoModelForCausalLM.from_pretrained(teacher, dtype=torch.float32)
    due = []
    for n in chosen:
        with torch.no_grad():
            scores = torch.log_softmax(model(torch.tensor([read[n].input_ids])).logits[0], -1)
        due += [scores[place] for place, label in enumerate(read[n].labels[1:]) if label >= 0]
    top = torch.stack(due).topk(K, -1)
    assert said is not None
    assert (said.ids == top.indices).float().mean() > 0.99
    torch.testing.assert_close(said.logprobs, top.values, rtol=2**-10, atol=2e-4)


def test_the_divergence_from_the_top_is_never_negative(read: list[Row], tokenizer: Any, signals: Path) -> None:
    example = {
        "input_ids": read[3].input_ids,
        "labels": read[3].labels,
        "rows": [3],
        "lengths": [len(read[3].input_ids)],
    }
    inputs = Flat()([example])
    places = Places.of(inputs)
    said = Stored(signals / "big", read, origin(tokenizer))(inputs, places)(slice(None))
    assert said.top is not None
    size = len(tokenizer)
    near = torch.full((len(places), size), -9.0).scatter(-1, said.top.ids, said.top.logprobs)
    for scores in (near, torch.randn(len(places), size) * 5, torch.zeros(len(places), size)):
        for temperature in (0.5, 1.0, 4.0):
            assert (forward_kl(View(scores), said, places.labels, temperature=temperature) >= -1e-6).all()


def test_what_does_not_agree_is_refused(
    tmp_path: Path, corpus: str, base: str, teacher: str, signals: Path, read: list[Row]
) -> None:
    def refused(guide: dict[str, Any], model: str = base, by: str = teacher, where: Path = signals) -> str:
        with pytest.raises(UsageError) as caught:
            fit(tmp_path, "out", corpus, model, by, distill={"teachers": {"big": guide}}, signals=where)
        return str(caught.value)

    stored = {"store": K, "by": "hf"}
    assert "number of tokens kept at each place is 4, " in refused({"store": 4, "by": "hf"})
    assert "the teacher is sha256:" in refused(stored, by=small.model(tmp_path / "another", seed=9))
    other = Path(shutil.copytree(base, tmp_path / "template"))
    text = (other / "chat_template.jinja").read_text()
    (other / "chat_template.jinja").write_text(text + "{# another #}")
    assert "the student's chat template is " in refused(stored, model=str(other))
    other = Path(shutil.copytree(base, tmp_path / "words"))
    file = json.loads((other / "tokenizer.json").read_text())
    file["added_tokens"].append(file["added_tokens"][0] | {"id": 259, "content": "<|more|>"})
    (other / "tokenizer.json").write_text(json.dumps(file))
    assert "the student's tokenizer is " in refused(stored, model=str(other))
    other = Path(shutil.copytree(teacher, tmp_path / "theirs"))
    (other / "tokenizer.json").write_text(json.dumps(file))
    # The hash of a model's files holds its tokenizer's; behind a server it has another.
    assert "the teacher's tokenizer is " in refused(stored | {"tokenizer": str(other)})
    assert "holds no signals; run `tracegen capture`" in refused(stored, where=tmp_path)


def test_rows_without_a_signal(
    tmp_path: Path, corpus: str, base: str, teacher: str, signals: Path, read: list[Row], tokenizer: Any
) -> None:
    changed = [*read[:-1], Row(read[-1].sample_id, read[-1].input_ids[:-1], read[-1].labels[:-1])]
    with pytest.raises(UsageError, match=r"1 of 12 rows have no signal in .* \(row row-11 has other tokens than"):
        Stored(signals / "big", changed, origin(tokenizer))
    new = [*read, Row("new", read[0].input_ids, read[0].labels)]
    with pytest.raises(UsageError, match=r"\(row new was not captured\); run `tracegen capture`, or set"):
        Stored(signals / "big", new, origin(tokenizer))
    assert Stored(signals / "big", new, origin(tokenizer), skip=True).missing == 1


def test_where_no_teacher_speaks_the_tokens_have_the_whole_weight(
    tmp_path: Path, corpus: str, base: str, teacher: str, signals: Path, read: list[Row], tokenizer: Any
) -> None:
    capture(tmp_path / "half" / "big", read[:6], teacher=resolve(teacher), tokenizer=tokenizer, k=K, by="hf")
    trainer = {"max_steps": 1, "per_device_train_batch_size": 12}
    guide = {"big": {"store": K, "by": "hf"}}

    def first(name: str, signals: Path, rows: list[Row], **distill: Any) -> dict[str, Any]:
        lines = Path(corpus).read_text().splitlines()
        own = tmp_path / f"{name}.jsonl"
        own.write_text("".join(lines[read.index(row)] + "\n" for row in rows))
        given = {"teachers": guide, "alpha": 0.3, **distill}
        return fit(tmp_path, name, str(own), base, teacher, distill=given, trainer=trainer, signals=signals)[0]

    half = first("half", tmp_path / "half", read, missing="skip")
    with_signal, without = first("with", signals, read[:6]), first("without", signals, read[6:], alpha=1.0)
    parts = [sum(label >= 0 for row in rows for label in row.labels) for rows in (read[:6], read[6:])]
    due = (parts[0] * with_signal["loss"] + parts[1] * without["loss"]) / sum(parts)
    assert half["loss"] == pytest.approx(due, rel=1e-5)
    assert half["alone"] == pytest.approx(parts[1] / sum(parts), rel=1e-5)


def test_a_folder_from_elsewhere_needs_no_teacher(
    tmp_path: Path, corpus: str, base: str, teacher: str, signals: Path
) -> None:
    folder = str(signals / "big")
    own = fit(
        tmp_path, "own", corpus, base, teacher, distill={"teachers": {"big": {"store": K, "by": "hf"}}}, signals=signals
    )
    there = fit(tmp_path, "there", corpus, base, folder, distill={"teachers": {"big": {"stored": folder}}})
    assert column(own, "loss") == column(there, "loss")


@pytest.mark.parametrize(
    ("distill", "said"),
    [
        (
            {"teachers": {"big": {"store": 8, "by": "hf"}}, "losses": {"hidden": {}}},
            "looks at layers, which are not stored",
        ),
        ({"teachers": {"big": {"store": 8, "by": "cloud"}}}, "there is no scorer 'cloud'"),
        (
            {"teachers": {"big": {"store": 8, "by": "hf"}}, "align": "spans", "losses": {"uld": {}}},
            "a model of its own",
        ),
        ({"teachers": {"big": {"store": 8, "by": "server"}}}, "scorer 'server' needs the option 'base_url'"),
    ],
)
def test_what_cannot_be_stored(
    tmp_path: Path, corpus: str, base: str, teacher: str, distill: dict[str, Any], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        fit(tmp_path, "out", corpus, base, teacher, distill=distill)


def test_the_recipes_of_the_page_are_recipes() -> None:
    page = (Path(__file__).parents[2] / "docs" / "distillation.md").read_text(encoding="utf-8")
    section = page.split("\n## A teacher that is stored\n")[1].split("\n## ")[0]
    first, second = (yaml.safe_load(block.split("```")[0]) for block in section.split("```yaml\n")[1:])
    for teachers in (first["student"]["distill"]["teachers"], second["teachers"]):
        distill = Distill.model_validate(first["student"]["distill"] | {"teachers": teachers})
        assert distill.teachers["big"].store == 64
        check(distill)


@pytest.mark.parametrize(
    ("guide", "said"),
    [({"store": 8, "stored": "x"}, "take one"), ({"options": {"chunk": 1}}, "set `store`"), ({"store": 0}, "greater")],
)
def test_what_a_recipe_cannot_say(guide: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Distill.model_validate({"teachers": {"big": guide}})
