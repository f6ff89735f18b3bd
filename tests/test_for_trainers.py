"""Exports: every row in the shape that a trainer's documentation asks for, loaded as that documentation loads it."""

import json
from pathlib import Path
from typing import Any

import datasets
import pyarrow.parquet as parquet
import pytest
import test_corpus
import yaml

from tracegen import for_trainers
from tracegen.corpus import shards_of
from tracegen.recipe import Recipe
from tracegen.records import Problem, UsageError

RECIPE = {
    "name": "small",
    "problems": {"source": "jsonl", "path": "p.jsonl"},
    "prompt": "math",
    "teachers": {"smol": {"model": "embedded"}},
    "corpus": {"licence": "cc-by-4.0", "repo": "me/small"},
}
SYSTEM = {"role": "system", "content": "Think first."}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run directory with a corpus of three rows in two shards, its prompt with a system turn."""
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "recipe.yaml").write_text(yaml.safe_dump(RECIPE))

    def messages(problem: Problem) -> list[Any]:
        return [SYSTEM, {"role": "user", "content": problem.statement}]

    traces = [
        test_corpus.trace("add-1", 0, "2 and 3\nmake 5. \u202e", "The answer is \\boxed{5}.", None),
        test_corpus.trace("add-1", 1, "", "5", None),
        test_corpus.trace("pipe-2", 2, "half a pair \ud800", "line\u2028separator", None),
    ]
    test_corpus.corpus(folder / "corpus", traces=traces, student_messages=messages, shard_bytes=1)
    return folder


def rows(corpus: Path) -> list[list[dict[str, str]]]:
    return [row for file in shards_of(corpus) for row in parquet.read_table(file)["messages"].to_pylist()]


def load(path: Path) -> list[dict[str, Any]]:
    return list(datasets.load_dataset("json", data_files=str(path), split="train"))


def export(call: Any, run: Path, *more: str) -> tuple[Path, dict[str, Any]]:
    out = run.parent / "out"
    status, stdout, err = call("export", run, "--out", out, "--json", *more)
    assert status == 0, err
    return out, json.loads(stdout)


def test_messages_are_what_trl_trains_on(call: Any, run: Path) -> None:
    out, told = export(call, run)
    assert told == {"written": 3, "left_out": 0, "path": str(out)}
    found = load(out / "train.jsonl")
    assert [row["messages"] for row in found] == rows(run / "corpus")
    # https://huggingface.co/docs/trl/dataset_formats: a conversational data set is a column of turns with both keys.
    assert all(row.keys() == {"messages"} and row["messages"][-1]["role"] == "assistant" for row in found)
    assert found[0]["messages"][-1]["content"].startswith("<think>\n2 and 3\nmake 5. \u202e\n</think>\n\n")


def test_sharegpt_loads_as_llama_factory_says(call: Any, run: Path) -> None:
    out, _ = export(call, run, "--format", "sharegpt")
    info = json.loads((out / "dataset_info.json").read_text())["small"]
    assert info["formatting"] == "sharegpt"
    found = load(out / info["file_name"])
    tags = info["tags"]
    for row, expected in zip(found, rows(run / "corpus"), strict=True):
        turns = row[info["columns"]["messages"]]
        # Its converter takes a first turn of the system's out, and then wants user and assistant in turn.
        assert turns[0] == {tags["role_tag"]: tags["system_tag"], tags["content_tag"]: SYSTEM["content"]}
        assert [turn[tags["role_tag"]] for turn in turns[1:]] == [tags["user_tag"], tags["assistant_tag"]]
        assert [turn[tags["content_tag"]] for turn in turns] == [turn["content"] for turn in expected]


def test_sharegpt_loads_as_axolotl_says(call: Any, run: Path) -> None:
    out, _ = export(call, run, "--format", "sharegpt")
    (data,) = yaml.safe_load((out / "axolotl.yaml").read_text())["datasets"]
    assert (data["type"], data["ds_type"]) == ("chat_template", "json")
    # Its own roles: https://docs.axolotl.ai/docs/config-reference.html, `datasets: roles`.
    role = {"system": "system", "human": "user", "gpt": "assistant"}
    names = data["message_property_mappings"]
    chats = [
        [{"role": role[turn[names["role"]]], "content": turn[names["content"]]} for turn in row[data["field_messages"]]]
        for row in datasets.load_dataset(data["ds_type"], data_files=data["path"], split="train")
    ]
    assert chats == rows(run / "corpus")


def test_openai_rows_hold_nothing_but_turns_of_text(call: Any, run: Path) -> None:
    out, _ = export(call, run, "--format", "openai", "--thinking", "none")
    lines = (out / "train.jsonl").read_text(encoding="utf-8").split("\n")
    assert lines.pop() == ""
    assert [json.loads(line) for line in lines] == load(out / "train.jsonl")
    for line in lines:
        row = json.loads(line)
        assert list(row) == ["messages"]
        assert [turn["role"] for turn in row["messages"]] == ["system", "user", "assistant"]
        assert all(turn.keys() == {"role", "content"} and turn["content"].strip() for turn in row["messages"])
    assert [json.loads(line)["messages"][-1]["content"] for line in lines] == [
        "The answer is \\boxed{5}.",
        "5",
        "line\u2028separator",
    ]


def test_thinking_in_a_field_of_its_own(call: Any, run: Path) -> None:
    out, _ = export(call, run, "--thinking", "field")
    last = [row["messages"][-1] for row in load(out / "train.jsonl")]
    assert [turn.get("reasoning_content") for turn in last] == ["2 and 3\nmake 5. \u202e", None, "half a pair \ufffd"]
    assert [turn["content"] for turn in last] == ["The answer is \\boxed{5}.", "5", "line\u2028separator"]
    from sft.messages import chats

    # The house's own reader puts it back where the corpus has it.
    back = [chat.messages[-1]["content"] for chat in chats(str(out / "train.jsonl"))]
    corpus = [row[-1]["content"] for row in rows(run / "corpus")]
    assert [back[0], back[2]] == [corpus[0], corpus[2]]


def test_a_row_whose_thinking_has_no_end_is_left_out_where_it_would_leak(call: Any, run: Path) -> None:
    torn = test_corpus.trace("add-1", 3, "so </think> and <think>", "5", None)
    test_corpus.corpus(run / "torn" / "corpus", traces=[torn])
    out = run.parent / "out"
    for thinking, written in (("tags", 1), ("field", 0), ("none", 0)):
        status, stdout, _ = call("export", run, "--run-dir", run / "torn", "--out", out, "--thinking", thinking)
        left = "" if written else "; left out: 1, whose thinking cannot be told from the response"
        assert (status, stdout) == (0, f"{written} rows in {out}{left}.\n")


def test_a_second_export_leaves_nothing_of_the_first(call: Any, run: Path) -> None:
    out, _ = export(call, run, "--format", "sharegpt")
    assert sorted(path.name for path in out.iterdir()) == [
        "README.md",
        "axolotl.yaml",
        "dataset_info.json",
        "train.jsonl",
    ]
    (out / "mine.txt").write_text("kept")
    export(call, run)
    assert sorted(path.name for path in out.iterdir()) == ["README.md", "mine.txt", "train.jsonl"]
    page = (out / "README.md").read_text()
    assert "3 rows of the corpus `small` (`me/small`)" in page
    assert "Licence: `cc-by-4.0`" in page


@pytest.mark.parametrize("name", ["README.md", "dataset_info.json", "train.jsonl"])
def test_what_no_export_wrote_is_not_replaced(call: Any, run: Path, name: str) -> None:
    out = run.parent / "out"
    out.mkdir()
    (out / name).write_text("somebody's own")
    status, _, err = call("export", run, "--out", out)
    assert (status, f"{name}, which no export wrote" in err) == (2, True), err
    assert [path.name for path in out.iterdir()] == [name]
    assert (out / name).read_text() == "somebody's own"


def test_an_export_that_breaks_off_leaves_nothing_half(call: Any, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, _ = export(call, run)
    before = (out / "train.jsonl").read_bytes()

    def full(turns: Any, format: str) -> Any:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(for_trainers, "_row", full)
        assert "cannot write into" in call("export", run, "--out", out)[2]
    assert sorted(path.name for path in out.iterdir()) == ["README.md", "train.jsonl"]
    assert (out / "train.jsonl").read_bytes() == before


def test_mistakes_are_one_sentence(call: Any, run: Path) -> None:
    for arguments, sentence in (
        (["--format", "alpaca"], "there is no format 'alpaca'; it is one of messages, sharegpt, openai."),
        (["--thinking", "off"], "there is no thinking 'off'; it is one of tags, field, none."),
        (
            ["--format", "openai", "--thinking", "field"],
            "openai has no field for the thinking; say --thinking tags or none",
        ),
        (["teachers.smol.terms.may_train=false"], "what teacher 'smol' wrote may not be trained on: the recipe says "),
        (["--run-dir", "nowhere"], "there is no corpus in nowhere/corpus; run `tracegen curate` first."),
    ):
        status, _, err = call("export", run, *arguments, "--out", run.parent / "out")
        assert (status, err.startswith(f"tracegen: {sentence}"), err.count("\n")) == (2, True, 1), err
    test_corpus.corpus(run / "empty" / "corpus", traces=[])
    assert (
        "holds no trace; there is nothing to export.\n"
        in call("export", run, "--run-dir", run / "empty", "--out", run.parent / "out")[2]
    )
    assert not (run.parent / "out").exists()
    (run.parent / "file").write_text("")
    assert "\ntracegen: cannot write into " in call("export", run, "--out", run.parent / "file")[2]


def test_rows_are_streamed(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    written: list[int] = []
    original = for_trainers._row

    def row(turns: Any, format: str) -> Any:
        written.append(1)
        return original(turns, format)

    def chats(corpus: Path) -> Any:
        for number, chat in enumerate(rows(corpus)):
            assert len(written) == number, "a row was read before the one before it was written"
            seen.append(number)
            yield chat

    monkeypatch.setattr(for_trainers, "_row", row)
    monkeypatch.setattr(for_trainers, "_chats", chats)
    for_trainers.write(run / "corpus", run / "out", recipe=Recipe.model_validate(RECIPE), quiet=True)
    assert seen == [0, 1, 2]


def test_what_is_not_there_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="sharegpt has no field for the thinking"):
        for_trainers.write(
            tmp_path, tmp_path / "out", recipe=Recipe.model_validate(RECIPE), format="sharegpt", thinking="field"
        )
    assert not (tmp_path / "out").exists()
