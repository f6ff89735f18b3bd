"""What is refused, what a dry run shows, and what --contaminated-ok makes the card say; the command line."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import test_corpus
from fake_hub import TOKEN, FakeHub

from tracegen.publish import corpus_parcel, send
from tracegen.recipe import Recipe
from tracegen.records import UsageError

REPO = "someone/sums"


def refused(corpus: Path, recipe: Recipe, **options: bool) -> str | None:
    return corpus_parcel(corpus, REPO, recipe, **options).refused


def test_a_corpus_that_was_not_decontaminated_stays_at_home(hub: FakeHub, corpus: Path, recipe: Recipe) -> None:
    (corpus / "decontamination.json").unlink()
    parcel = corpus_parcel(corpus, REPO, recipe)
    assert parcel.refused is not None
    assert "was not decontaminated" in parcel.refused
    with pytest.raises(UsageError, match="was not decontaminated"):
        send(parcel)
    assert hub.requests == []


def test_a_contaminated_corpus_goes_when_told_and_its_card_says_so(hub: FakeHub, corpus: Path, recipe: Recipe) -> None:
    (corpus / "decontamination.json").unlink()
    parcel = corpus_parcel(corpus, REPO, recipe, contaminated_ok=True)
    assert parcel.refused is None
    send(parcel)
    card = hub.dataset(REPO).head.files["README.md"].decode()
    title, _, rest = card[card.index("\n# small") + 1 :].partition("\n\n")
    assert title == "# small"
    assert rest.startswith("> **May hold benchmark problems.** Published with `--contaminated-ok`, although the corpus")
    clean = corpus_parcel(test_corpus.corpus(corpus.parent / "clean"), REPO, recipe, contaminated_ok=True).card
    assert "--contaminated-ok" not in clean


def test_a_benchmark_that_the_recipe_names_must_have_been_looked_for(corpus: Path, recipe: Recipe) -> None:
    evaluate = recipe.evaluate.model_validate({"benchmarks": {"gsm8k": {}}})
    newer = recipe.model_copy(update={"evaluate": evaluate})
    assert "before the recipe named gsm8k" in (refused(corpus, newer) or "")
    assert refused(corpus, newer, contaminated_ok=True) is None


def test_terms_that_forbid_it_are_no_matter_of_contamination(corpus: Path, recipe: Recipe) -> None:
    teacher = recipe.teachers["smol"]
    forbidden = teacher.model_copy(update={"terms": teacher.terms.model_copy(update={"may_train": False})})
    strict = recipe.model_copy(update={"teachers": {"smol": forbidden}})
    assert "what teacher 'smol' wrote may not be published" in (refused(corpus, strict, contaminated_ok=True) or "")


@pytest.fixture
def run(corpus: Path, recipe: Recipe) -> Path:
    """A run directory with a corpus."""
    (corpus.parent / "recipe.yaml").write_text(recipe.to_yaml())
    return corpus.parent


@pytest.fixture
def command(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """`tracegen publish ...` in a process of its own, without a token unless one is given."""

    def command(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
        home = {"HOME": str(tmp_path / "home"), "HF_HOME": str(tmp_path / "home")}
        kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
        return subprocess.run(
            [sys.executable, "-m", "tracegen.cli", "publish", *map(str, arguments)],
            env={**kept, **home, **environment},
            capture_output=True,
            text=True,
            timeout=120,
        )

    return command


Command = Callable[..., "subprocess.CompletedProcess[str]"]


def test_a_dry_run_shows_card_and_sizes_and_needs_neither_token_nor_network(run: Path, command: Command) -> None:
    nowhere = {"HF_ENDPOINT": "http://127.0.0.1:9"}
    done = command(run, "--repo", REPO, "--dry-run", **nowhere)
    assert done.returncode == 0, done.stderr
    assert "## Funnel" in done.stdout
    size = (run / "corpus" / "data" / "curated" / "train-00000-of-00001.parquet").stat().st_size
    assert f"{size:,}" in done.stdout
    shown = json.loads(command(run, "--repo", REPO, "--dry-run", "--json", **nowhere).stdout)
    assert shown["rows"] == {"curated": 3, "all": 3, "problems": 2}
    assert shown["files"]["data/curated/train-00000-of-00001.parquet"] == size
    assert shown["bytes"] == sum(shown["files"].values())
    assert shown["refused"] is None
    assert f'load_dataset("{REPO}"' in shown["card"]
    (run / "corpus" / "decontamination.json").unlink()
    refused = command(run, "--repo", REPO, "--dry-run", "--json", **nowhere)
    assert refused.returncode == 2
    assert "was not decontaminated" in json.loads(refused.stdout)["refused"]
    assert "was not decontaminated" in refused.stderr


def test_the_command_publishes_twice_and_the_token_is_nowhere(run: Path, command: Command, tmp_path: Path) -> None:
    with FakeHub() as hub:
        environment = hub.environment(tmp_path / "home")
        first = command(run, "--repo", REPO, "--json", **environment)
        assert first.returncode == 0, first.stderr
        made = hub.dataset(REPO).head
        told = json.loads(first.stdout)
        assert told["commit"] == made.oid
        assert told["url"] == f"{hub.url}/datasets/{REPO}"
        assert sorted(told["changed"]) == sorted(made.changed)
        second = command(run, "--repo", REPO, **environment)
        assert second.stdout == f"{hub.url}/datasets/{REPO} (nothing has changed)\n"
        sent = b"".join(made.files.values())
    said = first.stdout + first.stderr + second.stdout + second.stderr
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert TOKEN.encode() not in said.encode() + written + sent
