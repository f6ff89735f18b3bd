"""A Hub that is busy, breaks off and loses answers: every row arrives once, in one commit, and loads again."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import test_corpus
from fake_hub import TOKEN, FakeHub, Fault
from fake_hub_store import Repo

from tracegen.corpus import CONFIGS
from tracegen.publish import corpus_parcel, send
from tracegen.recipe import Recipe
from tracegen.records import Problem, TracegenError

REPO = "someone/sums"
STEPS = {
    "create": "POST /api/repos/create",
    "look": "GET /api/datasets/someone/[^/]+",
    "list": "GET /api/datasets/.*/tree/.*",
    "card": "POST /api/validate-yaml",
    "preupload": "POST /api/datasets/.*/preupload/main",
    "batch": "POST /datasets/.*/info/lfs/objects/batch",
    "upload": "PUT /lfs/.*",
    "verify": "POST /lfs/verify",
    "commit": "POST /api/datasets/.*/commit/main",
}
WHAT: dict[str, tuple[int | str, dict[str, str]]] = {
    "429": (429, {"Retry-After": "7"}),
    "500": (500, {}),
    "503": (503, {}),
    "reset": ("reset", {}),
    "lost": ("lost", {}),
}
LOAD = """
import json, sys
from datasets import config, load_dataset
config.USE_PARQUET_EXPORT = False  # else it looks for a second server, the viewer's
print(json.dumps({name: load_dataset(sys.argv[1], name, split="train").to_list() for name in sys.argv[2:]}))
"""

Publish = Callable[..., Any]


@pytest.fixture
def large(make: Callable[..., Path]) -> Path:
    """Two hundred traces, every third dropped, in several shards of each config."""
    problems = {f"p{i}": Problem(f"p{i}", f"What is {i} + 1?", str(i + 1), licence="mit") for i in range(50)}
    right = test_corpus.Verdict("right", answer="1", reason="equal", verifier="math", version="2")
    traces = [test_corpus.trace(name, sample, "r" * 300, "a", right) for name in problems for sample in range(4)]
    dropped = {trace.key: ("length", "too_long") for trace in traces[::3]}
    return make(problems=problems, traces=traces, dropped=dropped, licence=None, shard_bytes=1, group_rows=40)


@pytest.mark.parametrize("step", STEPS)
def test_a_fault_at_any_step_is_outlasted(hub: FakeHub, publish: Publish, waits: list[float], step: str) -> None:
    for fault, (what, headers) in WHAT.items():
        waits.clear()
        hub.objects.clear()
        hub.faults = [Fault(STEPS[step], what, headers)]
        done = publish(f"someone/{fault}")
        assert not hub.faults, fault
        _, made = hub.dataset(f"someone/{fault}").commits
        assert done.commit == made.oid
        assert waits
        assert fault != "429" or max(waits) >= 7


def test_a_storm_of_faults_and_every_row_arrives_once(
    hub: FakeHub, large: Path, recipe: Recipe, waits: list[float], tmp_path: Path
) -> None:
    hub.faults = [Fault(step, what, headers) for step in STEPS.values() for what, headers in WHAT.values()]
    done = send(corpus_parcel(large, REPO, recipe))
    assert not hub.faults
    _, made = hub.dataset(REPO).commits
    assert done.commit == made.oid
    assert sum(name.startswith("data/curated/") for name in made.files) == 4
    hub.faults = [Fault("(GET|HEAD) /datasets/.*/resolve/.*parquet", status) for status in (500, 503, 429)]
    loaded = load(hub, tmp_path)
    assert not hub.faults
    keys = {
        config: [row["problem_id" if config == "problems" else "key"] for row in loaded[config]] for config in CONFIGS
    }
    assert {config: len(rows) for config, rows in keys.items()} == {"curated": 133, "all": 200, "problems": 50}
    assert all(len(set(rows)) == len(rows) for rows in keys.values())
    assert keys["all"] == [f"p{i}-{sample}" for i in range(50) for sample in range(4)]
    assert keys["curated"] == [row["key"] for row in loaded["all"] if row["filter"] is None]
    assert {row["kept"] for row in loaded["problems"]} <= {2, 3}
    assert sum(row["kept"] for row in loaded["problems"]) == 133
    assert send(corpus_parcel(large, REPO, recipe)).commit is None


def load(hub: FakeHub, tmp_path: Path) -> dict[str, list[dict[str, Any]]]:
    """Every config, as a reader of the Hub sees it."""
    run = subprocess.run(
        [sys.executable, "-c", LOAD, REPO, *CONFIGS],
        env={**os.environ, **hub.environment(tmp_path / "reader")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
    assert TOKEN not in run.stdout + run.stderr
    found: dict[str, list[dict[str, Any]]] = json.loads(run.stdout)
    return found


def test_somebody_else_is_quicker_and_both_commits_stand(hub: FakeHub, publish: Publish) -> None:
    publish("someone/sums")
    repo = hub.dataset(REPO)
    repo.commit("theirs", {"data/curated/train-00000-of-00001.parquet": b"PAR1"})

    def quicker(repo: Repo) -> None:
        repo.commit("theirs again", {"notes.md": b"n"})

    hub.before_commit = quicker
    done = publish()
    assert [commit.summary for commit in repo.commits[-2:]] == ["theirs again", done.message]
    assert repo.head.files["notes.md"] == b"n"
    assert repo.head.files["CHANGELOG.md"].decode().count("\n## ") == 2


def test_who_is_always_late_gives_up_in_one_sentence(hub: FakeHub, publish: Publish) -> None:
    hub.refuse["POST /api/datasets/.*/commit/main"] = 412
    with pytest.raises(TracegenError, match="takes other commits to someone/sums at the same time"):
        publish()
    assert len(hub.dataset(REPO).commits) == 1


@pytest.mark.parametrize("what", ["reset", "lost"])
@pytest.mark.parametrize("step", STEPS)
def test_who_is_killed_at_any_step_goes_on_with_the_same_command(
    hub: FakeHub, publish: Publish, monkeypatch: pytest.MonkeyPatch, step: str, what: str
) -> None:
    """Killed where it would wait: before the server has done what was asked, or after."""

    def killed(seconds: float) -> None:
        raise KeyboardInterrupt

    hub.faults = [Fault(STEPS[step], what)]
    with monkeypatch.context() as patch:
        patch.setattr("time.sleep", killed)
        with pytest.raises(KeyboardInterrupt):
            publish()
    assert not hub.faults
    publish()
    assert [commit.summary for commit in hub.dataset(REPO).commits] == ["initial commit", "Publish 3 traces"]
    assert publish().commit is None


def test_a_crash_before_the_commit_uploads_nothing_twice(
    hub: FakeHub, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import _commit_api

    def killed(**_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("huggingface_hub._commit_api._send_commit", killed)
        with pytest.raises(KeyboardInterrupt):
            publish()
    assert _commit_api._send_commit is not killed
    uploaded = [path for method, path in hub.requests if method == "PUT"]
    assert len(uploaded) == 3
    publish()
    assert [path for method, path in hub.requests if method == "PUT"] == uploaded
    assert len(hub.dataset(REPO).commits) == 2


def test_a_mistake_of_the_user_is_not_tried_again(hub: FakeHub, publish: Publish, waits: list[float]) -> None:
    hub.refuse["POST /api/datasets/.*/commit/main"] = 403
    with pytest.raises(TracegenError, match="does not let this token write"):
        publish()
    assert waits == []
