"""A student goes to the Hub as a model, its card naming base, corpus, licence and scores."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest
from fake_hub import FakeHub
from huggingface_hub import ModelCard
from markdown_it import MarkdownIt

from tracegen import models, rundir
from tracegen.corpus import chats
from tracegen.publish import send, student_parcel
from tracegen.recipe import Recipe
from tracegen.records import Score, UsageError

REPO = "someone/sums-student"
CARD = """---
library_name: transformers
license: "apache-2.0"
base_model: "org/base"
tags: [reasoning, sft]
---

# sums-student

```python
student = pipeline("text-generation", "path/to/this/folder")
```

With vLLM: `vllm serve path/to/this/folder`.

## Training

Steps.

## Licence and limits

- Licence.
"""


@pytest.fixture
def run(corpus: Path) -> Path:
    """A run with a corpus, a student and its scores."""
    student = corpus.parent / "student"
    student.mkdir()
    (student / "README.md").write_text(CARD)
    (student / "config.json").write_text("{}")
    (student / "model.safetensors").write_bytes(b"weights" * 100)
    (student / "stage.json").write_text("{}")
    common = {"benchmark": "heldout", "model": "m|n", "metric": "pass@1", "problems": 40, "samples": 40, "tokens": 9}
    scores = [
        Score(role=role, value=value, low=value - 0.1, high=value + 0.1, seconds=1.0, **common)  # type: ignore[arg-type]
        for role, value in (("teacher", 0.6), ("before", 0.2), ("after", 0.512))
    ]
    (corpus.parent / "scores.jsonl").write_text("".join(json.dumps(asdict(score)) + "\n" for score in scores))
    return corpus.parent


def test_the_model_arrives_with_a_card_that_the_hub_can_read(hub: FakeHub, run: Path, recipe: Recipe) -> None:
    published = recipe.model_copy(update={"corpus": recipe.corpus.model_copy(update={"repo": "someone/sums"})})
    done = send(student_parcel(run, REPO, published))
    assert done.url == f"{hub.url}/{REPO}"
    made = hub.repos["models", REPO].head
    assert made.changed == ("README.md", "config.json", "model.safetensors")
    assert made.lfs == {"model.safetensors"}
    card = ModelCard(made.files["README.md"].decode())
    assert card.data.base_model == "org/base"
    assert card.data.datasets == ["someone/sums"]
    assert card.data.license == "apache-2.0"
    (result,) = card.data.eval_results
    assert (result.dataset_name, result.metric_type, result.metric_value) == ("heldout", "pass@1", 51.2)
    assert f'pipeline("text-generation", "{REPO}")' in card.text
    assert f"vllm serve {REPO}`" in card.text
    headings = [token.content for token in MarkdownIt().parse(card.text) if token.type == "inline" and token.level == 1]
    of_card = ("sums-student", "Scores", "Training", "Licence and limits")
    assert [text for text in headings if text in of_card] == list(of_card)
    assert "| `heldout` | `pass@1` | after | 51.2\xa0% | 41.2\xa0to\xa061.2 | 40 |" in card.text
    assert "| `heldout` | `pass@1` | teacher `m\\|n` | 60.0\xa0% | 50.0\xa0to\xa070.0 | 40 |" in card.text
    assert send(student_parcel(run, REPO, published)).commit is None


def test_a_student_without_scores_or_corpus_on_the_hub(run: Path, recipe: Recipe) -> None:
    (run / "scores.jsonl").unlink()
    card = ModelCard(student_parcel(run, REPO, recipe).card)
    assert card.data.datasets is None
    assert card.data.eval_results is None
    assert "## Scores" not in card.text


def test_a_student_of_another_corpus_has_not_passed_the_gates_of_this_one(run: Path, recipe: Recipe) -> None:
    rundir.mark(run / "student", {"rows": rundir.fingerprint(chats(run / "corpus"))})
    assert student_parcel(run, REPO, recipe).refused is None
    rundir.mark(run / "student", {"rows": rundir.fingerprint(chats(run / "corpus")[1:])})
    refused = student_parcel(run, REPO, recipe, contaminated_ok=True).refused or ""
    assert "was trained on another corpus" in refused
    assert "run `tracegen train` again" in refused


def test_scores_of_an_earlier_student_stay_at_home(
    run: Path, recipe: Recipe, capsys: pytest.CaptureFixture[str]
) -> None:
    (run / "eval").mkdir()
    rundir.mark(run / "eval", {"roles": [{"model": models.local(run / "student", "").identity}]})
    assert "## Scores" in student_parcel(run, REPO, recipe).card
    assert "an earlier student" not in capsys.readouterr().err
    rundir.mark(run / "eval", {"roles": [{"model": {"revision": "sha256:earlier"}}]})
    card = ModelCard(student_parcel(run, REPO, recipe).card)
    assert "## Scores" not in card.text
    assert card.data.eval_results is None
    assert "an earlier student" in capsys.readouterr().err


def test_gates_hold_for_a_student_too(run: Path, recipe: Recipe) -> None:
    (run / "corpus" / "decontamination.json").unlink()
    assert "was not decontaminated" in (student_parcel(run, REPO, recipe).refused or "")
    told = student_parcel(run, REPO, recipe, contaminated_ok=True)
    assert told.refused is None
    assert "May hold benchmark problems" in told.card


def test_without_a_student(corpus: Path, recipe: Recipe) -> None:
    with pytest.raises(UsageError, match="run `tracegen train` first"):
        student_parcel(corpus.parent, REPO, recipe)
