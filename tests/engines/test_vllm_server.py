"""The engine `vllm_server`: its processes end with everything, its replicas share the work and come back to life.

Most of it needs no model: a script takes the place of vLLM's server. The contract tests run the real one.
"""

import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from fake_server import FakeServer

from tracegen import telemetry
from tracegen.engines import _serving
from tracegen.engines import vllm_server as module
from tracegen.engines.vllm_server import vllm_server
from tracegen.records import Completion, Request, TracegenError, UsageError

pytestmark = [
    pytest.mark.skipif(find_spec("vllm") is None, reason="vllm is not installed"),
    pytest.mark.skipif(find_spec("aiohttp") is None, reason="aiohttp is not installed"),
]
SCRIPT = Path(__file__).parent / "scripted_vllm.py"


@pytest.fixture(autouse=True)
def scripted(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The script in the place of the real server, with the same arguments; but for the tests marked `vllm`."""
    if request.node.get_closest_marker("vllm"):
        return

    def arguments(model: str, options: Mapping[str, Any]) -> list[str]:
        return [sys.executable, str(SCRIPT), *_serving.arguments(model, options)[3:]]

    monkeypatch.setattr(module, "arguments", arguments)
    monkeypatch.setattr(module, "_PAUSE", 0.0)


def requests(count: int, words: Mapping[int, str] | None = None) -> list[Request]:
    return [
        Request(
            f"k{n}",
            f"p{n}",
            "t",
            0,
            ({"role": "user", "content": (words or {}).get(n, f"say {n}")},),
            {"seed": n, "max_tokens": 30},
        )
        for n in range(count)
    ]


def answers(asked: Iterable[Request | None], **options: Any) -> dict[str, Completion]:
    found: dict[str, Completion] = {}
    for request, completion in vllm_server(asked, model="m", **options):
        assert request.key not in found
        found[request.key] = completion
    return found


def members(marker: str) -> list[int]:
    """Running processes whose command line holds the marker."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            words, state = (path / "cmdline").read_bytes(), (path / "stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if marker.encode() in words and state != "Z":
            found.append(int(path.name))
    return found


def session(pid: int) -> list[int]:
    """Running processes of the session that the process leads or belongs to."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            state, _, _, own = (path / "stat").read_text().rpartition(")")[2].split()[:4]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(own) == pid and state != "Z":
            found.append(int(path.name))
    return found


def until(holds: Callable[[], bool], seconds: float = 15) -> bool:
    deadline = time.monotonic() + seconds
    while not (held := holds()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return held


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
