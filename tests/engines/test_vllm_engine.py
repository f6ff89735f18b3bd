"""What only the real vLLM can show: Ctrl-C, a killed parent, one bad request, an argument that it lacks."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from tracegen.engines.vllm import vllm
from tracegen.records import Request, TracegenError, UsageError

pytestmark = [pytest.mark.vllm, pytest.mark.skipif(find_spec("vllm") is None, reason="vllm is not installed")]

PROGRAM = """
import sys
from tracegen.engines.vllm import vllm
from tracegen.records import Request

def requests():
    for number in range(10_000):
        content = "z" * 600 if number == 1 else f"count to {number}"
        sampling = {"max_tokens": 300 if number > 8 else 5, "seed": number, "ignore_eos": True}
        yield Request(f"k{number}", "p", "t", 0, ({"role": "user", "content": content},), sampling)

if __name__ == "__main__":
    try:
        small = {"kv_cache_memory_bytes": 1 << 28}
        for request, completion in vllm(requests(), model=sys.argv[1], max_num_seqs=4, engine_kwargs=small):
            print(request.key, completion.completion_tokens, completion.error, flush=True)
    except KeyboardInterrupt:
        print("stopped", flush=True)
"""


@pytest.fixture(params=["default", pytest.param("own process", marks=pytest.mark.soak)])
def program(request: pytest.FixtureRequest, tiny_model: str, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A program in a session of its own, as a terminal would have it; vLLM in its process, or in one of its own."""
    script = tmp_path / "program.py"
    script.write_text(PROGRAM, "utf-8")
    pipe = subprocess.PIPE
    environment = {name: value for name, value in os.environ.items() if not name.startswith("VLLM_")}
    if request.param == "own process":
        environment["VLLM_ENABLE_V1_MULTIPROCESSING"] = "1"
    process = subprocess.Popen(
        [sys.executable, str(script), tiny_model],
        stdout=pipe,
        stderr=pipe,
        text=True,
        start_new_session=True,
        env=environment,
    )
    try:
        yield process
    finally:
        for pid in _members(process.pid):
            os.kill(pid, signal.SIGKILL)
        process.communicate()


def _members(session: int) -> list[int]:
    """The processes of a session that still run, by /proc."""
    members = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, own = stat.read_text().rpartition(")")[2].split()[:4]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(own) == session and state != "Z":
            members.append(int(stat.parent.name))
    return members


def _gone(session: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while _members(session) and time.monotonic() < deadline:
        time.sleep(0.1)
    return not _members(session)


def _read_until(process: subprocess.Popen[str], key: str) -> dict[str, str]:
    assert process.stdout is not None
    lines: dict[str, str] = {}
    while key not in lines:
        line = process.stdout.readline()
        assert line, process.stderr.read() if process.stderr else ""
        name, _, rest = line.strip().partition(" ")
        lines[name] = rest
    return lines


def test_ctrl_c_ends_everything_quietly_and_a_bad_request_ended_only_itself(program: subprocess.Popen[str]) -> None:
    lines = _read_until(program, "k8")
    assert "the prompt has" in lines["k1"]
    assert all(rest == "5 None" for name, rest in lines.items() if name in ("k0", "k2", "k8"))
    os.killpg(program.pid, signal.SIGINT)
    out, err = program.communicate(timeout=60)
    assert "stopped" in out
    assert err == ""
    assert program.returncode == 0
    assert _gone(program.pid, 5)


@pytest.mark.soak
def test_a_killed_parent_takes_its_engine_with_it(program: subprocess.Popen[str]) -> None:
    _read_until(program, "k8")
    os.kill(program.pid, signal.SIGKILL)
    assert _gone(program.pid, 15)


def request(**sampling: object) -> Request:
    return Request("k", "p", "t", 0, ({"role": "user", "content": "hi"},), sampling)


def test_an_engine_argument_that_vllm_lacks_is_refused(tiny_model: str) -> None:
    with pytest.raises(UsageError, match="no engine argument 'max_num_seq'; it takes max_num_seqs"):
        list(vllm([request()], model=tiny_model, engine_kwargs={"max_num_seq": 3}))


def test_a_value_that_vllm_refuses_is_the_users_mistake() -> None:
    with pytest.raises(UsageError, match=r"cannot sample with .*temperature"):
        list(vllm([request(temperature=-1.0)], model="/no/such/model"))


def test_a_model_that_is_not_there_is_one_sentence(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(TracegenError, match="vLLM could not load /no/such/model: ") as caught:
        list(vllm([request()], model="/no/such/model"))
    assert "\n" not in str(caught.value)
    out, err = capfd.readouterr()
    assert out == ""
    assert "Traceback" not in err
