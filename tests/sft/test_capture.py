"""What a teacher said is written down once: in chunks as in one piece, over a kill, and of no other teacher."""

import json
import math
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

import numpy
import small
import torch
import transformers
from captured import K, agree, taken

from sft import signals
from sft.data import Row
from sft.mixture import rows
from sft.scorers import Asked, Said
from sft.scorers.hf import hf
from sft.signals import Reader, key
from tracegen.records import TracegenError, UsageError


def whole(teacher: str, row: Row) -> torch.Tensor:
    """The teacher's log-probabilities [n, V] at the row's places, from its ordinary forward."""
    model: Any = transformers.AutoModelForCausalLM.from_pretrained(teacher, dtype=torch.float32)
    with torch.no_grad():
        scores = torch.log_softmax(model(torch.tensor([row.input_ids])).logits[0], -1)
    return scores[row.places]


def test_what_is_written_is_the_top_of_what_the_teacher_says(
    tmp_path: Path, teacher: str, read: list[Row], tokenizer: Any
) -> None:
    found = taken(tmp_path, teacher, read, tokenizer)
    tokens = sum(label >= 0 for row in read for label in row.labels)
    files = sum(file.stat().st_size for file in tmp_path.glob("signals-*.parquet"))
    assert (found["rows"], found["captured"], found["tokens"]) == (12, 12, tokens)
    assert found["bytes"] == files
    assert found["bytes_per_token"] == round(files / tokens, 1)
    reader = Reader(tmp_path)
    for row in read:
        ids, logprobs = reader.read([key(row)])[key(row)]
        due = whole(teacher, row).topk(K, -1)
        assert ids.tolist() == due.indices.tolist()
        numpy.testing.assert_allclose(logprobs, due.values.numpy(), rtol=2**-10, atol=2e-4)


def test_chunks_are_the_whole(tmp_path: Path, teacher: str, read: list[Row], tokenizer: Any) -> None:
    taken(tmp_path / "whole", teacher, read, tokenizer)
    taken(tmp_path / "chunks", teacher, read, tokenizer, options={"chunk": 7 * 259})
    agree(tmp_path / "whole", tmp_path / "chunks", read)


def test_a_kill_costs_a_shard_at_most(
    tmp_path: Path, teacher: str, read: list[Row], tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken(tmp_path / "whole", teacher, read, tokenizer)
    monkeypatch.setattr(signals, "SHARD_SECONDS", 0.0)
    asked: list[int] = []

    def dies(given: list[Asked], *args: Any, **options: Any) -> Iterator[tuple[Asked, Said]]:
        for row, said in hf(given, *args, **options):
            if len(asked) == 5:
                raise KeyboardInterrupt
            asked.append(row.number)
            yield row, said

    monkeypatch.setattr("sft.scorers.hf.hf", dies)
    with pytest.raises(KeyboardInterrupt):
        taken(tmp_path / "killed", teacher, read, tokenizer)
    (tmp_path / "killed" / ".signals.parquet").write_bytes(b"PAR1 torn")
    monkeypatch.undo()
    again = taken(tmp_path / "killed", teacher, read, tokenizer)
    assert again["captured"] == 12 - 5
    agree(tmp_path / "whole", tmp_path / "killed", read)
    assert taken(tmp_path / "killed", teacher, read, tokenizer)["captured"] == 0


PROGRAM = """
import sys
from pathlib import Path
import transformers
from sft import signals
from sft.capture import capture
from sft.mixture import rows
from tracegen.models import resolve

signals.SHARD_SECONDS = 0.05
teacher, corpus, folder = sys.argv[1:]
tokenizer = transformers.AutoTokenizer.from_pretrained(teacher)
read = rows(corpus, tokenizer, max_length=256)[0]
options = {"tokens": 1}
capture(Path(folder), read, teacher=resolve(teacher), tokenizer=tokenizer, k=8, by="hf", options=options)
"""


@pytest.mark.soak
def test_what_a_killed_process_had_is_kept(tmp_path: Path, teacher: str, tokenizer: Any) -> None:
    corpus = small.corpus(tmp_path / "corpus.jsonl", rows=400)
    read = rows(corpus, tokenizer, max_length=256)[0]
    taken(tmp_path / "whole", teacher, read, tokenizer)
    for kill in range(3):
        folder = tmp_path / "killed"
        before = len(list(folder.glob("signals-*.parquet")))
        command = [sys.executable, "-c", PROGRAM, teacher, corpus, str(folder)]
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        while len(list(folder.glob("signals-*.parquet"))) < before + 2 and process.poll() is None:
            time.sleep(0.002)
        assert process.poll() is None, f"the process was done before it could be killed the {kill + 1}. time"
        process.kill()
        process.wait()
        assert Reader(folder).where.keys() < {key(row) for row in read}
    again = taken(tmp_path / "killed", teacher, read, tokenizer)
    assert 0 < again["captured"] < 400
    agree(tmp_path / "whole", tmp_path / "killed", read, tolerance=5e-3)


def test_a_corpus_that_grows_is_captured_where_it_is_new(
    tmp_path: Path, teacher: str, read: list[Row], tokenizer: Any
) -> None:
    taken(tmp_path, teacher, read[:8], tokenizer)
    assert taken(tmp_path, teacher, read, tokenizer)["captured"] == 4


def test_another_origin_is_refused(tmp_path: Path, teacher: str, read: list[Row], tokenizer: Any) -> None:
    taken(tmp_path, teacher, read, tokenizer)
    with pytest.raises(
        UsageError, match=r"the number of tokens kept at each place is 4, and the signals in .* with 8;"
    ):
        taken(tmp_path, teacher, read, tokenizer, k=4)
    other = small.model(tmp_path / "other", seed=2)
    with pytest.raises(UsageError, match="the teacher is sha256:"):
        taken(tmp_path, other, read, tokenizer)


def test_tokens_under_other_numbers_are_found_by_what_they_are(
    tmp_path: Path, teacher: str, read: list[Row], tokenizer: Any
) -> None:
    """A teacher whose first two tokens have changed places, and which has four tokens of its own."""
    moved = Path(small.model(tmp_path / "moved", vocab_size=263, **small.LARGER))
    file = json.loads((moved / "tokenizer.json").read_text())
    words = file["model"]["vocab"]
    first, second = (next(word for word, number in words.items() if number == n) for n in (0, 1))
    words[first], words[second] = 1, 0
    for number in range(259, 263):
        file["added_tokens"].append(file["added_tokens"][0] | {"id": number, "content": f"<|own {number}|>"})
    (moved / "tokenizer.json").write_text(json.dumps(file))
    plain: Any = transformers.AutoModelForCausalLM.from_pretrained(teacher)
    model: Any = transformers.AutoModelForCausalLM.from_pretrained(moved)
    plain.lm_head.weight.data *= 80
    plain.save_pretrained(sure := tmp_path / "sure")
    tokenizer.save_pretrained(sure)
    states = plain.state_dict()
    for name in ("model.embed_tokens.weight", "lm_head.weight"):
        # What only the teacher knows is as likely as some that both know; the others share what it had.
        states[name] = torch.cat([states[name][[1, 0, *range(2, 259)]], states[name][100:104]])
    model.load_state_dict(states)
    model.save_pretrained(moved)
    taken(tmp_path / "plain", str(sure), read, tokenizer)
    taken(tmp_path / "found", str(moved), read, tokenizer)
    agree(tmp_path / "plain", tmp_path / "found", read, tolerance=0.02)


def test_what_cannot_be_captured(tmp_path: Path, teacher: str, read: list[Row], tokenizer: Any) -> None:
    with pytest.raises(UsageError, match="there is no scorer 'llama'; the scorers are hf, server, vllm"):
        taken(tmp_path, teacher, read, tokenizer, by="llama")
    with pytest.raises(UsageError, match="scorer 'hf' has no option 'base_url'"):
        taken(tmp_path, teacher, read, tokenizer, options={"base_url": "x"})
    short = small.model(tmp_path / "short", max_position_embeddings=64)
    with pytest.raises(UsageError, match="reads at most 64 tokens and the longest row needs"):
        taken(tmp_path, short, read, tokenizer)


def test_a_row_that_the_teacher_cannot_read_gets_no_signal(
    tmp_path: Path, teacher: str, read: list[Row], tokenizer: Any
) -> None:
    """The student has a token of its own, which stands in one row."""
    more = transformers.AutoTokenizer.from_pretrained(teacher)
    more.add_tokens(["<|more|>"])
    own = Row("own", [*read[0].input_ids, 259], [*read[0].labels, 259])
    # The first rows show that the two cut alike.
    assert taken(tmp_path, teacher, [*(read * 5), own], more)["captured"] == 12
    assert key(own) not in Reader(tmp_path).where


def test_numbers_that_are_none_are_refused(tmp_path: Path, read: list[Row], tokenizer: Any) -> None:
    broken = small.model(tmp_path / "broken")
    model: Any = transformers.AutoModelForCausalLM.from_pretrained(broken)
    model.model.norm.weight.data.fill_(math.nan)
    model.save_pretrained(broken)
    with pytest.raises(TracegenError, match="log-probabilities of row row-0 are none"):
        taken(tmp_path / "out", broken, read, tokenizer)
