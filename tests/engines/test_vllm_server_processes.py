"""The processes of the engine `vllm_server`: waited for, watched, and ended with everything.

Most of it needs no model: a script takes the place of vLLM's server.
"""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from fake_server import FakeServer
from processes import members, session, until
from serving import SCRIPT, answers, requests

from tracegen.engines import _serving
from tracegen.engines import vllm_server as module
from tracegen.engines.vllm_server import vllm_server
from tracegen.records import Completion, Request, TracegenError

pytestmark = [
    pytest.mark.usefixtures("scripted"),
    pytest.mark.skipif(find_spec("vllm") is None, reason="vllm is not installed"),
    pytest.mark.skipif(find_spec("aiohttp") is None, reason="aiohttp is not installed"),
]


def test_what_the_server_says_last_is_in_the_error_and_all_of_it_in_the_log(tmp_path: Path) -> None:
    with pytest.raises(TracegenError, match="did not start: error: unrecognized arguments: --broken"):
        answers(requests(1), engine_kwargs={"broken": True}, folder=tmp_path)
    assert "unrecognized arguments" in (tmp_path / "vllm-1.log").read_text()


def test_somebody_elses_server_is_not_taken_for_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_serving, "_PORT", 0.2)
    with FakeServer(models=["m"]) as other:
        with pytest.raises(TracegenError, match=rf"cannot have port {other.port}, where another program listens"):
            answers(requests(3), port=other.port)
        assert other.log == []


def test_closing_does_not_wait_out_the_pause_before_the_next_life(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PAUSE", 30.0)
    pauses: list[float] = []
    real = module.revived

    def revived(*given: Any, sleep: Callable[[float], object], **options: Any) -> Any:
        return real(*given, sleep=lambda seconds: (pauses.append(seconds), sleep(seconds)), **options)

    monkeypatch.setattr(module, "revived", revived)

    def stream() -> Iterator[Request | None]:
        yield requests(1, {0: "deadly a"})[0]
        yield requests(2, {1: "deadly b"})[1]
        while not pauses:
            yield None
        raise KeyboardInterrupt

    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        answers(stream())
    assert pauses == [30.0]
    assert time.monotonic() - start < 20


def test_a_server_that_is_never_healthy_is_given_up_in_time(tmp_path: Path) -> None:
    with pytest.raises(
        TracegenError, match=r"not ready after 1 s \(start_timeout\); it last said: loading the weights"
    ):
        answers(requests(1), engine_kwargs={"health": False, "mark": str(tmp_path)}, start_timeout=1)
    assert until(lambda: not members(str(tmp_path)))


def test_a_server_that_hangs_is_killed_and_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_serving, "_BEAT", 0.2)
    monkeypatch.setattr(_serving, "_SILENCE", 1.0)
    found: dict[str, Completion] = {}
    for request, completion in vllm_server(requests(20), model="m", concurrency=2):
        found[request.key] = completion
        if len(found) == 5:
            os.kill(int(completion.text), signal.SIGSTOP)
    assert {completion.error for completion in found.values()} == {None}
    assert len({completion.text for completion in found.values()}) == 2


def test_a_server_that_is_healthy_and_makes_no_token_is_killed_and_started_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(_serving, "_BEAT", 0.2)
    monkeypatch.setattr(_serving, "_STALL", 1.0)
    found = answers(requests(20), concurrency=2, engine_kwargs={"stuck": str(tmp_path / "stuck")})
    assert len(found) == 20
    assert {completion.error for completion in found.values()} == {None}
    assert len({completion.text for completion in found.values()}) == 2


def test_closing_while_answers_are_awaited_takes_no_time_and_leaves_no_process(tmp_path: Path) -> None:
    kwargs = {"latency": 0.3, "mark": str(tmp_path)}  # other tests may run servers at the same time
    running = vllm_server(requests(100), model="m", concurrency=4, engine_kwargs=kwargs)
    next(running)
    pids = members(str(tmp_path))
    assert pids
    groups = [pid for pid in pids if os.getsid(pid) == pid]
    start = time.monotonic()
    running.close()  # type: ignore[attr-defined]
    assert time.monotonic() - start < 5
    assert until(lambda: not members(str(tmp_path)))
    assert not any(session(group) for group in groups)


@pytest.mark.vllm
@pytest.mark.soak
@pytest.mark.timeout(900)
def test_the_real_server_comes_back_when_its_engine_is_killed(tiny_model: str, tmp_path: Path) -> None:
    log, small = tmp_path / "vllm-1.log", {"kv_cache_memory_bytes": 1 << 28}
    found: dict[str, Completion] = {}
    served = vllm_server(requests(40), model=tiny_model, concurrency=4, engine_kwargs=small, folder=tmp_path)
    for request, completion in served:
        found[request.key] = completion
        if len(found) == 8:
            os.kill(int(re.findall(r"EngineCore pid=(\d+)", log.read_text())[-1]), signal.SIGKILL)
    assert sorted(found) == sorted(f"k{number}" for number in range(40))
    assert {completion.error for completion in found.values()} == {None}
    assert log.read_text().count("the server ended with status") == 1


PROGRAM = """
import sys
from pathlib import Path
from tracegen.engines import _serving, vllm_server as module
from tracegen.records import Request

module.arguments = lambda model, options: [sys.executable, sys.argv[1], *_serving.arguments(model, options)[3:]]

def requests():
    for n in range(10_000):
        yield Request(f"k{n}", "p", "t", 0, ({"role": "user", "content": f"say {n}"},), {})

try:
    for request, completion in module.vllm_server(requests(), model="m", replicas=2, concurrency=2):
        print(completion.text, flush=True)
except KeyboardInterrupt:
    print("stopped", flush=True)
"""


@pytest.fixture
def program(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    script = tmp_path / "program.py"
    script.write_text(PROGRAM, "utf-8")
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        [sys.executable, str(script), str(SCRIPT)], stdout=pipe, stderr=pipe, text=True, start_new_session=True
    )
    yield process
    process.kill()
    process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_whatever_ends_this_process_ends_the_servers(program: subprocess.Popen[str], number: signal.Signals) -> None:
    assert program.stdout is not None
    servers: set[int] = set()
    while len(servers) < 2:
        servers.add(int(program.stdout.readline()))
    groups = [os.getsid(pid) for pid in servers]
    os.killpg(program.pid, number)
    out, err = program.communicate(timeout=30)
    assert until(lambda: not any(session(group) for group in groups))
    if number == signal.SIGINT:
        assert out.endswith("stopped\n")
        assert "Traceback" not in err
        assert program.returncode == 0
