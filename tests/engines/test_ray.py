"""Engine `ray` on a real cluster of two nodes with the real vLLM: what it answers, and what a lost node costs."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import pytest

from tracegen.engines.ray import _Writer, ray
from tracegen.records import Request, UsageError

needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="ray is not installed")
needs_vllm = pytest.mark.skipif(find_spec("ray") is None or find_spec("vllm") is None, reason="needs vllm and ray")

SMALL = {"kv_cache_memory_bytes": 1 << 28}

PROGRAM = """
import sys, time
from tracegen.engines.ray import ray
from tracegen.records import Request

def requests():
    for number in range(int(sys.argv[3])):
        sampling = {"max_tokens": 40, "temperature": 0.0, "seed": number, "ignore_eos": number != 0}
        content = "z" * 600 if number == 1 else f"count to {number}"
        yield Request(f"k{number}", "p", "t", 0, ({"role": "user", "content": content},), sampling)
        if number == 2:
            yield None

if __name__ == "__main__":
    small = {"kv_cache_memory_bytes": 1 << 28}
    options = {"replicas": 2, "max_num_seqs": 4, "engine_kwargs": small, "start_timeout": float(sys.argv[4])}
    for request, completion in ray(requests(), model=sys.argv[1], address=sys.argv[2], **options):
        print(request.key, completion.completion_tokens, completion.finish_reason, completion.error, flush=True)
    print("end", flush=True)
"""


def request(content: str = "hi", **sampling: object) -> Request:
    return Request("k", "p", "t", 0, ({"role": "user", "content": content},), sampling)


@needs_ray
def test_what_cannot_work_is_refused_before_anything_starts() -> None:
    for options, sentence in [
        ({"replicas": 0}, "needs replicas of at least 1, not 0"),
        ({"address": "ray://head:10001"}, "Ray Client .* is not supported"),
        ({"address": "somewhere"}, "a Ray cluster's address is auto, local or the head's host:port"),
    ]:
        with pytest.raises(UsageError, match=sentence):
            list(ray([request()], model="/no/such/model", **options))  # type: ignore[arg-type]
    assert list(ray([None], model="/no/such/model")) == []


@pytest.mark.vllm
@needs_vllm
def test_sampling_that_the_engine_does_not_take_is_refused() -> None:
    with pytest.raises(UsageError, match=r"engine 'ray' has no sampling 'temperatur'; it takes .*temperature"):
        list(ray([request(temperatur=1)], model="/no/such/model"))


@needs_ray
def test_a_row_goes_on_from_the_prefix_and_why_a_text_ended_is_read_from_its_tokens(tiny_model: str) -> None:
    pytest.importorskip("transformers")
    writer = _Writer(tiny_model, {})
    fresh = request(max_tokens=20, stop=["7"], seed=3)
    row, begun = writer.row(5, fresh)
    assert begun == ""
    assert row["sampling_params"] == {"max_tokens": 20, "stop": ["7"], "seed": 3}
    cut = Request("k", "p", "t", 0, fresh.messages, {"max_tokens": 20}, prefix="<think>ab", prefix_tokens=9)
    going_on, begun = writer.row(6, cut)
    assert begun == "<think>ab"
    assert going_on["tokenized_prompt"][: len(row["tokenized_prompt"])] == row["tokenized_prompt"]
    assert writer.tokenizer.decode(going_on["tokenized_prompt"][len(row["tokenized_prompt"]) :]) == "<think>ab"
    assert going_on["sampling_params"]["max_tokens"] == 11

    def ended(text: str, *, end: bool = False, **sampling: object) -> str | None:
        tokens = writer.tokenizer.encode(text, add_special_tokens=False) + [writer.tokenizer.eos_token_id] * end
        answer = {"generated_text": text, "generated_tokens": tokens, "num_generated_tokens": len(tokens)}
        back = writer.completion(request(**sampling), "", answer | {"num_input_tokens": 3, "__inference_error__": ""})
        return back.finish_reason

    assert ended("abc") == "length"
    assert ended("abc", end=True) == "stop"
    assert ended("abc", end=True, ignore_eos=True) == "length"
    assert ended("ab7", stop=["7"]) == "stop"
    assert ended("abc", stop_token_ids=writer.tokenizer.encode("c", add_special_tokens=False)) == "stop"


class TwoNodes:
    """A cluster of two nodes with one CPU each on this machine, the second of which can be killed."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        self._cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
        self._other = self._cluster.add_node(num_cpus=1)
        self.address: str = self._cluster.address

    def kill_one(self) -> None:
        """A node with all that runs on it: of a real one, nothing is left either."""
        psutil = pytest.importorskip("psutil")
        own = [psutil.Process(each.process.pid) for group in self._other.all_processes.values() for each in group]
        for process in own + [child for parent in own for child in parent.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):
                process.kill()

    def stop(self) -> None:
        self._cluster.shutdown()


@pytest.fixture
def nodes() -> Iterator[TwoNodes]:
    found = TwoNodes()
    try:
        yield found
    finally:
        found.stop()


def run(tmp_path: Path, model: str, address: str, count: int, start_timeout: float = 240) -> subprocess.Popen[str]:
    script = tmp_path / "program.py"
    script.write_text(PROGRAM, "utf-8")
    command = [sys.executable, str(script), model, address, str(count), str(start_timeout)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, start_new_session=True)


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.vllm
@needs_vllm
def test_the_run_goes_on_when_a_node_is_killed_in_the_middle(nodes: TwoNodes, tiny_model: str, tmp_path: Path) -> None:
    process = run(tmp_path, tiny_model, nodes.address, 200)
    try:
        assert process.stdout is not None
        answers: list[list[str]] = []
        killed = 0.0
        for line in process.stdout:
            if line.startswith("end"):
                break
            answers.append(line.split(maxsplit=3))
            if len(answers) == 50:
                nodes.kill_one()
                killed = time.monotonic()
        print("after the kill:", round(time.monotonic() - killed, 1), "s")
        _, said = process.communicate(timeout=120)
    finally:
        process.kill()
        process.wait()
    assert sorted(answer[0] for answer in answers) == sorted(f"k{number}" for number in range(200)), said
    whole = [answer for answer in answers if answer[0] not in ("k0", "k1")]
    assert {tuple(answer[1:]) for answer in whole} == {("40", "length", "None\n")}
    (too_long,) = [answer for answer in answers if answer[0] == "k1"]
    assert "z" * 20 not in too_long[3]
    assert too_long[3].strip() != "None"
    assert process.returncode == 0
    assert "was lost" in said
