"""The report before training: every row is kept or dropped for one reason, and the figures are those of the rows."""

import json
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

pytest.importorskip("trl")

import tiny

from sft import hygiene
from sft.data import Row
from sft.messages import chats
from sft.mixture import rows
from tracegen.records import TracegenError, UsageError


def chat(answer: str, question: str = "1+1?") -> list[dict[str, Any]]:
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


def corpus(folder: Path, *lines: dict[str, Any]) -> str:
    path = folder / "corpus.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return str(path)


THOUGHT = "<think>\nOne and one.\n</think>\n\n2"
LONG = "<think>\n" + "One and one and nothing. " * 20 + "\n</think>\n\n2"


def test_every_row_is_counted_once(tmp_path: Path) -> None:
    path = corpus(
        tmp_path,
        {"messages": chat(THOUGHT)},
        {"messages": chat(THOUGHT)},
        {"messages": chat("<think>\nAnother.\n</think>\n\n2")},
        {"messages": chat("4", "2+2?")},
        {"messages": [*chat(THOUGHT), *chat(THOUGHT, "Again?")]},
        {"messages": chat(LONG)},
        {"messages": chat(" ")},
        {"messages": chat("<think>\nOne and"), "finish_reason": "stop"},
        {"messages": chat("One and one are"), "finish_reason": "length"},
        {"messages": chat("Say <|im_end|> now.")},
    )
    kept, found = rows(path, tiny.tokenizer(), max_length=200)
    assert (found.read, found.kept, found.rows, len(kept)) == (10, 5, 5, 5)
    assert (found.over_length, found.empty, found.unterminated, found.end_of_turn_inside) == (1, 1, 2, 1)
    assert found.read == found.kept + sum(getattr(found, reason) for reason in hygiene.REASONS)
    assert (found.duplicate_prompts, found.duplicate_rows) == (2, 1)
    assert (found.without_thinking, found.masked_thinking) == (1, 1)


def test_tokens_of_each_part_add_up(tmp_path: Path) -> None:
    path = corpus(tmp_path, {"messages": chat(THOUGHT)}, {"messages": chat("2")})
    kept, found = rows(path, tiny.tokenizer(), max_length=200)
    thinking = len("<think>\nOne and one.\n</think>")  # A byte is a token.
    assert [row.thinking for row in kept] == [thinking, 0]
    assert found.thinking_tokens == thinking
    assert found.answer_tokens == len("\n\n2") + 1 + len("2") + 1
    assert found.trained_tokens == found.thinking_tokens + found.answer_tokens
    assert found.prompt_tokens + found.trained_tokens == sum(len(row.input_ids) for row in kept)


def test_lengths_and_packs() -> None:
    made = [Row(str(n), list(range(n)), list(range(n))) for n in range(1, 101)]
    found = hygiene.report(made, {"read": 100, "kept": 100}, max_length=101, end_of_turn="", prefilled="")
    assert (found.median, found.p90, found.p99, found.longest) == (50, 90, 99, 100)
    assert (found.packs, found.packing_efficiency) == (50, 1.0)
    one = hygiene.report(made[:1], {}, max_length=4, end_of_turn="", prefilled="")
    assert (one.median, one.p99, one.packing_efficiency) == (1, 1, 0.25)


def test_table_names_what_happened_and_nothing_else(tmp_path: Path) -> None:
    path = corpus(tmp_path, {"messages": chat(THOUGHT)}, {"messages": chat(LONG)})
    text = hygiene.table(rows(path, tiny.tokenizer(), max_length=200)[1])
    lines = {line.split("  ")[0]: line for line in text.splitlines()}
    assert "1" in lines["- over_length"].split()
    assert "longer than max_length" in lines["- over_length"]
    assert "- empty" not in lines
    assert "each ends with <|im_end|>" in lines["kept"]
    assert "% full" in lines["packs"]


def test_nothing_left_says_why(tmp_path: Path) -> None:
    path = corpus(tmp_path, {"messages": chat("<think>\nOne and")}, {"messages": chat("")})
    with pytest.raises(TracegenError, match=r"none of the 2 rows .*: empty 1, unterminated 1\."):
        rows(path, tiny.tokenizer(), max_length=200)


def test_tag_inside_of_code_is_text(tmp_path: Path) -> None:
    kept, found = rows(corpus(tmp_path, {"messages": chat("Write `<think>` first.")}), tiny.tokenizer(), max_length=200)
    assert (len(kept), found.unterminated) == (1, 0)


def test_sample_ids_are_their_own_and_the_same_each_time(tmp_path: Path) -> None:
    lines = [{"messages": chat(answer), "problem_id": "p"} for answer in ("2", "two", "2")]
    named = [{"messages": chat("2"), "id": name} for name in (0, 7, 7, "7#2")]
    path = corpus(tmp_path, *lines, *named)
    ids = [row.sample_id for row in chats(path)]
    assert len(set(ids)) == 7
    assert ids[2] == f"{ids[0]}#2"
    assert ids[3:] == ["0", "7", "7#2", "7#2#2"]
    other = tmp_path / "other"
    other.mkdir()
    assert [row.sample_id for row in chats(corpus(other, lines[1], lines[0]))] == [ids[1], ids[0]]


def test_pass_rates_come_from_the_problems_of_a_run(tmp_path: Path) -> None:
    tables = {
        "curated": {"messages": [chat("2"), chat("4")], "problem_id": ["a", "b"], "teacher": ["t", "t"]},
        "problems": {"problem_id": ["a", "b"], "pass_rate": [0.25, None]},
    }
    for name, columns in tables.items():
        file = tmp_path / "data" / name / "train-00000-of-00001.parquet"
        file.parent.mkdir(parents=True)
        pyarrow.parquet.write_table(pyarrow.table(columns), file)
    first, second = chats(str(tmp_path))
    assert first.facts == {"problem_id": "a", "teacher": "t", "pass_rate": 0.25}
    assert second.facts == {"problem_id": "b", "teacher": "t"}


def test_other_shapes_of_chats_are_read(tmp_path: Path) -> None:
    told = {"conversations": [{"from": "human", "value": "1+1?"}, {"from": "gpt", "value": "2"}]}
    parts = {"messages": [chat("")[0], {"role": "assistant", "content": [{"type": "text", "text": "2"}]}]}
    (one,), _ = rows(corpus(tmp_path, told), tiny.tokenizer(), max_length=200)
    (two,), _ = rows(corpus(tmp_path, parts), tiny.tokenizer(), max_length=200)
    assert one.input_ids == two.input_ids
    image = {"messages": [{"role": "user", "content": [{"type": "image", "url": "x"}]}]}
    with pytest.raises(UsageError, match="a content that is text"):
        rows(corpus(tmp_path, image), tiny.tokenizer(), max_length=200)


def test_rows_that_are_held_out_are_no_rows_of_an_epoch(tmp_path: Path) -> None:
    path = corpus(tmp_path, {"messages": chat(THOUGHT)}, {"messages": chat("4", "2+2?")}, {"messages": chat("")})
    kept, found = rows(path, tiny.tokenizer(), max_length=200)
    left = hygiene.left(found, kept[:1], 1)
    assert (left.read, left.kept, left.empty, left.rows, left.held_out) == (3, 2, 1, 1, 1)
    assert left.trained_tokens == len(THOUGHT) + 1
    assert hygiene.table(left).count("held out") == 1
    assert "held out" not in hygiene.table(found)
