"""The engine `vllm_server`: its replicas share the work and come back to life, its options are passed on or refused.

No model is needed: a script takes the place of vLLM's server. The contract tests run the real one.
"""

import os
import signal
from collections import Counter
from importlib.util import find_spec
from typing import Any

import pytest
from serving import answers, requests

from tracegen import telemetry
from tracegen.engines import _serving
from tracegen.engines import vllm_server as module
from tracegen.engines.vllm_server import vllm_server
from tracegen.records import Completion, UsageError

pytestmark = [
    pytest.mark.usefixtures("scripted"),
    pytest.mark.skipif(find_spec("vllm") is None, reason="vllm is not installed"),
    pytest.mark.skipif(find_spec("aiohttp") is None, reason="aiohttp is not installed"),
]


def test_replicas_share_the_work_and_each_says_what_it_does() -> None:
    telemetry.forget()
    found = answers(requests(60), replicas=2, concurrency=4)
    assert {completion.error for completion in found.values()} == {None}
    shares = Counter(completion.text for completion in found.values())
    assert len(shares) == 2
    assert min(shares.values()) >= 10
    said = telemetry.snapshot()
    assert [values["slots"] for who, values in said.items() if who.startswith("t@http://127.0.0.1:")] == [4, 4]


def test_a_server_that_is_killed_comes_back_and_nothing_is_lost(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry.forget()
    killed: list[int] = []
    found: dict[str, Completion] = {}
    for request, completion in vllm_server(requests(40), model="m", concurrency=4):
        found[request.key] = completion
        if len(found) == 10:
            killed.append(int(completion.text))
            os.kill(killed[0], signal.SIGKILL)
    assert len(found) == 40
    assert {completion.error for completion in found.values()} == {None}
    assert len({completion.text for completion in found.values()}) == 2
    assert telemetry.snapshot()["t"]["restarts"] == 1
    assert telemetry.snapshot()["t"]["replicas"] == 0
    said = capsys.readouterr().err
    assert "the vLLM server died: the server ended with status 137; it is started again" in said
    assert "unfinished requests go on" in said


def test_a_request_that_kills_servers_is_set_aside_and_the_others_are_answered() -> None:
    found = answers(requests(24, {7: "a deadly one"}), replicas=2, concurrency=4)
    assert len(found) == 24
    assert [key for key, completion in found.items() if completion.error] == ["k7"]
    assert "killed the engine" in (found["k7"].error or "")
    assert "RuntimeError: a deadly prompt" in (found["k7"].error or "")


def test_a_request_that_is_refused_kills_nobody() -> None:
    found = answers(requests(6, {2: "to be refused"}), concurrency=2)
    assert "such a prompt is refused" in (found["k2"].error or "")
    assert len({completion.text for key, completion in found.items() if key != "k2"}) == 1


def test_a_replica_that_cannot_start_leaves_its_work_to_the_others(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    good = module.arguments
    commands = iter((lambda command: [*command, "--broken"], lambda command: command))
    monkeypatch.setattr(module, "arguments", lambda model, options: next(commands)(good(model, options)))
    found = answers(requests(20), replicas=2, concurrency=4)
    assert {completion.error for completion in found.values()} == {None}
    said = " ".join(capsys.readouterr().err.split())
    assert "vLLM server 1 of 2 did not start: error: unrecognized arguments: --broken; the other 1 go on" in said


def test_options_become_the_servers_arguments() -> None:
    options = {
        "max_num_seqs": 8,
        "enable_prefix_caching": True,
        "enable_chunked_prefill": False,
        "reasoning_parser": "deepseek_r1",
        "compilation_config": {"mode": 0},
        "allowed_origins": ["a", "b"],
        "quantization": None,
    }
    assert _serving.arguments("m", options)[1:] == [
        *("-m", "vllm.entrypoints.openai.api_server", "--model", "m", "--max-num-seqs", "8", "--enable-prefix-caching"),
        *("--no-enable-chunked-prefill", "--reasoning-parser", "deepseek_r1", "--compilation-config", '{"mode": 0}'),
        *("--allowed-origins", "a", "b"),
    ]


def test_each_replica_has_gpus_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,4,5")
    assert module._slices(2, {"tensor_parallel_size": 2}) == ["0,1", "4,5"]
    assert module._slices(4, {}) == ["0", "1", "4", "5"]
    assert module._slices(1, {"tensor_parallel_size": 4}) == [None]
    with pytest.raises(UsageError, match="needs 6 GPUs for 3 replicas of 2, and there are 4"):
        module._slices(3, {"tensor_parallel_size": 2})


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"replicas": 0}, "at least 1 of replicas, not 0"),
        ({"engine_kwargs": {"port": 3}}, "sets port itself"),
        ({"engine_kwargs": {"max-num-seqs": 3}}, "with underscores"),
    ],
)
def test_options_that_make_no_sense_are_refused_before_anything_starts(options: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        answers(requests(1), **options)
