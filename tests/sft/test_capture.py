"""What a teacher said is written down once: by every scorer alike, in chunks as in one piece, and over a kill."""

import json
import math
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

import numpy
import small
import torch
import transformers
from fake_server import FakeServer

from sft import signals
from sft.capture import capture
from sft.data import Row, rows
from sft.scorers import Asked, Said
from sft.scorers.hf import hf
from sft.signals import Reader, key
from tracegen.models import resolve
from tracegen.records import TracegenError, UsageError

K = 8


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> str:
    return small.model(tmp_path_factory.mktemp("teacher"), seed=1, num_hidden_layers=3)


@pytest.fixture(scope="module")
def tokenizer(teacher: str) -> Any:
    return transformers.AutoTokenizer.from_pretrained(teacher)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory, tokenizer: Any) -> list[Row]:
    return rows(small.corpus(tmp_path_factory.mktemp("corpus") / "corpus.jsonl"), tokenizer, max_length=256)[0]


def whole(teacher: str, row: Row) -> torch.Tensor:
    """The teacher's log-probabilities [n, V] at the row's places, from its ordinary forward."""
    model: Any = transformers.AutoModelForCausalLM.from_pretrained(teacher, dtype=torch.float32)
    with torch.no_grad():
        scores = torch.log_softmax(model(torch.tensor([row.input_ids])).logits[0], -1)
    return scores[row.places]


def taken(folder: Path, teacher: str, corpus: list[Row], tokenizer: Any, **given: Any) -> dict[str, Any]:
    given = {"k": K, "by": "hf", **given}
    return capture(folder, corpus, teacher=resolve(teacher), tokenizer=tokenizer, **given)


def same(one: Path, other: Path, corpus: list[Row], tolerance: float = 0.0) -> None:
    left, right = Reader(one).read([key(row) for row in corpus]), Reader(other).read([key(row) for row in corpus])
    for own, (ids, logprobs) in left.items():
        numpy.testing.assert_allclose(logprobs, right[own][1], atol=tolerance)
        assert (ids == right[own][0]).mean() > (0.99 if tolerance else 1) - 1e-9


def test_what_is_written_is_the_top_of_what_the_teacher_says(
    tmp_path: Path, teacher: str, corpus: list[Row], tokenizer: Any
) -> None:
    found = taken(tmp_path, teacher, corpus, tokenizer)
    tokens = sum(label >= 0 for row in corpus for label in row.labels)
    files = sum(file.stat().st_size for file in tmp_path.glob("signals-*.parquet"))
    assert (found["rows"], found["captured"], found["tokens"]) == (12, 12, tokens)
    assert found["bytes"] == files
    assert found["bytes_per_token"] == round(files / tokens, 1)
    reader = Reader(tmp_path)
    for row in corpus:
        ids, logprobs = reader.read([key(row)])[key(row)]
        due = whole(teacher, row).topk(K, -1)
        assert ids.tolist() == due.indices.tolist()
        numpy.testing.assert_allclose(logprobs, due.values.numpy(), rtol=2**-10, atol=2e-4)


def test_chunks_are_the_whole(tmp_path: Path, teacher: str, corpus: list[Row], tokenizer: Any) -> None:
    taken(tmp_path / "whole", teacher, corpus, tokenizer)
    taken(tmp_path / "chunks", teacher, corpus, tokenizer, options={"chunk": 7 * 259})
    same(tmp_path / "whole", tmp_path / "chunks", corpus)


def test_a_kill_costs_a_shard_at_most(
    tmp_path: Path, teacher: str, corpus: list[Row], tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken(tmp_path / "whole", teacher, corpus, tokenizer)
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
        taken(tmp_path / "killed", teacher, corpus, tokenizer)
    (tmp_path / "killed" / ".signals.parquet").write_bytes(b"PAR1 torn")
    monkeypatch.undo()
    again = taken(tmp_path / "killed", teacher, corpus, tokenizer)
    assert again["captured"] == 12 - 5
    same(tmp_path / "whole", tmp_path / "killed", corpus)
    assert taken(tmp_path / "killed", teacher, corpus, tokenizer)["captured"] == 0


PROGRAM = """
import sys
from pathlib import Path
import transformers
from sft import signals
from sft.capture import capture
from sft.data import rows
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
    same(tmp_path / "whole", tmp_path / "killed", read, tolerance=5e-3)


def test_a_corpus_that_grows_is_captured_where_it_is_new(
    tmp_path: Path, teacher: str, corpus: list[Row], tokenizer: Any
) -> None:
    taken(tmp_path, teacher, corpus[:8], tokenizer)
    assert taken(tmp_path, teacher, corpus, tokenizer)["captured"] == 4


def test_another_origin_is_refused(tmp_path: Path, teacher: str, corpus: list[Row], tokenizer: Any) -> None:
    taken(tmp_path, teacher, corpus, tokenizer)
    with pytest.raises(
        UsageError, match=r"the number of tokens kept at each place is 4, and the signals in .* with 8;"
    ):
        taken(tmp_path, teacher, corpus, tokenizer, k=4)
    other = small.model(tmp_path / "other", seed=2)
    with pytest.raises(UsageError, match="the teacher is sha256:"):
        taken(tmp_path, other, corpus, tokenizer)


def test_tokens_under_other_numbers_are_found_by_what_they_are(
    tmp_path: Path, teacher: str, corpus: list[Row], tokenizer: Any
) -> None:
    """A teacher whose first two tokens have changed places, and which has four tokens of its own."""
    moved = Path(small.model(tmp_path / "moved", seed=1, num_hidden_layers=3, vocab_size=263))
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
    taken(tmp_path / "plain", str(sure), corpus, tokenizer)
    taken(tmp_path / "found", str(moved), corpus, tokenizer)
    same(tmp_path / "plain", tmp_path / "found", corpus, tolerance=0.02)


def test_the_scorer_of_contributing_captures(tmp_path: Path, teacher: str, corpus: list[Row], tokenizer: Any) -> None:
    page = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (code,) = [block.split("```")[0] for block in page.split("```python\n") if "def smoothed(" in block.split("```")[0]]
    (tmp_path / "mine.py").write_text(code)
    given = {"by": f"{tmp_path / 'mine.py'}:smoothed", "options": {"vocabulary": 259}}
    taken(tmp_path / "signals", teacher, corpus, tokenizer, **given)
    ids, logprobs = Reader(tmp_path / "signals").read([key(corpus[0])])[key(corpus[0])]
    assert ids[:, 0].tolist() == [label for label in corpus[0].labels if label >= 0]
    assert all(len(set(line)) == K for line in ids.tolist())
    numpy.testing.assert_allclose(numpy.exp(logprobs).sum(1), 0.9 + 0.1 * (K - 1) / 258, atol=1e-4)


def test_what_cannot_be_captured(tmp_path: Path, teacher: str, corpus: list[Row], tokenizer: Any) -> None:
    with pytest.raises(UsageError, match="there is no scorer 'llama'; the scorers are hf, server, vllm"):
        taken(tmp_path, teacher, corpus, tokenizer, by="llama")
    with pytest.raises(UsageError, match="scorer 'hf' has no option 'base_url'"):
        taken(tmp_path, teacher, corpus, tokenizer, options={"base_url": "x"})
    short = small.model(tmp_path / "short", max_position_embeddings=64)
    with pytest.raises(UsageError, match="reads at most 64 tokens and the longest row needs"):
        taken(tmp_path, short, corpus, tokenizer)


def test_a_row_that_the_teacher_cannot_read_gets_no_signal(
    tmp_path: Path, teacher: str, corpus: list[Row], tokenizer: Any
) -> None:
    """The student has a token of its own, which stands in one row."""
    more = transformers.AutoTokenizer.from_pretrained(teacher)
    more.add_tokens(["<|more|>"])
    own = Row("own", [*corpus[0].input_ids, 259], [*corpus[0].labels, 259])
    # The first rows show that the two cut alike.
    read = [*(corpus * 5), own]
    assert taken(tmp_path, teacher, read, more)["captured"] == 12
    assert key(own) not in Reader(tmp_path).where


def test_numbers_that_are_none_are_refused(tmp_path: Path, corpus: list[Row], tokenizer: Any) -> None:
    broken = small.model(tmp_path / "broken")
    model: Any = transformers.AutoModelForCausalLM.from_pretrained(broken)
    model.model.norm.weight.data.fill_(math.nan)
    model.save_pretrained(broken)
    with pytest.raises(TracegenError, match="log-probabilities of row row-0 are none"):
        taken(tmp_path / "out", broken, corpus, tokenizer)


def scoring(teacher: str) -> Any:
    """Replies as vLLM's server does to `prompt_logprobs`, with the realised token beyond the top k."""
    model: Any = transformers.AutoModelForCausalLM.from_pretrained(teacher, dtype=torch.float32)

    def reply(body: dict[str, Any]) -> dict[str, Any]:
        if body["prompt_logprobs"] > 20:
            allowed = f"Requested prompt logprobs of {body['prompt_logprobs']}, which is greater than max allowed: 20"
            return {"status": 400, "message": allowed}
        with torch.no_grad():
            scores = torch.log_softmax(model(torch.tensor([body["prompt"]])).logits[0], -1)
        entries: list[Any] = [None]
        for place, token in enumerate(body["prompt"][1:]):
            top = scores[place].topk(body["prompt_logprobs"])
            rank = int((scores[place] >= scores[place, token]).sum())
            entry = {token: {"logprob": float(scores[place, token]), "rank": rank, "decoded_token": "?"}}
            for at, (number, value) in enumerate(zip(top.indices.tolist(), top.values.tolist(), strict=True)):
                entry[number] = {"logprob": value, "rank": at + 1, "decoded_token": "?"}
            entries.append(entry)
        return {"raw": json.dumps({"choices": [{"index": 0, "text": "x", "prompt_logprobs": entries}]})}

    return reply


def test_a_server_says_the_same(tmp_path: Path, teacher: str, corpus: list[Row], tokenizer: Any) -> None:
    taken(tmp_path / "here", teacher, corpus, tokenizer)
    answer, failed = scoring(teacher), list[str]()

    def reply(body: dict[str, Any]) -> dict[str, Any]:
        if len(failed) < 3:
            failed.append("once")
            return {"status": 500, "message": "a moment"} if len(failed) < 3 else {"raw": "{"}
        return dict(answer(body))

    with FakeServer(reply, models=[teacher]) as server:
        options = {"base_url": server.base_url, "concurrency": 4}
        taken(tmp_path / "there", teacher, corpus, tokenizer, by="server", options=options)
        sent = [body["prompt"] for body in server.requests()]
    assert all(row.input_ids in sent for row in corpus)
    same(tmp_path / "here", tmp_path / "there", corpus)


def test_a_server_that_allows_less_or_nothing_is_told_apart(
    tmp_path: Path, teacher: str, corpus: list[Row], tokenizer: Any
) -> None:
    with FakeServer(scoring(teacher), models=[teacher]) as server:
        with pytest.raises(UsageError, match="Start the server with --max-logprobs 32"):
            taken(tmp_path, teacher, corpus, tokenizer, k=32, by="server", options={"base_url": server.base_url})
    with FakeServer(models=[teacher]) as server:
        with pytest.raises(UsageError, match="says nothing of a prompt's tokens"):
            taken(tmp_path, teacher, corpus, tokenizer, by="server", options={"base_url": server.base_url})


@pytest.mark.vllm
@pytest.mark.skipif(find_spec("vllm") is None, reason="vllm is not installed")
def test_vllm_says_the_same_in_chunks(tmp_path: Path, corpus: list[Row]) -> None:
    teacher = small.model(tmp_path / "teacher", hidden_size=64, head_dim=32)
    tokenizer = transformers.AutoTokenizer.from_pretrained(teacher)
    taken(tmp_path / "hf", teacher, corpus, tokenizer)
    engine_kwargs = {"kv_cache_memory_bytes": 1 << 28, "dtype": "float32"}
    options = {"chunk": 64, "engine_kwargs": engine_kwargs}
    assert max(len(row.input_ids) for row in corpus) > 64
    taken(tmp_path / "vllm", teacher, corpus, tokenizer, by="vllm", options=options)
    same(tmp_path / "hf", tmp_path / "vllm", corpus, tolerance=5e-3)
