"""What only the real vLLM can show: Ctrl-C, deaths of all kinds, one bad request, an argument that it lacks."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from processes import session, until

from tracegen.engines.vllm import vllm
from tracegen.records import Completion, Request, TracegenError, UsageError

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
        for pid in session(process.pid):
            os.kill(pid, signal.SIGKILL)
        process.communicate()


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
    assert until(lambda: not session(program.pid), 5)


@pytest.mark.soak
def test_a_killed_parent_takes_its_engine_with_it(program: subprocess.Popen[str]) -> None:
    _read_until(program, "k8")
    os.kill(program.pid, signal.SIGKILL)
    assert until(lambda: not session(program.pid), 15)


DYING = """
import multiprocessing, os, signal, sys
from tracegen.engines.vllm import vllm
from tracegen.records import Request

def requests():
    for number in range(24):
        sampling = {"max_tokens": 40, "seed": number, "ignore_eos": True, "temperature": 1.0}
        yield Request(f"k{number}", "p", "t", 0, ({"role": "user", "content": f"count to {number}"},), sampling)

if __name__ == "__main__":
    small = {"kv_cache_memory_bytes": 1 << 28}
    kill_at = int(sys.argv[2])
    answers = vllm(requests(), model=sys.argv[1], max_num_seqs=4, engine_kwargs=small)
    for done, (request, completion) in enumerate(answers):
        print(request.key, completion.error, repr(completion.text), flush=True)
        if done == kill_at:
            for process in multiprocessing.active_children():
                if process.name.startswith("EngineCore"):
                    os.kill(process.pid, signal.SIGKILL)
"""


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_an_engine_that_is_killed_from_outside_is_built_again_and_its_seeds_hold(
    tiny_model: str, tmp_path: Path
) -> None:
    script = tmp_path / "dying.py"
    script.write_text(DYING, "utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("VLLM_")}
    environment["VLLM_ENABLE_V1_MULTIPROCESSING"] = "1"
    lines, said = [], []
    for kill_at in (5, 1000):
        command = [sys.executable, str(script), tiny_model, str(kill_at)]
        ran = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
        lines.append(sorted(ran.stdout.splitlines()))
        said.append(ran.stderr)
    assert lines[0] == lines[1]
    assert len(lines[0]) == 24
    assert all(line.split()[1] == "None" for line in lines[0])
    assert said[0].count("vLLM died: ") == said[0].count("unfinished requests go on") == 1
    assert "died" not in said[1]


def _resident() -> int:
    """Megabytes of memory that this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20


def test_a_request_that_kills_the_model_is_set_aside_and_the_others_come_out_as_ever(
    tiny_model: str, capfd: pytest.CaptureFixture[str]
) -> None:
    small = {"kv_cache_memory_bytes": 1 << 28, "enable_prefix_caching": False}
    # The CPU build dies of a request with a seed whose prompt takes more than one step.
    deadly = small | {"enable_chunked_prefill": True, "max_num_batched_tokens": 64}
    asked = [
        Request(f"k{number}", "p", "t", 0, ({"role": "user", "content": content},), {"max_tokens": 9, "seed": number})
        for number, content in enumerate(["hi", "x" * 200])
    ]
    before, undisturbed = 0, Completion()
    for _, completion in vllm(asked[:1], model=tiny_model, engine_kwargs=small):
        before, undisturbed = _resident(), completion
    found, after = {}, 0
    for request, completion in vllm(asked, model=tiny_model, engine_kwargs=deadly):
        found[request.key] = completion
        after = max(after, _resident())
    assert found["k0"].text == undisturbed.text
    assert "killed the engine" in (found["k1"].error or "")
    assert "CPU Generator" in (found["k1"].error or "")
    # Three models were built in the place of the first; the cache of one alone takes 256 MB.
    assert after - before < 150
    out, err = capfd.readouterr()
    assert "SchedulerOutput" not in out + err
    assert err.count("vLLM died: RuntimeError") == 3


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
