"""The opened head under FSDP2, on two CPU processes over gloo: the loss and the gradients of one whole model."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("trl")

PROGRAM = """
import torch
import torch.distributed as dist
import transformers
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.utils.checkpoint import checkpoint

from sft.heads import open_head

torch.set_num_threads(1)
dist.init_process_group("gloo")
ids = torch.arange(20).view(1, 20)


def model(tied):
    torch.manual_seed(0)
    shape = dict(vocab_size=64, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2)
    made = transformers.LlamaForCausalLM(transformers.LlamaConfig(**shape, tie_word_embeddings=tied))
    open_head(made)
    return made


def loss(made, chunks):
    def measure(states, head):
        own, labels = states.last_hidden_state[0, :-1], ids[0, 1:]

        def part(own, labels):
            return torch.nn.functional.cross_entropy(head(own), labels, reduction="sum")

        pairs = zip(own.chunk(chunks), labels.chunk(chunks))
        found = [checkpoint(part, *pair, use_reentrant=False) if chunks > 1 else part(*pair) for pair in pairs]
        return {"loss": sum(found)}

    return made(input_ids=ids, measure=measure)["loss"]


for tied in (True, False):
    for chunks in (1, 3):
        whole, sharded = model(tied), model(tied)
        for layer in sharded.model.layers:
            fully_shard(layer, mesh=init_device_mesh("cpu", (2,)))
        fully_shard(sharded, mesh=init_device_mesh("cpu", (2,)))
        one, two = loss(whole, chunks), loss(sharded, chunks)
        one.backward()
        two.backward()
        torch.testing.assert_close(one, two)
        gradients = dict(whole.named_parameters())
        for name, weight in sharded.named_parameters():
            assert type(weight).__name__ == "DTensor" and weight.grad.abs().sum() > 0, name
            torch.testing.assert_close(weight.grad.full_tensor(), gradients[name].grad)
dist.destroy_process_group()
print("equal")
"""


@pytest.mark.soak
def test_sharded_weights_have_the_loss_and_gradients_of_whole_ones(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    ended = subprocess.run([*launcher, "program.py"], cwd=tmp_path, capture_output=True, text=True, timeout=200)
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert ended.stdout.count("equal") == 2
