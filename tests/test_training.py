"""Training as a stage of a run: what it leaves in the run's folder."""

import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from tracegen import training
from tracegen.models import Model
from tracegen.recipe import Recipe


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A run whose training writes checkpoints and then the student, or fails between them where `fails` is set."""
    made: Any = SimpleNamespace(folder=tmp_path, fails=False, works=[])

    def fit(*, work: Path, out: Path, **given: Any) -> None:
        made.works.append(work)
        (work / "checkpoint-1").mkdir(parents=True, exist_ok=True)
        if made.fails:
            raise KeyboardInterrupt
        (out / "rows.json").write_text(json.dumps({"rows": 3}))

    for name, parts in {"train": {"train": fit}, "launch": {"check": lambda _: [], "launched": fit}}.items():
        fake = ModuleType(f"sft.{name}")
        vars(fake).update(parts)
        monkeypatch.setitem(sys.modules, f"sft.{name}", fake)
    monkeypatch.setattr(training, "chats", lambda corpus: [[{"role": "user", "content": "?"}]])
    monkeypatch.setattr(training.terms, "refuse_training", lambda *_: None)
    monkeypatch.setattr(training.terms, "of_student", lambda *_: {})
    made.base, made.guides, made.teachers, made.recipe_hash = Model("m", "m", None), {}, {}, "hash"
    tree = {"name": "r", "problems": {"source": "jsonl", "path": "p"}, "prompt": "math", "student": {"model": "m"}}
    made.recipe = Recipe.model_validate(tree | {"teachers": {"t": {"engine": "openai", "model": "m"}}})
    return made


def test_no_checkpoints_are_left_behind(run: Any) -> None:
    run.fails = True
    for length in (100, 200):
        run.recipe = run.recipe.model_copy(
            update={"student": run.recipe.student.model_copy(update={"max_length": length})}
        )
        with pytest.raises(KeyboardInterrupt):
            training.train(run)
    before, now = run.works
    assert not before.exists(), "nobody goes on from another recipe's checkpoints"
    assert (now / "checkpoint-1").is_dir()
    run.fails = False
    training.train(run)
    assert run.works[2] == now
    assert not now.exists()
    now.mkdir()  # A kill behind the renaming leaves it.
    training.train(run)
    assert len(run.works) == 3, "the student is up to date"
    assert sorted(path.name for path in run.folder.iterdir()) == ["student"]


READS: dict[str, tuple[dict[str, Any], str]] = {
    "part": ({"data": {"own": {}, "old": {"corpus": "old.jsonl"}}}, "old.jsonl"),
    "held_out": ({"held_out": "kept.jsonl"}, "kept.jsonl"),
    "stored": ({"method": "distill", "distill": {"teachers": {"t": {"stored": "said"}}}}, "said/signals.parquet"),
    "verdicts": ({"method": "distill"}, "corpus/data/all/rows.parquet"),
    "difficulty": ({"weights": {}}, "corpus/data/problems/rows.parquet"),
}


@pytest.mark.parametrize("name", READS)
def test_a_student_is_trained_anew_where_what_it_reads_has_changed(
    name: str, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields, file = READS[name]
    monkeypatch.chdir(run.folder)
    tree = run.recipe.model_dump(mode="json")
    run.recipe = Recipe.model_validate(tree | {"student": {"model": "m"} | fields})
    read = run.folder / file
    read.parent.mkdir(parents=True, exist_ok=True)
    for text in ("one", "one", "two"):
        read.write_text(text)
        training.train(run)
    assert len(run.works) == 2
    (run.folder / "elsewhere").write_text("three")
    training.train(run)
    assert len(run.works) == 2
