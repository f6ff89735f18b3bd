"""Publishing: the unmodified client, one commit, nothing twice, one sentence when it fails."""

import json
import logging
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as parquet
import pytest
import test_corpus
from fake_hub import TOKEN, FakeHub
from test_corpus import DATA_FILE, FILES

from tracegen.publish import publish
from tracegen.records import TracegenError, UsageError

REPO = "someone/sums"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeHub]:
    """A hub that this process talks to; what the client read when it was imported is set here as well."""
    from huggingface_hub import constants

    with FakeHub() as hub:
        for name, value in hub.environment(tmp_path / "home").items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "home" / "token"))
        yield hub


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    folder = test_corpus.corpus(tmp_path / "corpus")
    (folder / "stage.json").write_text("{}")
    (folder / "notes.txt").write_text("at home")
    return folder


def test_every_file_arrives_intact_in_one_commit(hub: FakeHub, corpus: Path) -> None:
    url = publish(corpus, REPO)
    assert url == f"{hub.url}/datasets/{REPO}"
    initial, made = hub.dataset(REPO).commits
    names = FILES
    assert list(made.changed) == names
    assert {name: made.files[name] for name in names} == {name: (corpus / name).read_bytes() for name in names}
    assert set(made.files) == {*names, *initial.files}
    assert made.lfs == {name for name in names if name.endswith(".parquet")}
    assert made.summary == "Publish 3 traces"
    assert not hub.dataset(REPO).private


def test_a_second_time_nothing_is_uploaded_or_committed(hub: FakeHub, corpus: Path) -> None:
    publish(corpus, REPO)
    hub.requests.clear()
    assert publish(corpus, REPO) == f"{hub.url}/datasets/{REPO}"
    assert len(hub.dataset(REPO).commits) == 2
    assert not [path for method, path in hub.requests if method == "PUT" or "/commit/" in path]


def test_a_changed_corpus_commits_what_changed_and_drops_stale_data(hub: FakeHub, corpus: Path) -> None:
    (corpus / "data" / "curated" / "train-00001-of-00002.parquet").write_bytes((corpus / DATA_FILE).read_bytes())
    publish(corpus, REPO)
    hub.dataset(REPO).commit("by hand", {"data/notes.csv": b"theirs"})
    (corpus / "data" / "curated" / "train-00001-of-00002.parquet").unlink()
    (corpus / "funnel.json").write_text('{"traces": 9}')
    publish(corpus, REPO, message="Nine")
    head = hub.dataset(REPO).head
    assert head.summary == "Nine"
    assert head.changed == ("data/curated/train-00001-of-00002.parquet", "funnel.json")
    assert head.files["data/notes.csv"] == b"theirs"


def test_a_private_corpus_never_goes_to_a_public_repository(hub: FakeHub, corpus: Path) -> None:
    publish(corpus, "someone/hidden", private=True)
    assert hub.dataset("someone/hidden").private
    publish(corpus, REPO)
    with pytest.raises(UsageError, match="is public"):
        publish(corpus, REPO, private=True)
    assert len(hub.dataset(REPO).commits) == 2


def test_a_name_without_owner_is_the_token_owners(hub: FakeHub, corpus: Path) -> None:
    assert publish(corpus, "sums") == f"{hub.url}/datasets/someone/sums"


LOAD = """
import json, sys
from datasets import config, load_dataset
from huggingface_hub import DatasetCard
config.USE_PARQUET_EXPORT = False  # else it looks for a second server, the viewer's
rows = load_dataset(sys.argv[1], split="train")
card = DatasetCard.load(sys.argv[1], repo_type="dataset")
print(json.dumps({"rows": rows.to_list(), "licence": card.data.license}))
"""


def test_load_dataset_reads_it_back_from_the_hub(hub: FakeHub, corpus: Path, tmp_path: Path) -> None:
    publish(corpus, REPO)
    run = subprocess.run(
        [sys.executable, "-c", LOAD, REPO],
        env={**os.environ, **hub.environment(tmp_path / "reader")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
    rows = parquet.read_table(corpus / DATA_FILE).to_pylist()
    assert json.loads(run.stdout) == {"rows": rows, "licence": "apache-2.0"}
    assert TOKEN not in run.stdout + run.stderr


def test_the_token_is_written_and_logged_nowhere(
    hub: FakeHub, corpus: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    publish(corpus, REPO)
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    sent = b"".join(data for commit in hub.dataset(REPO).commits for data in commit.files.values())
    said = caplog.text + "".join(capfd.readouterr())
    assert TOKEN.encode() not in written + sent + said.encode()
    assert caplog.records


def fails(corpus: Path, repo: str, expected: type[TracegenError], *words: str) -> None:
    with pytest.raises(TracegenError) as caught:
        publish(corpus, repo)
    assert type(caught.value) is expected
    text = str(caught.value)
    assert all(word in text for word in words), text
    assert "\n" not in text
    assert text.endswith(".")
    assert TOKEN not in text


def test_without_a_token(hub: FakeHub, corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN")
    fails(corpus, REPO, UsageError, "needs a token", "HF_TOKEN", "hf auth login")
    assert hub.requests == []


def test_with_a_wrong_token(hub: FakeHub, corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    fails(corpus, REPO, TracegenError, "does not accept the token", hub.url)


def test_for_an_owner_that_is_not_ours(hub: FakeHub, corpus: Path) -> None:
    fails(corpus, "other/sums", TracegenError, "does not let this token write to other/sums", "rights")


@pytest.mark.parametrize("repo", ["a/b/c", "some one/sums", "", "-x/y", "some--one/x", "https://example.org/a/b"])
def test_with_a_malformed_name(hub: FakeHub, corpus: Path, repo: str) -> None:
    fails(corpus, repo, UsageError, "is not the name of a repository", "owner/name")
    assert hub.requests == []


def test_with_a_server_that_is_down(hub: FakeHub, corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        monkeypatch.setenv("HF_ENDPOINT", url)
        fails(corpus, REPO, TracegenError, url, "cannot be reached", "HF_ENDPOINT")


@pytest.mark.parametrize(
    ("request_", "status", "words"),
    [
        ("POST /api/repos/create", 503, "answered 503"),
        ("POST /api/datasets/.*/commit/main", 500, "answered 500"),
        ("PUT /lfs/.*", 403, "does not let this token write"),
        ("POST /api/datasets/.*/preupload/main", 404, "has no someone/sums"),
    ],
)
def test_when_the_server_refuses_half_way_nothing_is_committed(
    hub: FakeHub, corpus: Path, request_: str, status: int, words: str
) -> None:
    hub.refuse[request_] = status
    fails(corpus, REPO, TracegenError, words)
    assert all(len(repo.commits) == 1 for repo in hub.repos.values())
    hub.refuse.clear()
    publish(corpus, REPO)
    assert len(hub.dataset(REPO).commits) == 2


def test_with_a_card_that_the_hub_does_not_take(hub: FakeHub, corpus: Path) -> None:
    (corpus / "README.md").write_text("---\nlicense: [\n---\n")
    fails(corpus, REPO, TracegenError, "did not take someone/sums", "Invalid metadata in README.md")


def test_without_a_corpus(hub: FakeHub, tmp_path: Path) -> None:
    fails(tmp_path / "nothing", REPO, UsageError, "run `tracegen curate` first")


def test_with_an_empty_or_broken_corpus(hub: FakeHub, corpus: Path) -> None:
    data = corpus / DATA_FILE
    parquet.write_table(parquet.read_table(data).slice(0, 0), data)
    fails(corpus, REPO, UsageError, "holds no trace")
    data.write_bytes(b"no parquet")
    fails(corpus, REPO, UsageError, "is not a Parquet file")
    assert hub.requests == []


def test_a_corpus_that_was_not_checked_against_a_benchmark_of_its_recipe(hub: FakeHub, corpus: Path) -> None:
    funnel = json.loads((corpus / "funnel.json").read_text())
    (corpus / "funnel.json").write_text(json.dumps(funnel | {"unchecked": ["gpqa_diamond", "aime25"]}))
    fails(corpus, REPO, UsageError, "not checked against gpqa_diamond, aime25", "remove it from evaluate.benchmarks")
    assert hub.requests == []
    (corpus / "funnel.json").write_text("[]")
    fails(corpus, REPO, UsageError, "is damaged", "run `tracegen curate` again")
    (corpus / "funnel.json").write_text(json.dumps(funnel | {"unchecked": []}))
    publish(corpus, REPO)


def test_importing_the_module_does_not_import_the_client() -> None:
    code = "import sys, tracegen.publish; print(sorted({m.split('.')[0] for m in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not re.search(r"'(huggingface_hub|pyarrow|httpx2?)'", loaded)
