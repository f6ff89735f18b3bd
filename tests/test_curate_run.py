"""The curation of a run: every trace ends in one place, whatever the order in which the answers came."""

import json
import os
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet
import pytest
import yaml
from test_curate_on_ray import tasks_here  # noqa: F401, a fixture

from tracegen import partitions
from tracegen.corpus import shards_of

PROBLEMS = [{"id": f"p{n}", "statement": f"What is {n} + {n + 1}?", "answer": str(2 * n + 1)} for n in range(6)]


def recorded() -> list[dict[str, Any]]:
    """Of four samples of a problem one is wrong and one says what another did."""
    return [
        {
            "problem_id": problem["id"],
            "sample": sample,
            "text": f"<think>\nWay {min(sample, 2)} of {problem['id']}.\n</think>\n\n"
            f"\\boxed{{{problem['answer'] if sample else 0}}}",
            "finish_reason": "stop",
            "completion_tokens": 20 + sample,
        }
        for problem in PROBLEMS
        for sample in range(4)
    ]


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where runs lie that were generated once, by the order of their answers."""
    folder = tmp_path_factory.mktemp("generated")
    (folder / "p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in PROBLEMS))
    return folder


@pytest.fixture
def run(tmp_path: Path, generated: Path, call: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Curate a run whose answers came in this order; returns its folder and what was said."""
    monkeypatch.setattr(partitions, "PARTITION", 8)

    def curated(name: str, order: int, *overrides: str) -> tuple[Path, str]:
        answers, recipe, whole = (generated / f"{order}{suffix}" for suffix in (".jsonl", ".yaml", ""))
        if not whole.is_dir():
            answers.write_text("".join(json.dumps(row) + "\n" for row in recorded()[::order]))
            teacher = {"engine": "replay", "model": "recorded", "options": {"path": str(answers)}}
            tree = {
                "name": "order",
                "problems": {"source": "jsonl", "path": str(generated / "p.jsonl")},
                "prompt": "math",
                "teachers": {"recorded": teacher | {"sampling": {"n": 4, "max_tokens": 32}}},
                "filters": {"correct": {}, "dedup": {}},
            }
            recipe.write_text(yaml.safe_dump(tree, sort_keys=False))
            assert call("generate", recipe, "--run-dir", whole)[0] == 0
        folder = tmp_path / name
        if not folder.is_dir():
            shutil.copytree(whole, folder)
        status, _, said = call("curate", recipe, "--run-dir", folder, *overrides)
        assert status == 0, said
        return folder, said

    return curated


def test_the_order_of_answers_changes_nothing(run: Any) -> None:
    forwards, said = run("forwards", 1)
    backwards, _ = run("backwards", -1)
    assert "gather: 24 traces" in said
    assert "12 of 24 traces kept, of 6 of 6 problems" in said
    rows = [parquet.read_table(shards_of(folder / "corpus", "all")).to_pylist() for folder in (forwards, backwards)]
    for row in (row for side in rows for row in side):
        assert row.pop("recipe_hash")  # it names the folder of the problems
    assert rows[0] == rows[1]
    assert [(row["problem_id"], row["sample"]) for row in rows[0]] == [(f"p{n}", s) for n in range(6) for s in range(4)]
    assert [row["reason"] for row in rows[0][:4]] == ["wrong", None, None, "duplicate"]
    hashes = [
        json.loads((folder / "corpus" / "stage.json").read_text())["inputs"]["traces"]
        for folder in (forwards, backwards)
    ]
    assert hashes[0] == hashes[1]


def test_every_drop_says_why_and_nothing_is_left_over(run: Any) -> None:
    folder, _ = run("one", 1)
    small = parquet.read_table(folder / "dropped" / "reasons.parquet").to_pylist()
    assert len(small) == 12
    twin = next(row for row in small if row["reason"] == "duplicate")
    kept = parquet.read_table(shards_of(folder / "corpus")).column("key").to_pylist()
    assert json.loads(twin["detail"])["kept"] in kept
    assert not set(kept) & {row["key"] for row in small}
    assert [path.name for path in folder.iterdir() if "curating" in path.name] == []


def test_what_stands_is_not_made_again(run: Any) -> None:
    folder, _ = run("one", 1)
    (folder / ".curating").mkdir()  # of a launch that was killed at its very end
    before = (folder / "corpus" / "funnel.json").stat().st_mtime_ns
    _, said = run("one", 1)
    assert "corpus: up to date" in said
    assert "gather" not in said, "nothing has changed, so nothing is read"
    assert (folder / "corpus" / "funnel.json").stat().st_mtime_ns == before
    assert not (folder / ".curating").exists()
    _, said = run("one", 1, "filters.dedup={of: response}")
    assert "6 of 24 traces kept" in said


def test_whatever_touches_a_file_has_the_run_gathered_anew(run: Any) -> None:
    folder, _ = run("one", 1)
    [ledger] = (folder / "traces").glob("[0-9]*")
    rows = [json.loads(line) for line in ledger.read_text().splitlines()]
    as_it_was = ledger.stat()
    ledger.write_text("".join(json.dumps(row) + "\n" for row in rows))
    os.utime(ledger, ns=(as_it_was.st_atime_ns, as_it_was.st_mtime_ns))
    _, said = run("one", 1)
    assert "gather: 24 traces" in said
    assert "corpus: up to date" in said, "the same rows"
    changed = [row | {"text": row["text"].replace("Way", "Roo")} for row in rows]
    ledger.write_text("".join(json.dumps(row) + "\n" for row in changed))
    os.utime(ledger, ns=(as_it_was.st_atime_ns, as_it_was.st_mtime_ns))
    _, said = run("one", 1)
    assert "12 of 24 traces kept" in said
    text = parquet.read_table(shards_of(folder / "corpus"))["messages"][0].as_py()[-1]["content"]
    assert "Roo 1 of p0" in text


def test_what_lacks_is_said_each_time(run: Any) -> None:
    run("one", 1)
    for gathers in (True, False):
        _, said = run("one", 1, "teachers.recorded.sampling.n=5")
        assert "6 samples of the plan have no answer" in said
        assert ("gather" in said) is gathers


def test_a_filter_of_ones_own_that_was_edited_is_applied_anew(run: Any, tmp_path: Path) -> None:
    own = tmp_path / "own.py"
    for code, kept in (("None", 12), ("'late' if trace.sample > 1 else None", 6)):
        own.write_text(f"def mine(traces):\n    for trace in traces:\n        yield trace, {code}\n")
        _, said = run("one", 1, f"filters={{correct: {{}}, dedup: {{}}, '{own}:mine': {{}}}}")
        assert f"{kept} of 24 traces kept" in said


@pytest.mark.skipif(find_spec("ray") is None, reason="ray is not installed")
@pytest.mark.usefixtures("tasks_here")
def test_what_a_cluster_foresees_becomes_the_same_corpus(run: Any) -> None:
    filters = {"wellformed": {}, "dedup": {}, "difficulty": {}, "diversity": {"per_problem": 2}, "choose": {"keep": 2}}
    given = f"filters={json.dumps(filters | {'correct': {}})}"
    cluster, _ = run("one", 1, given)
    local = Path(shutil.copytree(cluster, cluster.with_name("local")))
    (cluster / "corpus" / "stage.json").unlink()
    _, said = run("one", 1, given, "curating.on=ray")
    assert "filters on ray: 24 of 24" in said
    assert said.count("filters on ray") == 3, "difficulty stands behind dedup, choose behind diversity"
    for name in ("dropped/reasons.parquet", "dropped/choose.jsonl", "dropped/dedup.jsonl", "corpus/funnel.json"):
        assert (cluster / name).read_bytes() == (local / name).read_bytes()
    assert json.loads((local / "corpus" / "funnel.json").read_text())["kept"] == 6
    for config in ("curated", "all", "problems"):
        tables = [parquet.read_table(shards_of(folder / "corpus", config)) for folder in (local, cluster)]
        one, other = (table.drop_columns([c for c in ["recipe_hash"] if c in table.column_names]) for table in tables)
        assert one == other


def test_where_filters_run_is_no_part_of_what_they_are(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray")
    run("one", 1)
    _, said = run("one", 1, "curating.on=ray")
    assert "corpus: up to date" in said
