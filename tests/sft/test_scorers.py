"""Every scorer says the same of a row: here, in vLLM, behind a server that fails at times, in a user's file."""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

import numpy
import small
import torch
import transformers
from captured import K, agree, taken
from fake_server import FakeServer

from sft.data import Row
from sft.signals import Reader, key
from tracegen.records import UsageError


def test_the_scorer_of_contributing_captures(tmp_path: Path, teacher: str, read: list[Row], tokenizer: Any) -> None:
    page = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (code,) = [block.split("```")[0] for block in page.split("```python\n") if "def smoothed(" in block.split("```")[0]]
    (tmp_path / "mine.py").write_text(code)
    given = {"by": f"{tmp_path / 'mine.py'}:smoothed", "options": {"vocabulary": 259}}
    taken(tmp_path / "signals", teacher, read, tokenizer, **given)
    ids, logprobs = Reader(tmp_path / "signals").read([key(read[0])])[key(read[0])]
    assert ids[:, 0].tolist() == [label for label in read[0].labels if label >= 0]
    assert all(len(set(line)) == K for line in ids.tolist())
    numpy.testing.assert_allclose(numpy.exp(logprobs).sum(1), 0.9 + 0.1 * (K - 1) / 258, atol=1e-4)


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


def test_a_server_says_the_same(tmp_path: Path, teacher: str, read: list[Row], tokenizer: Any) -> None:
    taken(tmp_path / "here", teacher, read, tokenizer)
    answer, failed = scoring(teacher), list[str]()

    def reply(body: dict[str, Any]) -> dict[str, Any]:
        if len(failed) < 3:
            failed.append("once")
            return {"status": 500, "message": "a moment"} if len(failed) < 3 else {"raw": "{"}
        return dict(answer(body))

    with FakeServer(reply, models=[teacher]) as server:
        options = {"base_url": server.base_url, "concurrency": 4}
        taken(tmp_path / "there", teacher, read, tokenizer, by="server", options=options)
        sent = [body["prompt"] for body in server.requests()]
    assert all(row.input_ids in sent for row in read)
    agree(tmp_path / "here", tmp_path / "there", read)


def test_a_server_that_allows_less_or_nothing_is_told_apart(
    tmp_path: Path, teacher: str, read: list[Row], tokenizer: Any
) -> None:
    with FakeServer(scoring(teacher), models=[teacher]) as server:
        with pytest.raises(UsageError, match="Start the server with --max-logprobs 32"):
            taken(tmp_path, teacher, read, tokenizer, k=32, by="server", options={"base_url": server.base_url})
    with FakeServer(models=[teacher]) as server:
        with pytest.raises(UsageError, match="says nothing of a prompt's tokens"):
            taken(tmp_path, teacher, read, tokenizer, by="server", options={"base_url": server.base_url})


@pytest.mark.vllm
@pytest.mark.skipif(find_spec("vllm") is None, reason="vllm is not installed")
def test_vllm_says_the_same_in_chunks(tmp_path: Path, read: list[Row]) -> None:
    teacher = small.model(tmp_path / "teacher", hidden_size=64, head_dim=32)
    tokenizer = transformers.AutoTokenizer.from_pretrained(teacher)
    taken(tmp_path / "hf", teacher, read, tokenizer)
    engine_kwargs = {"kv_cache_memory_bytes": 1 << 28, "dtype": "float32"}
    options = {"chunk": 64, "engine_kwargs": engine_kwargs}
    assert max(len(row.input_ids) for row in read) > 64
    taken(tmp_path / "vllm", teacher, read, tokenizer, by="vllm", options=options)
    agree(tmp_path / "hf", tmp_path / "vllm", read, tolerance=5e-3)
