"""Publishing: the unmodified client, one commit, nothing twice, one sentence when it fails."""

import json
import logging
import re
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet
import pytest
import test_corpus
from fake_hub import TOKEN, FakeHub
from test_corpus import DATA_FILE, FILES

from tracegen.publish import corpus_parcel, send
from tracegen.recipe import Recipe
from tracegen.records import TracegenError, UsageError

Publish = Callable[..., Any]
REPO = "someone/sums"
ADDRESSED = {"README.md", "croissant.json"}
"""Files that say where the corpus is."""


def test_every_file_arrives_intact_in_one_commit(hub: FakeHub, corpus: Path, publish: Publish) -> None:
    done = publish()
    assert done.url == f"{hub.url}/datasets/{REPO}"
    initial, made = hub.dataset(REPO).commits
    assert done.commit == made.oid
    assert list(made.changed) == sorted([*FILES, "CHANGELOG.md"])
    intact = [name for name in FILES if name not in ADDRESSED]
    assert {name: made.files[name] for name in intact} == {name: (corpus / name).read_bytes() for name in intact}
    assert set(made.files) == {*FILES, "CHANGELOG.md", *initial.files}
    assert made.lfs == {name for name in FILES if name.endswith(".parquet")}
    assert f'load_dataset("{REPO}"' in made.files["README.md"].decode()
    assert made.summary == "Publish 3 traces"
    assert not hub.dataset(REPO).private


def test_a_second_time_nothing_is_uploaded_or_committed(hub: FakeHub, publish: Publish) -> None:
    publish()
    hub.requests.clear()
    again = publish()
    assert (again.url, again.commit, again.changed) == (f"{hub.url}/datasets/{REPO}", None, ())
    assert len(hub.dataset(REPO).commits) == 2
    assert not [path for method, path in hub.requests if method == "PUT" or "/commit/" in path]


def test_a_changed_corpus_commits_what_changed_and_drops_stale_data(
    hub: FakeHub, corpus: Path, publish: Publish
) -> None:
    stale = corpus / "data" / "curated" / "train-00001-of-00002.parquet"
    stale.write_bytes((corpus / DATA_FILE).read_bytes())
    publish()
    hub.dataset(REPO).commit("by hand", {"data/notes.csv": b"theirs", "data/train-00000-of-00001.parquet": b"old"})
    stale.unlink()
    funnel = json.loads((corpus / "funnel.json").read_text())
    (corpus / "funnel.json").write_text(json.dumps(funnel | {"traces": 9}))
    publish()
    head = hub.dataset(REPO).head
    gone = ("data/curated/train-00001-of-00002.parquet", "data/train-00000-of-00001.parquet")
    assert head.changed == ("CHANGELOG.md", "croissant.json", *gone, "funnel.json")
    assert head.files["data/notes.csv"] == b"theirs"
    assert not set(gone) & set(head.files)


def test_the_changelog_tells_which_rows_came_and_went(hub: FakeHub, make: Callable[..., Path], recipe: Recipe) -> None:
    def again(**changes: Any) -> str:
        send(corpus_parcel(make(**changes), REPO, recipe))
        return hub.dataset(REPO).head.files["CHANGELOG.md"].decode()

    right = test_corpus.Verdict("right", answer="5", reason="equal", verifier="math", version="1")
    first, second, third = (test_corpus.trace("add-1", number, "r", "a", right) for number in range(3))
    log = again(traces=[first, second])
    assert "## 1 (" in log
    assert "First published: `curated` 2 rows, `all` 2 rows, `problems` 2 rows." in log
    before = hub.dataset(REPO).head.oid
    judged_anew = replace(second, verdict=replace(right, version="2"))
    log = again(traces=[judged_anew, third])
    assert hub.dataset(REPO).head.summary == "Publish 2 traces: 1 added, 1 removed, 1 changed"
    newest = log[log.index("## 2 (") : log.index("## 1 (")]
    assert f"Added: `{third.key}`." in newest
    assert f"Removed: `{first.key}`." in newest
    assert f"Changed: `{second.key}`." in newest
    assert f'revision="{before}"' in newest
    assert log.count("# Changelog") == 1
    again(traces=[judged_anew, third], name="another title")
    assert hub.dataset(REPO).head.summary == "Publish 2 traces: no row added or removed"


def test_a_corpus_that_is_made_anew_meanwhile_is_not_mixed_with_the_old_one(
    hub: FakeHub, corpus: Path, recipe: Recipe
) -> None:
    parcel = corpus_parcel(corpus, REPO, recipe)
    (corpus / "stage.json").write_text('{"hash": "another"}')
    with pytest.raises(UsageError, match="was made anew meanwhile; publish again"):
        send(parcel)
    assert len(hub.dataset(REPO).commits) == 1
    assert not [path for method, path in hub.requests if method == "PUT"]


def test_a_private_corpus_never_goes_to_a_public_repository(hub: FakeHub, publish: Publish) -> None:
    publish("someone/hidden", private=True)
    assert hub.dataset("someone/hidden").private
    publish()
    with pytest.raises(UsageError, match="is public"):
        publish(private=True)
    assert len(hub.dataset(REPO).commits) == 2


def test_the_token_is_written_and_logged_nowhere(
    hub: FakeHub,
    publish: Publish,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    publish()
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    sent = b"".join(data for commit in hub.dataset(REPO).commits for data in commit.files.values())
    said = caplog.text + "".join(capfd.readouterr())
    assert TOKEN.encode() not in written + sent + said.encode()
    assert caplog.records


def fails(publish: Publish, repo: str, expected: type[TracegenError], *words: str) -> None:
    with pytest.raises(TracegenError) as caught:
        publish(repo)
    assert type(caught.value) is expected
    text = str(caught.value)
    assert all(word in text for word in words), text
    assert "\n" not in text
    assert text.endswith(".")
    assert TOKEN not in text


def test_without_a_token(hub: FakeHub, publish: Publish, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN")
    fails(publish, REPO, UsageError, "needs a token", "HF_TOKEN", "hf auth login")
    assert hub.requests == []


def test_with_a_wrong_token(hub: FakeHub, publish: Publish, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    fails(publish, REPO, TracegenError, "does not accept the token", hub.url)


def test_for_an_owner_that_is_not_ours(hub: FakeHub, publish: Publish) -> None:
    fails(publish, "other/sums", TracegenError, "does not let this token write to other/sums", "rights")


@pytest.mark.parametrize(
    "repo", ["sums", "a/b/c", "some one/sums", "", "-x/y", "some--one/x", "https://example.org/a/b"]
)
def test_with_a_malformed_name(hub: FakeHub, publish: Publish, repo: str) -> None:
    fails(publish, repo, UsageError, "is not the name of a repository", "owner/name")
    assert hub.requests == []


def test_with_a_server_that_is_down(publish: Publish, waits: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        monkeypatch.setenv("HF_ENDPOINT", url)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        fails(publish, REPO, TracegenError, url, "cannot be reached", "HF_ENDPOINT")
    assert sum(waits) > 60


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
    hub: FakeHub, publish: Publish, waits: list[float], request_: str, status: int, words: str
) -> None:
    hub.refuse[request_] = status
    fails(publish, REPO, TracegenError, words)
    assert all(len(repo.commits) == 1 for repo in hub.repos.values())
    hub.refuse.clear()
    publish()
    assert len(hub.dataset(REPO).commits) == 2


def test_with_a_card_that_the_hub_does_not_take(hub: FakeHub, corpus: Path, publish: Publish) -> None:
    (corpus / "README.md").write_text("---\nlicense: [\n---\n")
    fails(publish, REPO, TracegenError, "did not take someone/sums", "Invalid metadata in README.md")


def test_without_a_corpus(hub: FakeHub, tmp_path: Path, recipe: Recipe) -> None:
    with pytest.raises(UsageError, match="run `tracegen curate` first"):
        corpus_parcel(tmp_path / "nothing", REPO, recipe)


def test_with_an_empty_or_broken_corpus(hub: FakeHub, corpus: Path, publish: Publish) -> None:
    data = corpus / DATA_FILE
    parquet.write_table(parquet.read_table(data).slice(0, 0), data)
    fails(publish, REPO, UsageError, "holds no trace")
    data.write_bytes(b"no parquet")
    fails(publish, REPO, UsageError, "is not a Parquet file")
    assert hub.requests == []


def test_importing_the_module_does_not_import_the_client() -> None:
    code = "import sys, tracegen.publish; print(sorted({m.split('.')[0] for m in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not re.search(r"'(huggingface_hub|pyarrow|httpx2?)'", loaded)
